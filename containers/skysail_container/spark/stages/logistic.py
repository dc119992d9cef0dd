"""Logistic regression, with two classes or many."""

import math
from dataclasses import dataclass
from typing import Self

from skysail_container.spark.batch import SparseRows
from skysail_container.spark.classification import (
    PROBABILISTIC_PARAMETERS,
    Classifier,
    ClassifierColumns,
    bound_classifier,
)
from skysail_container.spark.java_math import sigmoid, softmax
from skysail_container.spark.matrices import DenseMatrix, Matrix, saved_matrix
from skysail_container.spark.products import dot_product, dot_rows, matrix_product, product_rows
from skysail_container.spark.registry import spark_stage
from skysail_container.spark.schema import Schema
from skysail_container.spark.stage import Bound, Stage
from skysail_container.spark.stage_folder import StageFolder
from skysail_container.spark.vectors import DenseVector, SparseVector, Vector, vector_of

__all__ = ["LogisticRegressionModel"]


@spark_stage(
    "org.apache.spark.ml.classification.LogisticRegressionModel",
    parameters={**PROBABILISTIC_PARAMETERS, "threshold": 0.5},
    training=(
        "labelCol", "weightCol", "regParam", "elasticNetParam", "maxIter", "tol", "fitIntercept", "family",
        "standardization", "aggregationDepth", "maxBlockSizeInMB", "blockSize", "lowerBoundsOnCoefficients",
        "upperBoundsOnCoefficients", "lowerBoundsOnIntercepts", "upperBoundsOnIntercepts",
    ),
    exactness="1e-12: dense sums use SIMD in Spark; predictions exact",
)  # fmt: skip
@dataclass(frozen=True)
class LogisticRegressionModel(Stage):
    """Source: org.apache.spark.ml.classification.LogisticRegressionModel."""

    uid: str
    columns: ClassifierColumns
    coefficients: Matrix
    """One row for each class, or a single one for two classes."""
    intercepts: tuple[float, ...]
    """One for each row of the coefficients."""
    n_classes: int
    is_multinomial: bool
    threshold: float = 0.5
    """Of two classes: the probability above which the prediction is 1. What `columns.thresholds` say goes before."""

    @classmethod
    def from_spark(cls, folder: StageFolder) -> Self:
        data = folder.row()
        columns = ClassifierColumns.from_spark(folder)
        coefficients = saved_matrix(data["coefficientMatrix"])
        intercepts = tuple(vector_of(data["interceptVector"]).to_list())
        if coefficients.n_rows != len(intercepts):
            raise folder.error(f"it has coefficients of {coefficients.n_rows} classes and {len(intercepts)} intercepts")
        threshold = _threshold(folder, columns.thresholds)
        if not 0.0 <= threshold <= 1.0:
            raise folder.error(f"its threshold is {threshold}, which is no probability")
        n_classes, is_multinomial = int(data["numClasses"]), bool(data["isMultinomial"])
        if coefficients.n_rows != n_classes if is_multinomial else n_classes > 2:
            raise folder.error(f"it has {n_classes} classes and coefficients of {coefficients.n_rows}")
        return cls(folder.uid, columns, coefficients, intercepts, n_classes, is_multinomial, threshold)

    def bind(self, schema: Schema) -> Bound:
        return bound_classifier(
            self, schema, self.columns, self._multinomial() if self.is_multinomial else self._binary()
        )

    def _multinomial(self) -> Classifier:
        return Classifier(
            self.n_classes,
            matrix_product(self.coefficients, self.intercepts, self.row_error),
            probability=softmax,
            raw_sparse=product_rows(self.coefficients, self.intercepts, self.row_error),
        )

    def _binary(self) -> Classifier:
        coefficients = _only_row(self.coefficients)
        dot, dots = dot_product(coefficients, self.row_error), dot_rows(coefficients, self.row_error)
        intercept = self.intercepts[0]
        threshold = self.threshold
        raw_threshold = _logit(threshold)

        def raw(features: Vector) -> list[float]:
            margin = dot(features) + intercept
            return [-margin, margin]

        def probability(raw: list[float]) -> list[float]:
            first = sigmoid(raw[0])
            return [first, 1.0 - first]

        def raw_sparse(features: SparseRows) -> list[list[float]]:
            return [] if dots is None else [[-margin, margin] for margin in (dots(features) + intercept).tolist()]

        return Classifier(
            self.n_classes,
            raw,
            probability,
            raw_sparse=None if dots is None else raw_sparse,
            predict=lambda features: 1.0 if sigmoid(dot(features) + intercept) > threshold else 0.0,
            raw_prediction=lambda raw: 1.0 if raw[1] > raw_threshold else 0.0,
            probability_prediction=lambda probability: 1.0 if probability[1] > threshold else 0.0,
        )


def _threshold(folder: StageFolder, thresholds: tuple[float, ...] | None) -> float:
    """The threshold of two classes, made of `thresholds` if they are set.

    :raises StageError: both are set and contradict each other, on which Spark fails as well.
    """
    if thresholds is None:
        return float(folder.required("threshold"))
    own = folder.metadata.params.get("threshold")
    if len(thresholds) != 2:
        if own is not None:
            raise folder.error(f"its threshold is set, which means two classes, and {len(thresholds)} thresholds are")
        return 0.5
    first, second = thresholds
    equivalent = 1.0 / (1.0 + first / second) if second else 0.0
    if own is not None and not abs(own - equivalent) < 1e-5:
        raise folder.error(f"its threshold {own} and its thresholds {list(thresholds)} contradict each other")
    return equivalent


def _logit(threshold: float) -> float:
    if threshold == 0.0:
        return -math.inf
    if threshold == 1.0:
        return math.inf
    return math.log(threshold / (1.0 - threshold))


def _only_row(matrix: Matrix) -> Vector:
    """The coefficients of two classes: sparse if they were saved so."""
    if matrix.n_rows != 1:
        raise ValueError(f"two classes have one row of coefficients, not {matrix.n_rows}")
    if isinstance(matrix, DenseMatrix):
        return DenseVector(list(matrix.rows[0]))
    entries = sorted((column, value) for _, column, value in matrix.entries())
    return SparseVector(matrix.n_cols, [column for column, _ in entries], [value for _, value in entries])
