"""Indices of categories to what the target was for them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from skysail_container.spark.attributes import AttributeGroup, nominal
from skysail_container.spark.java_numbers import double_text
from skysail_container.spark.registry import spark_stage
from skysail_container.spark.schema import DOUBLE, Column, Schema
from skysail_container.spark.stage import Bound, Row, Stage
from skysail_container.spark.stage_folder import StageFolder

__all__ = ["TargetEncoderModel"]

NULL_CATEGORY: Final = -1.0
UNSEEN_CATEGORY: Final = 2147483647.0
"""Under which the statistics of nulls and of all rows together are stored."""


@spark_stage(
    "org.apache.spark.ml.feature.TargetEncoderModel",
    parameters={
        "inputCol": None, "outputCol": None, "inputCols": None, "outputCols": None, "handleInvalid": "error",
        "targetType": "binary", "smoothing": 0.0,
    },
    training=("labelCol",),
    since="4.0",
)  # fmt: skip
@dataclass(frozen=True)
class TargetEncoderModel(Stage):
    """The mean of the target in a category, drawn to that of all rows by `smoothing`.

    Source: org.apache.spark.ml.feature.TargetEncoderModel.
    """

    uid: str
    columns: tuple[tuple[str, str], ...]
    """Inputs with their outputs; an output replaces a column of that name."""
    encodings: tuple[Mapping[float, float], ...]
    """Of each input column, by category, with NULL_CATEGORY (if nulls were seen) and UNSEEN_CATEGORY."""
    keep_invalid: bool = False

    @classmethod
    def from_spark(cls, folder: StageFolder) -> Self:
        is_binary = folder.choice("targetType", "binary", "continuous") == "binary"
        smoothing = float(folder.required("smoothing"))
        rows = sorted(folder.rows(), key=lambda row: int(row["index"]))
        columns = _columns(folder)
        if [row["index"] for row in rows] != list(range(len(columns))):
            raise folder.error(f"it has {len(columns)} columns, but the statistics of {len(rows)}")
        encodings = tuple(_encodings(row, is_binary, smoothing) for row in rows)
        return cls(folder.uid, columns, encodings, folder.choice("handleInvalid", "error", "keep") == "keep")

    def bind(self, schema: Schema) -> Bound:
        after = schema
        parts = []
        for (source, target), encodings in zip(self.columns, self.encodings, strict=True):
            schema.numeric(self.uid, source)
            values = tuple(dict.fromkeys(double_text(value) for value in encodings.values()))
            after = after.with_column(target, Column(DOUBLE, AttributeGroup(1, (nominal(values, target),))))
            parts.append((source, self._encoder(source, encodings)))
        targets = tuple(target for _, target in self.columns)

        def score(row: Row) -> None:
            row.update(zip(targets, [encoded(row[source]) for source, encoded in parts], strict=True))

        return Bound(after, score)

    def _encoder(self, source: str, encodings: Mapping[float, float]) -> Callable[[float | None], float]:
        of_category = {category: value for category, value in encodings.items() if category >= 0.0}
        del of_category[UNSEEN_CATEGORY]
        otherwise = encodings[UNSEEN_CATEGORY] if self.keep_invalid else None
        of_null = encodings.get(NULL_CATEGORY, otherwise)

        def encoded(category: float | None) -> float:
            value = of_null if category is None else of_category.get(category, otherwise)
            if value is None:
                raise self.row_error(f"column {source!r} has a category that was not seen before: {category!r}")
            return value

        return encoded


def _columns(folder: StageFolder) -> tuple[tuple[str, str], ...]:
    """What is set counts, and a single column more than many."""
    params = folder.metadata.params
    inputs = (folder.required("inputCol"),) if "inputCol" in params else tuple(folder.required("inputCols"))
    if "outputCol" in params:
        outputs: tuple[str, ...] = (folder.required("outputCol"),)
    elif "outputCols" in params:
        outputs = tuple(folder.required("outputCols"))
    else:
        outputs = tuple(f"{name}_indexed" for name in inputs)
    if len(inputs) != len(outputs):
        raise folder.error(f"it has {len(inputs)} input columns and {len(outputs)} output columns")
    return tuple(zip(inputs, outputs, strict=True))


def _encodings(row: Mapping[str, Any], is_binary: bool, smoothing: float) -> dict[float, float]:
    """
    :raises KeyError: the statistics of all rows are missing.
    :raises ValueError: a category has no rows.
    """
    found = {
        float(category): (float(count), float(stat))
        for category, count, stat in zip(row["categories"], row["counts"], row["stats"], strict=True)
    }
    if any(count <= 0.0 for count, _ in found.values()):
        raise ValueError("a category has no rows")
    n_rows, of_all = found[UNSEEN_CATEGORY]
    mean_of_all = of_all / n_rows if is_binary else of_all
    encodings = {}
    for category, (count, stat) in found.items():
        weight = count / (count + smoothing)
        encodings[category] = weight * (stat / count if is_binary else stat) + (1 - weight) * mean_of_all
    return encodings
