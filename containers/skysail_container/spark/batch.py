"""Rows that are scored together. Columns of vectors may be there as arrays, too, for the stages that come after.

An array replaces nothing: each row has its own vectors as well, and a stage that knows nothing of arrays finds them.
"""

from collections.abc import Callable, Iterable, Sequence
from operator import is_
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from skysail_container.spark.stage import Row, Score, ScoreRows
from skysail_container.spark.vectors import DenseVector, SparseVector, Vector, is_sparse

__all__ = ["Batch", "Floats", "Ints", "SparseRows", "any_sparse", "counted", "together"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_ENOUGH: Final = 24
"""Arrays of fewer rows cost more than they save."""


class SparseRows(NamedTuple):
    """A column of sparse vectors of one size: all that they store, row by row, with ascending indices in each."""

    n_rows: int
    size: int
    rows: Ints
    """(n_stored,): the number of each value's row."""
    indices: Ints
    values: Floats


class Batch(list[Row]):
    """The rows. Invariant: an array that is handed out holds the very vectors that its column has at that time."""

    def __init__(self, rows: Iterable[Row]) -> None:
        super().__init__(rows)
        self._sparse: dict[str, tuple[list[Any], SparseRows]] = {}
        self._dense: dict[str, tuple[list[Any], Floats]] = {}

    def write_sparse(self, name: str, vectors: SparseRows, like: str | None = None) -> None:
        """Gives each row its vector.

        :param like: a column whose vectors have these very indices, and share them.
        """
        starts = np.searchsorted(vectors.rows, np.arange(len(self) + 1)).tolist()
        indices: list[int] = [] if like is not None else vectors.indices.tolist()
        values: list[float] = vectors.values.tolist()
        for row, start, end in zip(self, starts, starts[1:], strict=False):
            own = indices[start:end] if like is None else row[like].indices
            row[name] = SparseVector(vectors.size, own, values[start:end])
        self._sparse[name] = (self._column(name), vectors)

    def write_dense(self, name: str, matrix: Floats) -> None:
        """Gives each row its vector.

        :param matrix: (n_rows, size).
        """
        for row, values in zip(self, matrix.tolist(), strict=True):
            row[name] = DenseVector(values)
        self._dense[name] = (self._column(name), matrix)

    def sparse(self, name: str) -> SparseRows | None:
        """A column of sparse vectors, if an earlier stage wrote it in this form."""
        vectors, arrays = self._sparse.get(name, (None, None))
        return arrays if vectors is not None and all(map(is_, vectors, self._column(name))) else None

    def dense(self, name: str) -> Floats | None:
        """(n_rows, size): a column of vectors, if all are dense and equally long."""
        column = self._column(name)
        vectors, matrix = self._dense.get(name, (None, None))
        return matrix if vectors is not None and all(map(is_, vectors, column)) else _matrix(column)

    def _column(self, name: str) -> list[Any]:
        return [row[name] for row in self]


def _matrix(column: Sequence[Vector | None]) -> Floats | None:
    """None if not all are dense and equally long."""
    lists = [vector.values for vector in column if isinstance(vector, DenseVector)]
    if len(lists) < len(column) or len(set(map(len, lists))) != 1:
        return None
    return np.array(lists, np.float64)


def any_sparse(matrix: Floats) -> bool:
    """Whether `Vector.compressed` would make any of the rows (n_rows, size) a sparse vector."""
    return is_sparse(int(np.count_nonzero(matrix, axis=1).min(initial=matrix.shape[1])), matrix.shape[1])


def together(score: Score, score_batch: Callable[[Batch], bool]) -> ScoreRows:
    """What scores enough rows by arrays, and others one by one.

    :param score_batch: says whether it could: if not, it has written nothing.
    """

    def score_rows(rows: Sequence[Row]) -> None:
        if len(rows) < _ENOUGH or not isinstance(rows, Batch) or not score_batch(rows):
            for row in rows:
                score(row)

    return score_rows


def counted(n_rows: int, size: int, rows: Ints, found: Ints) -> SparseRows:
    """How often each index was found in each row: `vectors.occurrences` of many rows.

    :param rows: (n_found,): the number of the row that an index was found in.
    """
    keys = rows * size + found
    keys.sort()
    is_first = np.ones(len(keys), np.bool_)
    np.not_equal(keys[1:], keys[:-1], out=is_first[1:])
    places = np.flatnonzero(is_first)
    counts = np.diff(places, append=len(keys)).astype(np.float64)
    numbers, indices = np.divmod(keys[places], size)
    return SparseRows(n_rows, size, numbers, indices, counts)
