"""Spark's vectors, dense and sparse, as plain Python numbers: what one row needs is faster without an array.

Source: org.apache.spark.ml.linalg.Vectors.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

__all__ = [
    "DenseVector",
    "SparseVector",
    "Vector",
    "compressed",
    "compressed_dense",
    "is_sparse",
    "occurrences",
    "ones_of",
    "vector_of",
]

DENSE: Final = 1
SPARSE: Final = 0
"""`type` in the struct that Parquet files hold."""


class DenseVector:
    """All values of a vector. Invariant: `values` is a list of Python floats that nobody changes once it is shared."""

    __slots__ = ("values",)

    def __init__(self, values: list[float]) -> None:
        self.values = values

    @property
    def size(self) -> int:
        return len(self.values)

    def active(self) -> Iterator[tuple[int, float]]:
        """Indices and values of all that is stored, zeros included."""
        return enumerate(self.values)

    def nonzeros(self) -> Iterator[tuple[int, float]]:
        """Indices and values that are not zero (NaN is not), in the order of the indices: Spark's order of sums."""
        return (entry for entry in enumerate(self.values) if entry[1] != 0.0)

    def to_list(self) -> list[float]:
        return list(self.values)

    def __len__(self) -> int:
        return len(self.values)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DenseVector) and self.values == other.values

    __hash__ = None  # type: ignore[assignment]  # it holds a list

    def __repr__(self) -> str:
        return f"DenseVector({self.values})"


class SparseVector:
    """The stored values of a vector. Invariant: `indices` ascend strictly and lie in [0, size)."""

    __slots__ = ("indices", "size", "values")

    def __init__(self, size: int, indices: list[int], values: list[float]) -> None:
        self.size = size
        self.indices = indices
        self.values = values

    def active(self) -> Iterator[tuple[int, float]]:
        """Indices and values of all that is stored, explicit zeros included."""
        return zip(self.indices, self.values, strict=True)

    def nonzeros(self) -> Iterator[tuple[int, float]]:
        """Indices and values that are not zero (NaN is not), in the order of the indices: Spark's order of sums."""
        return (entry for entry in zip(self.indices, self.values, strict=True) if entry[1] != 0.0)

    def to_list(self) -> list[float]:
        values = [0.0] * self.size
        for index, value in zip(self.indices, self.values, strict=True):
            values[index] = value
        return values

    def __len__(self) -> int:
        return self.size

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, SparseVector)
            and self.size == other.size
            and self.indices == other.indices
            and self.values == other.values
        )

    __hash__ = None  # type: ignore[assignment]  # it holds lists

    def __repr__(self) -> str:
        return f"SparseVector({self.size}, {self.indices}, {self.values})"


Vector = DenseVector | SparseVector


def is_sparse(n_stored: int, size: int) -> bool:
    """Whether `Vector.compressed` makes a sparse vector: 12 bytes a stored value and 28 are below 8 a value and 12.

    Source: org.apache.spark.ml.linalg.Vectors of Spark 4. Spark 2 reckoned with 20 and 8, which differs for some sizes.
    """
    return 3 * n_stored + 4 < 2 * size


def compressed(size: int, indices: Sequence[int], values: Sequence[float]) -> Vector:
    """The form that takes less memory, as Spark's `Vector.compressed`: which one it is decides the order of later sums.

    :param indices: of the values that are not zero, ascending.
    """
    if is_sparse(len(indices), size):
        return SparseVector(size, list(indices), list(values))
    dense = [0.0] * size
    for index, value in zip(indices, values, strict=True):
        dense[index] = value
    return DenseVector(dense)


def compressed_dense(values: list[float]) -> Vector:
    """All values in the form that takes less memory, as Spark's `DenseVector.compressed`: zeros only are left out."""
    if not is_sparse(len(values) - values.count(0.0), len(values)):
        return DenseVector(values)
    indices = [index for index, value in enumerate(values) if value != 0.0]
    return SparseVector(len(values), indices, [values[index] for index in indices])


def occurrences(size: int, found: list[int]) -> SparseVector:
    """How often each index was found. The list may become a part of the vector: it belongs to it from then on."""
    found.sort()
    counts = [1.0] * len(set(found))
    if len(counts) == len(found):
        return SparseVector(size, found, counts)
    indices: list[int] = []
    place, last = -1, -1
    for index in found:
        if index == last:
            counts[place] += 1.0
        else:
            indices.append(index)
            last = index
            place += 1
    return SparseVector(size, indices, counts)


def ones_of(vector: SparseVector) -> SparseVector:
    """1 wherever the vector stores a value."""
    return SparseVector(vector.size, vector.indices, [1.0] * len(vector.indices))


def vector_of(struct: Any) -> Vector:
    """The vector in a struct of a Parquet file: {type, size, indices, values}."""
    if struct["type"] == SPARSE:
        return SparseVector(struct["size"], [int(index) for index in struct["indices"]], _floats(struct["values"]))
    return DenseVector(_floats(struct["values"]))


def _floats(values: Iterable[Any]) -> list[float]:
    return [float(value) for value in values]
