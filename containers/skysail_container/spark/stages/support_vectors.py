"""The linear support vector machine."""

from dataclasses import dataclass
from typing import Self

from skysail_container.spark.classification import (
    CLASSIFIER_PARAMETERS,
    Classifier,
    ClassifierColumns,
    bound_classifier,
)
from skysail_container.spark.products import dot_product
from skysail_container.spark.registry import spark_stage
from skysail_container.spark.schema import Schema
from skysail_container.spark.stage import Bound, Stage
from skysail_container.spark.stage_folder import StageFolder
from skysail_container.spark.vectors import Vector, vector_of

__all__ = ["LinearSVCModel"]


@spark_stage(
    "org.apache.spark.ml.classification.LinearSVCModel",
    parameters={**CLASSIFIER_PARAMETERS, "threshold": 0.0},
    training=(
        "labelCol", "weightCol", "regParam", "maxIter", "tol", "fitIntercept", "standardization", "aggregationDepth",
        "maxBlockSizeInMB", "blockSize",
    ),
    exactness="1e-12: dense sums use SIMD in Spark; predictions exact",
)  # fmt: skip
@dataclass(frozen=True)
class LinearSVCModel(Stage):
    """Source: org.apache.spark.ml.classification.LinearSVCModel."""

    uid: str
    columns: ClassifierColumns
    coefficients: Vector
    intercept: float
    threshold: float = 0.0
    """The margin, not the probability, above which the prediction is 1."""

    @classmethod
    def from_spark(cls, folder: StageFolder) -> Self:
        data = folder.row()
        return cls(
            folder.uid,
            ClassifierColumns.from_spark(folder),
            vector_of(data["coefficients"]),
            float(data["intercept"]),
            float(folder.required("threshold")),
        )

    def bind(self, schema: Schema) -> Bound:
        dot = dot_product(self.coefficients, self.row_error)
        intercept, threshold = self.intercept, self.threshold

        def raw(features: Vector) -> list[float]:
            margin = dot(features) + intercept
            return [-margin, margin]

        classifier = Classifier(2, raw, raw_prediction=lambda raw: 1.0 if raw[1] > threshold else 0.0)
        return bound_classifier(self, schema, self.columns, classifier)
