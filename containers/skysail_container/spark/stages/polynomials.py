"""All products of up to some number of features."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Self

from skysail_container.spark.registry import spark_stage
from skysail_container.spark.schema import Schema
from skysail_container.spark.stage import Bound, Stage
from skysail_container.spark.stage_folder import StageFolder
from skysail_container.spark.vector_changes import bound_vectors
from skysail_container.spark.vectors import DenseVector, SparseVector, Vector

__all__ = ["PolynomialExpansion"]

_MAX_PRODUCTS: Final = 1 << 22
"""More than these of one row are not computed: they would take more memory than a container has."""
_MAX_KEPT: Final = 10_000
"""The steps to more products than these are not kept for the next row: they take ten times the memory of a row."""
_MAX_SIZE: Final = (1 << 31) - 1
"""Of a vector in Spark."""

Step = tuple[int, int, int]
"""One product: the number of the product before it (0 is the empty one), the feature it is multiplied with, and by
how many more features the product before could grow."""


@spark_stage(
    "org.apache.spark.ml.feature.PolynomialExpansion", parameters={"inputCol": None, "outputCol": None, "degree": 2}
)
@dataclass(frozen=True)
class PolynomialExpansion(Stage):
    """(x, y) of degree 2 becomes (x, x x, y, x y, y y). Source: PolynomialExpansion.

    Products grow from the last feature to the first and, as in Spark, end where they become zero: of 0.0 and infinity
    the product is NaN if infinity is the later feature, else 0.0.
    """

    uid: str
    input_column: str
    output_column: str
    degree: int = 2

    @classmethod
    def from_spark(cls, folder: StageFolder) -> Self:
        degree = int(folder.required("degree"))
        if degree < 1:
            raise folder.error(f"its degree is {degree}, which is not at least 1")
        return cls(folder.uid, folder.required("inputCol"), folder.required("outputCol"), degree)

    def bind(self, schema: Schema) -> Bound:
        degree = self.degree

        def change(vector: Vector) -> Vector:
            if isinstance(vector, DenseVector):
                values = vector.values
                self._check_count(len(values), _MAX_PRODUCTS)
                return _expanded_dense(values, degree)
            size = self._check_count(vector.size, _MAX_SIZE)
            stored = list(vector.active())
            self._check_count(len(stored), _MAX_PRODUCTS)
            return _expanded_sparse(size - 1, stored, degree)

        return bound_vectors(self, schema, (self.input_column, self.output_column), None, change)

    def _check_count(self, n_features: int, limit: int) -> int:
        """How many products there are, the empty one included.

        :raises RowError: they are more than the limit.
        """
        count = _n_products(n_features, self.degree)
        if count > limit:
            raise self.row_error(
                f"column {self.input_column!r}: {n_features} features of degree {self.degree} have too many products"
            )
        return count


@lru_cache(maxsize=4096)
def _n_products(n_features: int, degree: int) -> int:
    """All products of up to `degree` of the features: (n + degree) over degree; 2^31 stands for more than that."""
    count, smaller, n = 1, min(n_features, degree), n_features + degree
    for number in range(1, smaller + 1):
        count = count * (n - smaller + number) // number
        if count > _MAX_SIZE:
            return _MAX_SIZE + 1
    return count


def _steps(n_features: int, degree: int) -> Iterable[Step]:
    is_kept = _n_products(n_features, degree) <= _MAX_KEPT
    return _kept_steps(n_features, degree) if is_kept else _new_steps(n_features, degree)


@lru_cache(maxsize=16)
def _kept_steps(n_features: int, degree: int) -> tuple[Step, ...]:
    return tuple(_new_steps(n_features, degree))


def _new_steps(n_features: int, degree: int) -> Iterator[Step]:
    """The products in Spark's order: by the power of the last feature, then of the one before, and so on.

    Each product grows out of another one before it by a feature that is not behind its last.
    """
    path: list[int] = []
    parents = [0]
    number = 0
    while n_features:
        if len(path) < degree:
            path.append(0)
        else:
            while path and path[-1] == (path[-2] if len(path) > 1 else n_features - 1):
                path.pop()
                parents.pop()
            if not path:
                break
            path[-1] += 1
            parents.pop()
        yield parents[-1], path[-1], degree - len(path) + 1
        number += 1
        parents.append(number)


def _expanded_dense(values: list[float], degree: int) -> DenseVector:
    products = [1.0]
    grow = products.append
    for parent, feature, _ in _steps(len(values), degree):
        grow(products[parent] * values[feature])
    if 0.0 in products:
        products = [1.0]
        for parent, feature, _ in _steps(len(values), degree):
            products.append(_product(products[parent], values[feature]))
    del products[0]
    return DenseVector(products)


def _product(before: float, value: float) -> float:
    """Never -0.0, and zero from the first zero on."""
    return (before * value or 0.0) if before else 0.0


def _expanded_sparse(size: int, stored: list[tuple[int, float]], degree: int) -> SparseVector:
    """
    :param size: of the new vector.
    :param stored: indices and values of the features, zeros too: infinity times a stored zero is NaN.
    """
    products, places = [1.0], [-1]
    for parent, feature, growth in _steps(len(stored), degree):
        index, value = stored[feature]
        products.append(_product(products[parent], value))
        places.append(places[parent] + _n_products(index, growth))
    kept = [number for number, product in enumerate(products) if product and number]
    return SparseVector(size, [places[number] for number in kept], [products[number] for number in kept])
