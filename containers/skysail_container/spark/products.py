"""Products with a vector of features, the sums in Spark's order: the inner loops of all linear models.

Source: org.apache.spark.ml.linalg.BLAS. Where the features or the coefficients are sparse, Spark adds one product after
another in the order of the indices, and so do these: every bit is equal. Where both are dense, it adds in several lanes
at once, as many as the processor has, so that its last bits depend on the machine; those are within 1e-12 here.
"""

from collections.abc import Callable, Sequence
from operator import mul

from skysail_container.spark.errors import RowError
from skysail_container.spark.matrices import DenseMatrix, Matrix, SparseMatrix, numbers_of
from skysail_container.spark.vectors import DenseVector, SparseVector, Vector

__all__ = ["Fault", "dot_product", "matrix_product"]

Fault = Callable[[str], RowError]
"""What makes the error of a row: `Stage.row_error`."""


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


def _size_fault(features: Vector, expected: int, fault: Fault) -> RowError:
    return fault(f"it takes {expected} features and got {features.size}")
