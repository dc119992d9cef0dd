"""Naive Bayes: multinomial, complement, Bernoulli and Gaussian."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

from skysail_container.spark.batch import SparseRows
from skysail_container.spark.classification import (
    PROBABILISTIC_PARAMETERS,
    Classifier,
    ClassifierColumns,
    bound_classifier,
)
from skysail_container.spark.errors import UnsupportedStageError
from skysail_container.spark.java_math import divided, exp, log, log1p, softmax
from skysail_container.spark.matrices import Matrix, saved_matrix
from skysail_container.spark.products import matrix_product, product_rows
from skysail_container.spark.registry import spark_stage
from skysail_container.spark.schema import Schema
from skysail_container.spark.stage import Bound, Stage
from skysail_container.spark.stage_folder import StageFolder
from skysail_container.spark.vectors import DenseVector, Vector, vector_of

__all__ = ["NaiveBayesModel"]

Raw = Callable[[Vector], list[float]]


@spark_stage(
    "org.apache.spark.ml.classification.NaiveBayesModel",
    parameters={**PROBABILISTIC_PARAMETERS, "modelType": "multinomial"},
    training=("labelCol", "weightCol", "smoothing"),
    exactness="1e-12: dense sums use SIMD in Spark; predictions exact",
)
@dataclass(frozen=True)
class NaiveBayesModel(Stage):
    """Source: org.apache.spark.ml.classification.NaiveBayesModel."""

    uid: str
    columns: ClassifierColumns
    model_type: str
    """multinomial, complement, bernoulli or gaussian."""
    pi: tuple[float, ...]
    """The logarithm of each class's share."""
    theta: Matrix
    """Classes x features: logarithms of conditional probabilities; Gaussian: means."""
    sigma: Matrix | None = None
    """Gaussian only: variances, classes x features."""

    @classmethod
    def from_spark(cls, folder: StageFolder) -> Self:
        data = folder.row()
        model_type = folder.required("modelType")
        if model_type not in _RAW:
            raise UnsupportedStageError(folder.uid, f"its modelType {model_type!r} is not known here")
        pi, theta = tuple(vector_of(data["pi"]).to_list()), saved_matrix(data["theta"])
        sigma = saved_matrix(data["sigma"]) if model_type == "gaussian" else None
        for matrix in (theta, sigma):
            if matrix is not None and (matrix.n_rows, matrix.n_cols) != (len(pi), theta.n_cols):
                raise folder.error(f"it has {len(pi)} classes and a matrix of {matrix.n_rows} x {matrix.n_cols}")
        return cls(folder.uid, ClassifierColumns.from_spark(folder), model_type, pi, theta, sigma)

    def bind(self, schema: Schema) -> Bound:
        raw_sparse = _multinomial_rows(self) if self.model_type == "multinomial" else None
        classifier = Classifier(len(self.pi), _RAW[self.model_type](self), probability=softmax, raw_sparse=raw_sparse)
        return bound_classifier(self, schema, self.columns, classifier)


def _multinomial(model: NaiveBayesModel) -> Raw:
    product = matrix_product(model.theta, model.pi, model.row_error)

    def raw(features: Vector) -> list[float]:
        _check_nonnegative(model, features)
        return product(features)

    return raw


def _multinomial_rows(model: NaiveBayesModel) -> Callable[[SparseRows], list[list[float]]] | None:
    product = product_rows(model.theta, model.pi, model.row_error)
    if product is None:
        return None

    def raw(features: SparseRows) -> list[list[float]]:
        if not features.values.min(initial=0.0) >= 0.0:
            raise model.row_error("naive Bayes takes no negative features and no NaN")
        return product(features)

    return raw


def _complement(model: NaiveBayesModel) -> Raw:
    product = matrix_product(model.theta, [0.0] * len(model.pi), model.row_error)

    def raw(features: Vector) -> list[float]:
        _check_nonnegative(model, features)
        logs = product(features)
        top = max(logs)
        total = 0.0
        for each in logs:
            total += exp(each - top)
        log_sum = log(total) + top
        return [each - log_sum for each in logs]

    return raw


def _check_nonnegative(model: NaiveBayesModel, features: Vector) -> None:
    values = features.values
    if min(values, default=0.0) >= 0.0 and sum(values) >= 0.0:  # a NaN escapes the least, and not the sum
        return
    for value in values:
        if not value >= 0.0:
            raise model.row_error(f"naive Bayes takes no negative features and no NaN, and got {value}")


def _bernoulli(model: NaiveBayesModel) -> Raw:
    """The logarithms of both outcomes of each feature, as their sum for all zeros and what a one adds to it."""
    of_zeros = model.theta.mapped(_log_of_rest)
    all_zeros = matrix_product(of_zeros, model.pi, model.row_error)(DenseVector([1.0] * model.theta.n_cols))
    product = matrix_product(model.theta.mapped(lambda value: value - _log_of_rest(value)), all_zeros, model.row_error)

    def raw(features: Vector) -> list[float]:
        for value in features.values:
            if value != 1.0 and value != 0.0:
                raise model.row_error(f"Bernoulli naive Bayes takes features of 0 and 1, and got {value}")
        return product(features)

    return raw


def _log_of_rest(log_of_share: float) -> float:
    return log1p(-exp(log_of_share))


def _gaussian(model: NaiveBayesModel) -> Raw:
    if model.sigma is None:
        raise model.error("it is Gaussian but has no variances")
    n = model.theta.n_cols
    means, variances = model.theta.to_rows(), model.sigma.to_rows()
    of_classes = [
        (prior, tuple(zip(mean, variance, strict=True)), _sum_of_logs(variance))
        for prior, mean, variance in zip(model.pi, means, variances, strict=True)
    ]
    divide = divided if any(0.0 in variance for variance in variances) else None

    def raw(features: Vector) -> list[float]:
        values = features.values if isinstance(features, DenseVector) else features.to_list()
        if len(values) < n:
            raise model.row_error(f"it takes {n} features and got {len(values)}")
        found = []
        for prior, moments, sum_of_logs in of_classes:
            total = 0.0
            for value, (mean, variance) in zip(values, moments, strict=False):  # Spark ignores what is beyond
                distance = value - mean
                squared = distance * distance
                total += squared / variance if divide is None else divide(squared, variance)
            found.append(prior - (total + sum_of_logs) / 2.0)
        return found

    return raw


def _sum_of_logs(variances: Sequence[float]) -> float:
    total = 0.0
    for variance in variances:
        total += log(variance)
    return total


_RAW: dict[str, Callable[[NaiveBayesModel], Raw]] = {
    "multinomial": _multinomial,
    "complement": _complement,
    "bernoulli": _bernoulli,
    "gaussian": _gaussian,
}
