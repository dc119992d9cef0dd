"""Isotonic regression: a line through the points that training left."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Self

from skysail_container.spark.binary_search import binary_search
from skysail_container.spark.java_math import divided
from skysail_container.spark.registry import spark_stage
from skysail_container.spark.regression import REGRESSOR_PARAMETERS, RegressorColumns, number_column
from skysail_container.spark.schema import DOUBLE, VECTOR, Schema
from skysail_container.spark.stage import Bound, Row, Stage
from skysail_container.spark.stage_folder import StageFolder
from skysail_container.spark.vectors import DenseVector, Vector

__all__ = ["IsotonicRegressionModel"]


@spark_stage(
    "org.apache.spark.ml.regression.IsotonicRegressionModel",
    parameters={**REGRESSOR_PARAMETERS, "featureIndex": 0},
    training=("labelCol", "weightCol", "isotonic"),
)
@dataclass(frozen=True)
class IsotonicRegressionModel(Stage):
    """Between two boundaries the prediction is interpolated, beyond them it stays.

    Source: org.apache.spark.mllib.regression.IsotonicRegressionModel.
    """

    uid: str
    boundaries: tuple[float, ...]
    """Ascending."""
    predictions: tuple[float, ...]
    columns: RegressorColumns
    feature_index: int = 0
    """Which feature counts where the column has vectors."""

    @classmethod
    def from_spark(cls, folder: StageFolder) -> Self:
        data = folder.row()
        boundaries, predictions = (tuple(map(float, data[name])) for name in ("boundaries", "predictions"))
        if not boundaries or len(boundaries) != len(predictions):
            raise folder.error(f"it has {len(boundaries)} boundaries and {len(predictions)} predictions")
        if any(after < before for before, after in pairwise(boundaries)):
            raise folder.error("its boundaries are not in ascending order")
        columns = RegressorColumns.from_spark(folder)
        return cls(folder.uid, boundaries, predictions, columns, folder.required("featureIndex"))

    def bind(self, schema: Schema) -> Bound:
        features, prediction = self.columns.features, self.columns.prediction
        if not prediction:
            raise self.error("its predictionCol is empty, on which Spark fails as well")
        found = schema.column(self.uid, features, DOUBLE, VECTOR)
        predict = _interpolation(self.boundaries, self.predictions)
        after = schema.with_output(self.uid, prediction, number_column(prediction))
        if found.type == VECTOR:
            return Bound(after, self._of_vectors(predict))

        def score(row: Row) -> None:
            value = row[features]
            row[prediction] = None if value is None else predict(value)

        return Bound(after, score)

    def _of_vectors(self, predict: Callable[[float], float]) -> Callable[[Row], None]:
        features, prediction, index = self.columns.features, self.columns.prediction, self.feature_index

        def score(row: Row) -> None:
            vector: Vector | None = row[features]
            if vector is None or vector.size <= index:
                found = "is null" if vector is None else f"has {vector.size} features"
                raise self.row_error(f"column {features!r} {found}, feature {index} is asked for")
            row[prediction] = predict(_value(vector, index))

        return score


def _value(vector: Vector, index: int) -> float:
    if isinstance(vector, DenseVector):
        return vector.values[index]
    return dict(vector.active()).get(index, 0.0)


def _interpolation(boundaries: Sequence[float], predictions: Sequence[float]) -> Callable[[float], float]:
    last = len(boundaries)

    def predict(value: float) -> float:
        found = binary_search(boundaries, value)
        if found >= 0:
            return predictions[found]
        place = -found - 1
        if place == 0:
            return predictions[0]
        if place == last:
            return predictions[-1]
        low, high = boundaries[place - 1], boundaries[place]
        start = predictions[place - 1]
        return start + divided((predictions[place] - start) * (value - low), high - low)

    return predict
