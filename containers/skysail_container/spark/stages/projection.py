"""Vectors in other coordinates: along the principal components, or as a sum of cosines."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from skysail_container.spark.attributes import AttributeGroup
from skysail_container.spark.matrices import DenseMatrix, numbers_of, saved_matrix
from skysail_container.spark.products import dense_product_rows, matrix_product
from skysail_container.spark.registry import spark_stage
from skysail_container.spark.schema import Schema
from skysail_container.spark.stage import Bound, Stage
from skysail_container.spark.stage_folder import StageFolder
from skysail_container.spark.stages.normalizing import same_size
from skysail_container.spark.vector_changes import bound_vectors
from skysail_container.spark.vectors import DenseVector, Vector

__all__ = ["DCT", "PCAModel"]


@spark_stage(
    "org.apache.spark.ml.feature.PCAModel",
    parameters={"inputCol": None, "outputCol": None, "k": None},
    exactness="exact for sparse vectors; for dense ones 1e-12 of the largest component: their sums use SIMD in Spark",
)
@dataclass(frozen=True)
class PCAModel(Stage):
    """The product of each principal component with the vector. Source: PCAModel."""

    uid: str
    input_column: str
    output_column: str
    components: tuple[Sequence[float], ...]
    """One row for each component, as long as the vectors."""
    k: int
    """How many components the model says it has."""

    @classmethod
    def from_spark(cls, folder: StageFolder) -> Self:
        saved = folder.row()["pc"]
        n_features, n_components = saved["numRows"], saved["numCols"]
        turned = {"numRows": n_components, "numCols": n_features, "isTransposed": not saved["isTransposed"]}
        components = saved_matrix({**saved, **turned})
        if not isinstance(components, DenseMatrix):
            raise folder.error("its pc is no dense matrix")
        columns = folder.required("inputCol"), folder.required("outputCol")
        return cls(folder.uid, *columns, components.rows, int(folder.required("k")))

    def bind(self, schema: Schema) -> Bound:
        n_features = len(self.components[0]) if self.components else 0
        matrix = DenseMatrix(n_features, tuple(numbers_of(row) for row in self.components))
        product = matrix_product(matrix, [0.0] * len(self.components), self.row_error)

        def change(vector: Vector) -> Vector:
            return DenseVector(product(vector))

        rows = dense_product_rows(matrix, [0.0] * len(self.components))
        columns = self.input_column, self.output_column
        return bound_vectors(self, schema, columns, AttributeGroup(self.k), change, rows)


@spark_stage(
    "org.apache.spark.ml.feature.DCT",
    parameters={"inputCol": None, "outputCol": None, "inverse": False},
    exactness=(
        "1e-12 of the vector's length: another fast Fourier transform than Spark's; "
        "which numbers an infinity makes NaN is not Spark's"
    ),
)
@dataclass(frozen=True)
class DCT(Stage):
    """The discrete cosine transform II, or its inverse, both of them unitary. Source: DCT.

    Through one Fourier transform of the vector's own length: Makhoul, "A fast cosine transform in one and two
    dimensions", IEEE Transactions on Acoustics, Speech, and Signal Processing 28(1), 1980.
    """

    uid: str
    input_column: str
    output_column: str
    inverse: bool = False

    @classmethod
    def from_spark(cls, folder: StageFolder) -> Self:
        columns = folder.required("inputCol"), folder.required("outputCol")
        return cls(folder.uid, *columns, bool(folder.required("inverse")))

    def bind(self, schema: Schema) -> Bound:
        transformed = _from_cosines if self.inverse else _to_cosines

        def change(vector: Vector) -> Vector:
            values = vector.values if isinstance(vector, DenseVector) else vector.to_list()
            if not values:
                raise self.row_error(f"column {self.input_column!r} is a vector without numbers")
            if len(values) == 1:
                return DenseVector(list(values))
            with np.errstate(invalid="ignore", over="ignore"):
                return DenseVector(transformed(np.array(values)))

        attributes = same_size(schema, self.uid, self.input_column)
        return bound_vectors(self, schema, (self.input_column, self.output_column), attributes, change)


@lru_cache(maxsize=8)
def _rotations(n: int) -> tuple[npt.NDArray[np.complex128], npt.NDArray[np.float64]]:
    """exp(-i pi k / 2n) for each k below n, and the factors that make the transform unitary."""
    factors = np.full(n, np.sqrt(2.0 / n))
    factors[0] = np.sqrt(1.0 / n)
    return np.exp(-0.5j * np.pi * np.arange(n) / n), factors


def _to_cosines(values: npt.NDArray[np.float64]) -> list[float]:
    rotations, factors = _rotations(len(values))
    spectrum = np.fft.fft(np.concatenate((values[::2], values[1::2][::-1])))
    return _listed((rotations * spectrum).real * factors)


def _from_cosines(values: npt.NDArray[np.float64]) -> list[float]:
    n = len(values)
    rotations, factors = _rotations(n)
    cosines = values / factors
    mirrored = np.concatenate(((0.0,), cosines[:0:-1]))
    ordered = np.fft.ifft((cosines - 1j * mirrored) / rotations).real
    result = np.empty(n)
    result[::2], result[1::2] = ordered[: (n + 1) // 2], ordered[: (n - 1) // 2 : -1]
    return _listed(result)


def _listed(values: Any) -> list[float]:
    numbers: list[float] = values.tolist()
    return numbers
