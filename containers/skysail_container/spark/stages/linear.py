"""Linear regression, by squared error or Huber's."""

from dataclasses import dataclass
from typing import Self

from skysail_container.spark.products import dot_product
from skysail_container.spark.registry import spark_stage
from skysail_container.spark.regression import REGRESSOR_PARAMETERS, RegressorColumns, bound_regressor
from skysail_container.spark.schema import Schema
from skysail_container.spark.stage import Bound, Stage
from skysail_container.spark.stage_folder import StageFolder
from skysail_container.spark.vectors import Vector, vector_of

__all__ = ["LinearRegressionModel"]


@spark_stage(
    "org.apache.spark.ml.regression.LinearRegressionModel",
    parameters=REGRESSOR_PARAMETERS,
    training=(
        "labelCol", "weightCol", "regParam", "elasticNetParam", "maxIter", "tol", "fitIntercept", "standardization",
        "solver", "aggregationDepth", "maxBlockSizeInMB", "blockSize", "loss", "epsilon",
    ),
    exactness="1e-12: dense sums use SIMD in Spark",
)  # fmt: skip
@dataclass(frozen=True)
class LinearRegressionModel(Stage):
    """Source: org.apache.spark.ml.regression.LinearRegressionModel, whose `scale` (Huber) has no part in scores."""

    uid: str
    columns: RegressorColumns
    coefficients: Vector
    intercept: float

    @classmethod
    def from_spark(cls, folder: StageFolder) -> Self:
        data = folder.row()
        return cls(
            folder.uid,
            RegressorColumns.from_spark(folder),
            vector_of(data["coefficients"]),
            float(data["intercept"]),
        )

    def bind(self, schema: Schema) -> Bound:
        dot = dot_product(self.coefficients, self.row_error)
        intercept = self.intercept
        return bound_regressor(self, schema, self.columns, lambda features: dot(features) + intercept)
