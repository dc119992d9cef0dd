"""Products with a vector of features, the sums in Spark's order: the inner loops of all linear models.

Source: org.apache.spark.ml.linalg.BLAS. Where the features or the coefficients are sparse, Spark adds one product after
another in the order of the indices, and so do these: every bit is equal. Where both are dense, it adds in several lanes
at once, as many as the processor has, so that its last bits depend on the machine; those are within 1e-12 here.
"""

from collections.abc import Callable, Sequence
from operator import mul
from typing import Final

import numpy as np

from skysail_container.spark.batch import Floats, Ints, SparseRows
from skysail_container.spark.errors import RowError
from skysail_container.spark.matrices import DenseMatrix, Matrix, SparseMatrix, numbers_of
from skysail_container.spark.vectors import DenseVector, SparseVector, Vector

__all__ = ["SUMS_IN_ORDER", "Fault", "dense_product_rows", "dot_product", "dot_rows", "matrix_product", "product_rows"]

Fault = Callable[[str], RowError]
"""What makes the error of a row: `Stage.row_error`."""


_MAX_FACTORS: Final = 1 << 20
"""Of models with more there is no second form for many rows, which takes 8 MB of so many."""


SUMS_IN_ORDER: Final = sum([1e16, 1.0, -1e16]) == 0.0
"""Whether `sum` just adds floats one after another. From Python 3.12 on it makes up for what is rounded away."""


def dot_product(coefficients: Vector, fault: Fault) -> Callable[[Vector], float]:
    """`BLAS.dot(features, coefficients)` as a function of the features, which raises if their size is another."""
    if isinstance(coefficients, DenseVector):
        return _dense_dot(coefficients, fault)
    return _sparse_dot(coefficients, fault)


def _dense_dot(coefficients: DenseVector, fault: Fault) -> Callable[[Vector], float]:
    n, factors = coefficients.size, numbers_of(coefficients.values, alone=True)

    def dot(features: Vector) -> float:
        if isinstance(features, DenseVector):
            if len(features.values) != n:
                raise _size_fault(features, n, fault)
            return sum(map(mul, features.values, factors), 0.0)
        if features.size != n:
            raise _size_fault(features, n, fault)
        total = 0.0
        for index, value in zip(features.indices, features.values, strict=True):
            total += value * factors[index]
        return total

    return dot


def _sparse_dot(coefficients: SparseVector, fault: Fault) -> Callable[[Vector], float]:
    n = coefficients.size
    stored = tuple(coefficients.active())
    factors = dict(stored)

    def dot(features: Vector) -> float:
        if features.size != n:
            raise _size_fault(features, n, fault)
        total = 0.0
        if isinstance(features, DenseVector):
            values = features.values
            for index, factor in stored:
                total += factor * values[index]
            return total
        for index, value in zip(features.indices, features.values, strict=True):
            if index in factors:
                total += value * factors[index]
        return total

    return dot


def matrix_product(matrix: Matrix, start: Sequence[float], fault: Fault) -> Callable[[Vector], list[float]]:
    """`BLAS.gemv(1, matrix, features, 1, start)`: start + matrix x features, one number for each row.

    :raises ValueError: `start` has another number of rows.
    """
    if matrix.n_rows != len(start):
        raise ValueError(f"a matrix of {matrix.n_rows} rows comes with {len(start)} intercepts")
    if isinstance(matrix, DenseMatrix):
        return _dense_product(matrix, start, fault)
    return _by_rows(matrix, start, fault) if matrix.by_rows else _by_columns(matrix, start, fault)


def _dense_product(matrix: DenseMatrix, start: Sequence[float], fault: Fault) -> Callable[[Vector], list[float]]:
    n = matrix.n_cols
    rows = tuple(zip(start, matrix.rows, strict=True))

    def product(features: Vector) -> list[float]:
        if isinstance(features, DenseVector):
            values = features.values
            if len(values) != n:
                raise _size_fault(features, n, fault)
            return [sum(map(mul, values, row), 0.0) + first for first, row in rows]
        if features.size != n:
            raise _size_fault(features, n, fault)
        if len(rows) == 2:
            return _two_sums(features, *rows)
        sums = []
        for first, row in rows:
            total = 0.0
            for index, value in zip(features.indices, features.values, strict=True):
                total += value * row[index]
            sums.append(total + first)
        return sums

    return product


