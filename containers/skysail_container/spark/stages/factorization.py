"""Factorization machines, for classes and for numbers."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from skysail_container.spark.classification import (
    PROBABILISTIC_PARAMETERS,
    Classifier,
    ClassifierColumns,
    bound_classifier,
)
from skysail_container.spark.java_math import sigmoid
from skysail_container.spark.matrices import Matrix, numbers_of, saved_matrix
from skysail_container.spark.products import Fault, dot_product
from skysail_container.spark.registry import spark_stage
from skysail_container.spark.regression import REGRESSOR_PARAMETERS, RegressorColumns, bound_regressor
from skysail_container.spark.schema import Schema
from skysail_container.spark.stage import Bound, Stage
from skysail_container.spark.stage_folder import StageFolder
from skysail_container.spark.vectors import Vector, vector_of

__all__ = ["FMClassificationModel", "FMRegressionModel", "Machine"]

_TRAINING = (
    "labelCol", "weightCol", "factorSize", "fitIntercept", "fitLinear", "regParam", "miniBatchFraction", "initStd",
    "maxIter", "stepSize", "tol", "solver", "seed",
)  # fmt: skip
_EXACTNESS = "1e-12: dense sums use SIMD in Spark"


@dataclass(frozen=True, slots=True)
class Machine:
    """Source: org.apache.spark.ml.regression.FactorizationMachines."""

    intercept: float
    linear: Vector
    factors: Matrix
    """Features x factors."""

    @classmethod
    def from_spark(cls, folder: StageFolder) -> Self:
        data = folder.row()
        linear, factors = vector_of(data["linear"]), saved_matrix(data["factors"])
        if factors.n_rows != linear.size:
            raise ValueError(f"{linear.size} linear terms come with factors of {factors.n_rows} features")
        return cls(float(data["intercept"]), linear, factors)

    def prediction(self, fault: Fault) -> Callable[[Vector], float]:
        dot = dot_product(self.linear, fault)
        intercept = self.intercept
        of_factors = tuple(numbers_of(factor) for factor in zip(*self.factors.to_rows(), strict=True))

        def predict(features: Vector) -> float:
            predicted = intercept + dot(features)
            entries = tuple(features.nonzeros())
            for factor in of_factors:
                total = squares = 0.0
                for index, value in entries:
                    product = factor[index] * value
                    squares += product * product
                    total += product
                predicted += 0.5 * (total * total - squares)
            return predicted

        return predict


@spark_stage(
    "org.apache.spark.ml.classification.FMClassificationModel",
    parameters=PROBABILISTIC_PARAMETERS,
    training=_TRAINING,
    since="3.0",
    exactness=f"{_EXACTNESS}; predictions exact",
)
@dataclass(frozen=True)
class FMClassificationModel(Stage):
    """Source: org.apache.spark.ml.classification.FMClassificationModel."""

    uid: str
    columns: ClassifierColumns
    machine: Machine

    @classmethod
    def from_spark(cls, folder: StageFolder) -> Self:
        return cls(folder.uid, ClassifierColumns.from_spark(folder), Machine.from_spark(folder))

    def bind(self, schema: Schema) -> Bound:
        predicted = self.machine.prediction(self.row_error)

        def raw(features: Vector) -> list[float]:
            margin = predicted(features)
            return [-margin, margin]

        def probability(raw: list[float]) -> list[float]:
            second = sigmoid(raw[1])
            return [1.0 - second, second]

        return bound_classifier(self, schema, self.columns, Classifier(2, raw, probability))


@spark_stage(
    "org.apache.spark.ml.regression.FMRegressionModel",
    parameters=REGRESSOR_PARAMETERS,
    training=_TRAINING,
    since="3.0",
    exactness=_EXACTNESS,
)
@dataclass(frozen=True)
class FMRegressionModel(Stage):
    """Source: org.apache.spark.ml.regression.FMRegressionModel."""

    uid: str
    columns: RegressorColumns
    machine: Machine

    @classmethod
    def from_spark(cls, folder: StageFolder) -> Self:
        return cls(folder.uid, RegressorColumns.from_spark(folder), Machine.from_spark(folder))

    def bind(self, schema: Schema) -> Bound:
        return bound_regressor(self, schema, self.columns, self.machine.prediction(self.row_error))
