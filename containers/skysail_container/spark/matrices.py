"""Spark's matrices as they were saved: dense, or sparse by rows or by columns, which decides the order of sums.

Source: org.apache.spark.ml.linalg.{DenseMatrix, SparseMatrix}.
"""

from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Self

__all__ = ["DenseMatrix", "Matrix", "SparseMatrix", "numbers_of", "saved_matrix"]

_COMPACT_FROM = 4096
"""Longer rows are arrays of 8 bytes a number instead of lists of 32, which are a quarter faster to read."""
_COMPACT_ALONE_FROM = 1 << 16
"""The same for a vector that stands alone: 2 MB are nothing beside the process."""


def numbers_of(values: Sequence[float], *, alone: bool = False) -> Sequence[float]:
    """Numbers in the form that suits how many they are.

    :param alone: they are not one of many rows.
    """
    return list(values) if len(values) < (_COMPACT_ALONE_FROM if alone else _COMPACT_FROM) else array("d", values)


@dataclass(frozen=True, slots=True)
class DenseMatrix:
    """All values, row by row."""

    n_cols: int
    rows: tuple[Sequence[float], ...]

    @property
    def n_rows(self) -> int:
        return len(self.rows)

    def mapped(self, change: Callable[[float], float]) -> Self:
        return type(self)(self.n_cols, tuple(numbers_of([change(value) for value in row]) for row in self.rows))

    def to_rows(self) -> tuple[Sequence[float], ...]:
        return self.rows


@dataclass(frozen=True, slots=True)
class SparseMatrix:
    """Stored values only: what is not stored counts as zero and is never multiplied, not even with NaN.

    Invariant: `lines` are rows if `by_rows`, else columns; the indices within each ascend.
    """

    n_rows: int
    n_cols: int
    by_rows: bool
    lines: tuple[tuple[Sequence[int], Sequence[float]], ...]

    def mapped(self, change: Callable[[float], float]) -> Self:
        """With every stored value changed, as Spark's `Matrix.map`."""
        lines = tuple((indices, numbers_of([change(value) for value in values])) for indices, values in self.lines)
        return type(self)(self.n_rows, self.n_cols, self.by_rows, lines)

    def entries(self) -> Iterator[tuple[int, int, float]]:
        """Row, column and value of all that is stored."""
        for outer, (indices, values) in enumerate(self.lines):
            for inner, value in zip(indices, values, strict=True):
                yield (outer, inner, value) if self.by_rows else (inner, outer, value)

    def to_rows(self) -> tuple[Sequence[float], ...]:
        rows = tuple([0.0] * self.n_cols for _ in range(self.n_rows))
        for row, column, value in self.entries():
            rows[row][column] = value
        return rows


Matrix = DenseMatrix | SparseMatrix


def saved_matrix(struct: Any) -> Matrix:
    """The matrix in a struct of a Parquet file.

    Source: org.apache.spark.ml.linalg.MatrixUDT; type 1 is dense, 0 compressed sparse columns (or rows if transposed).

    :raises ValueError: its parts do not fit together.
    """
    n_rows, n_cols, by_rows = struct["numRows"], struct["numCols"], bool(struct["isTransposed"])
    values = [float(value) for value in struct["values"]]
    if struct["type"] == 1:
        if len(values) != n_rows * n_cols:
            raise ValueError(f"a matrix of {n_rows} x {n_cols} has {len(values)} values")
        starts = [
            values[row * n_cols : (row + 1) * n_cols] if by_rows else values[row::n_rows] for row in range(n_rows)
        ]
        return DenseMatrix(n_cols, tuple(numbers_of(row) for row in starts))
    pointers, indices = struct["colPtrs"], struct["rowIndices"]
    n_lines, n_inner = (n_rows, n_cols) if by_rows else (n_cols, n_rows)
    if len(pointers) != n_lines + 1 or len(indices) != len(values) or pointers[-1] != len(values):
        raise ValueError(f"the parts of a sparse matrix of {n_rows} x {n_cols} do not fit together")
    if indices and not 0 <= min(indices) <= max(indices) < n_inner:
        raise ValueError(f"an index of a sparse matrix of {n_rows} x {n_cols} is outside of it")
    lines = tuple((indices[start:stop], values[start:stop]) for start, stop in pairwise(pointers))
    return SparseMatrix(n_rows, n_cols, by_rows, lines)