def _two_sums(
    features: SparseVector, one: tuple[float, Sequence[float]], other: tuple[float, Sequence[float]]
) -> list[float]:
    """For two rows with their starts, in one pass: most classifiers have two classes."""
    (first, row), (second, other_row) = one, other
    total = other_total = 0.0
    for index, value in zip(features.indices, features.values, strict=True):
        total += value * row[index]
        other_total += value * other_row[index]
    return [total + first, other_total + second]


def _by_rows(matrix: SparseMatrix, start: Sequence[float], fault: Fault) -> Callable[[Vector], list[float]]:
    n = matrix.n_cols
    rows = tuple(zip(start, matrix.lines, strict=True))

    def product(features: Vector) -> list[float]:
        if features.size != n:
            raise _size_fault(features, n, fault)
        sums = []
        if isinstance(features, DenseVector):
            values = features.values
            for first, (indices, factors) in rows:
                total = 0.0
                for index, factor in zip(indices, factors, strict=True):
                    total += factor * values[index]
                sums.append(first + total)
            return sums
        stored = dict(features.active())
        for first, (indices, factors) in rows:
            total = 0.0
            for index, factor in zip(indices, factors, strict=True):
                if index in stored:
                    total += factor * stored[index]
            sums.append(total + first)
        return sums

    return product


def _by_columns(matrix: SparseMatrix, start: Sequence[float], fault: Fault) -> Callable[[Vector], list[float]]:
    n, columns = matrix.n_cols, matrix.lines

    def product(features: Vector) -> list[float]:
        if features.size != n:
            raise _size_fault(features, n, fault)
        sums = list(start)
        for column, value in features.active():
            indices, factors = columns[column]
            for index, factor in zip(indices, factors, strict=True):
                sums[index] += factor * value
        return sums

    return product


def dot_rows(coefficients: Vector, fault: Fault) -> Callable[[SparseRows], Floats] | None:
    """`dot_product` of many sparse vectors, with the same bits. None: they would take too much memory."""
    n = coefficients.size
    if n > _MAX_FACTORS:
        return None
    factors = np.array(coefficients.to_list(), np.float64)
    stored = None
    if isinstance(coefficients, SparseVector):
        stored = np.zeros(n, np.bool_)
        stored[coefficients.indices] = True

    def dots(features: SparseRows) -> Floats:
        if features.size != n:
            raise _size_fault(features, n, fault)
        rows, indices, values = features.rows, features.indices, features.values
        if stored is not None:
            kept = stored[indices]
            rows, indices, values = rows[kept], indices[kept], values[kept]
        return _sums(features.n_rows, rows, values * factors[indices])

    return dots


def product_rows(
    matrix: Matrix, start: Sequence[float], fault: Fault
) -> Callable[[SparseRows], list[list[float]]] | None:
    """`matrix_product` of many sparse vectors, with the same bits. None: not for a matrix like this."""
    n = matrix.n_cols
    if not isinstance(matrix, DenseMatrix) or matrix.n_rows * n > _MAX_FACTORS:
        return None
    lines = [(first, np.array(row, np.float64)) for first, row in zip(start, matrix.rows, strict=True)]

    def product(features: SparseRows) -> list[list[float]]:
        if features.size != n:
            raise _size_fault(features, n, fault)
        sums = [
            _sums(features.n_rows, features.rows, features.values * row[features.indices]) + first
            for first, row in lines
        ]
        found: list[list[float]] = np.stack(sums, 1).tolist()
        return found

    return product


def dense_product_rows(matrix: DenseMatrix, start: Sequence[float]) -> Callable[[Floats], Floats | None]:
    """`matrix_product` of many dense vectors, with the same bits; None for vectors of another size.

    The features of all rows are added one after another, as `sum` adds floats, in Pythons where it does nothing else.
    """
    factors = np.array(matrix.rows, np.float64).reshape(matrix.n_rows, matrix.n_cols).T.copy()
    first = np.array(start, np.float64)

    def product(features: Floats) -> Floats | None:
        if features.shape[1] != matrix.n_cols or not SUMS_IN_ORDER:
            return None
        sums = np.zeros((len(features), matrix.n_rows))
        for column, of_column in zip(features.T, factors, strict=True):
            sums += column[:, None] * of_column
        return sums + first

    return product


def _sums(n_rows: int, rows: Ints, values: Floats) -> Floats:
    """The sum of each row's values, one after another in their order, as a loop would add them."""
    sums: Floats = np.bincount(rows, values, n_rows).astype(np.float64, copy=False)
    return sums


def _size_fault(features: Vector | SparseRows, expected: int, fault: Fault) -> RowError:
    return fault(f"it takes {expected} features and got {features.size}")
