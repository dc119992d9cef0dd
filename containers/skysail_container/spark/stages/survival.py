"""Accelerated failure time: survival regression with a Weibull distribution of lifetimes."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Self

from skysail_container.spark.attributes import AttributeGroup
from skysail_container.spark.java_math import exp, log, log1p
from skysail_container.spark.products import dot_product
from skysail_container.spark.registry import spark_stage
from skysail_container.spark.regression import REGRESSOR_PARAMETERS, RegressorColumns, number_column
from skysail_container.spark.schema import VECTOR, Column, Schema
from skysail_container.spark.stage import Bound, Row, Stage
from skysail_container.spark.stage_folder import StageFolder
from skysail_container.spark.vectors import DenseVector, Vector, vector_of

__all__ = ["AFTSurvivalRegressionModel"]

_QUANTILES: Final = (0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99)


@spark_stage(
    "org.apache.spark.ml.regression.AFTSurvivalRegressionModel",
    parameters={**REGRESSOR_PARAMETERS, "quantileProbabilities": _QUANTILES, "quantilesCol": None},
    training=("labelCol", "censorCol", "fitIntercept", "maxIter", "tol", "aggregationDepth", "maxBlockSizeInMB"),
    exactness="1e-12: dense sums use SIMD in Spark, and the exponential function is the C library's",
)
@dataclass(frozen=True)
class AFTSurvivalRegressionModel(Stage):
    """The prediction is exp(intercept + coefficients . features); quantiles of the lifetime are multiples of it."""

    uid: str
    coefficients: Vector
    intercept: float
    scale: float
    columns: RegressorColumns
    quantiles: str = ""
    """The column of the quantiles; empty: switched off."""
    probabilities: tuple[float, ...] = _QUANTILES

    @classmethod
    def from_spark(cls, folder: StageFolder) -> Self:
        data = folder.row()
        return cls(
            folder.uid,
            vector_of(data["coefficients"]),
            float(data["intercept"]),
            float(data["scale"]),
            RegressorColumns.from_spark(folder),
            folder.param("quantilesCol") or "",
            tuple(float(one) for one in folder.required("quantileProbabilities")),
        )

    def bind(self, schema: Schema) -> Bound:
        features, prediction, quantiles = self.columns.features, self.columns.prediction, self.quantiles
        schema.column(self.uid, features, VECTOR)
        if quantiles:
            schema = schema.with_output(self.uid, quantiles, Column(VECTOR, AttributeGroup(len(self.probabilities))))
        if prediction:
            schema = schema.with_output(self.uid, prediction, number_column(prediction))
        lifetime_of = self._lifetime()
        factors = [exp(log(-log1p(-probability)) * self.scale) for probability in self.probabilities]

        def score(row: Row) -> None:
            vector = row[features]
            if vector is None:
                raise self.row_error(f"column {features!r} is null")
            lifetime = lifetime_of(vector)
            if prediction:
                row[prediction] = lifetime
            if quantiles:
                row[quantiles] = DenseVector([factor * lifetime for factor in factors])

        return Bound(schema, score if prediction or quantiles else _nothing)

    def _lifetime(self) -> Callable[[Vector], float]:
        product, intercept = dot_product(self.coefficients, self.row_error), self.intercept

        def lifetime(vector: Vector) -> float:
            return exp(product(vector) + intercept)

        return lifetime


def _nothing(row: Row) -> None:
    """Of a stage whose outputs are all switched off."""
