"""What all regressors have in common: features in, one number out.

Source: org.apache.spark.ml.PredictionModel. An empty name switches the prediction off.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Self

from skysail_container.spark.attributes import AttributeGroup, numeric
from skysail_container.spark.schema import DOUBLE, VECTOR, Column, Schema
from skysail_container.spark.stage import Bound, Row, Stage
from skysail_container.spark.stage_folder import StageFolder
from skysail_container.spark.vectors import Vector

__all__ = ["REGRESSOR_PARAMETERS", "RegressorColumns", "bound_regressor", "number_column"]

REGRESSOR_PARAMETERS: Final[Mapping[str, Any]] = MappingProxyType(
    {"featuresCol": "features", "predictionCol": "prediction"}
)


@dataclass(frozen=True, slots=True)
class RegressorColumns:
    features: str = "features"
    prediction: str = "prediction"
    """Empty: switched off."""

    @classmethod
    def from_spark(cls, folder: StageFolder) -> Self:
        return cls(folder.required("featuresCol"), folder.param("predictionCol") or "")


def number_column(name: str) -> Column:
    """A column of predicted numbers: a double with a numeric attribute of its name."""
    return Column(DOUBLE, AttributeGroup(1, (numeric(name),)))


def bound_regressor(
    stage: Stage,
    schema: Schema,
    columns: RegressorColumns,
    predict: Callable[[Vector], float],
    predict_rows: Callable[[Sequence[Vector]], Sequence[float]] | None = None,
) -> Bound:
    """A regressor that knows its columns: the `bind` of its stage.

    :param predict_rows: the same for many rows, only where it is much faster; for a null it raises something.
    :raises StageError: a column is missing, of a wrong type or there already.
    """
    features_name, prediction_name = columns.features, columns.prediction
    schema.column(stage.uid, features_name, VECTOR)
    if not prediction_name:
        return Bound(schema, _nothing)
    after = schema.with_output(stage.uid, prediction_name, number_column(prediction_name))

    def score(row: Row) -> None:
        features = row[features_name]
        if features is None:
            raise stage.row_error(f"column {features_name!r} is null")
        row[prediction_name] = predict(features)

    if predict_rows is None:
        return Bound(after, score)

    def score_rows(rows: Sequence[Row]) -> None:
        for row, value in zip(rows, predict_rows([row[features_name] for row in rows]), strict=True):
            row[prediction_name] = value

    return Bound(after, score, score_rows)


def _nothing(row: Row) -> None:
    """Of a stage whose outputs are all switched off."""
