"""Categories to indices and back."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np

from skysail_container.spark.attributes import AttributeGroup, nominal
from skysail_container.spark.column_pairs import column_pairs
from skysail_container.spark.number_text import text_of
from skysail_container.spark.registry import spark_stage
from skysail_container.spark.schema import DOUBLE, FLOAT, STRING, VOID, Column, Schema
from skysail_container.spark.stage import Bound, Row, Score, Stage, one_after_another
from skysail_container.spark.stage_folder import StageFolder

__all__ = ["IndexToString", "StringIndexerModel"]

UNKNOWN: Final = "__unknown"
"""What Spark calls the category beyond the last one."""

_MODES: Final = ("error", "skip", "keep")


@spark_stage(
    "org.apache.spark.ml.feature.StringIndexerModel",
    parameters={
        "inputCol": None, "outputCol": None, "inputCols": None, "outputCols": None, "handleInvalid": "error",
    },
    training=("stringOrderType",),
)  # fmt: skip
@dataclass(frozen=True)
class StringIndexerModel(Stage):
    """The index of a string among the labels; numbers are compared as Java's text of them.

    A column that is not there is left out, as in Spark, unless invalid rows are to be skipped.
    Source: org.apache.spark.ml.feature.StringIndexerModel.
    """

    uid: str
    columns: tuple[tuple[str, str], ...]
    """Inputs with their outputs."""
    labels: tuple[tuple[str, ...], ...]
    """Of each input column, in the order of their indices."""
    handle_invalid: str = "error"

    @classmethod
    def from_spark(cls, folder: StageFolder) -> Self:
        row = folder.row()
        found = row["labelsArray"] if "labelsArray" in row else [row["labels"]]
        labels = tuple(tuple(_string(label) for label in one) for one in found)
        columns = column_pairs(folder)
        if len(columns) != len(labels):
            raise folder.error(f"it has {len(columns)} columns, but the labels of {len(labels)}")
        return cls(folder.uid, columns, labels, folder.choice("handleInvalid", *_MODES))

    def bind(self, schema: Schema) -> Bound:
        after = schema
        scores = []
        for (source, target), labels in zip(self.columns, self.labels, strict=True):
            if source not in schema and self.handle_invalid != "skip":
                continue
            column = schema.column(self.uid, source)
            if not (column.is_numeric or column.type in (STRING, VOID)):
                raise self.error(f"strings or numbers are expected, this is {column.type}", column=source)
            after = after.with_output(self.uid, target, self._output(target, labels))
            scores.append(self._indexer(source, target, column.type, labels))
        return Bound(after, one_after_another(scores))

    def _output(self, target: str, labels: tuple[str, ...]) -> Column:
        values = (*labels, UNKNOWN) if self.handle_invalid == "keep" else labels
        return Column(DOUBLE, AttributeGroup(1, (nominal(values, target),)))

    def _indexer(self, source: str, target: str, column_type: str, labels: tuple[str, ...]) -> Score:
        index_of = _index_of(column_type, labels)
        unknown = float(len(labels)) if self.handle_invalid == "keep" else None

        def score(row: Row) -> None:
            value = row[source]
            index = None if value is None else index_of(value)
            if index is None:
                index = unknown
                if index is None:
                    raise self._invalid(source, value)
            row[target] = index

        def score_double(row: Row) -> None:
            """Skipping leaves out NaN even where it is a label."""
            value = row[source]
            if value is None or value != value:
                raise self._invalid(source, value)
            score(row)

        return score_double if self.handle_invalid == "skip" and column_type in (DOUBLE, FLOAT) else score

    def _invalid(self, source: str, value: Any) -> Exception:
        reason = f"column {source!r} is null" if value is None else f"column {source!r} has an unseen label: {value!r}"
        return self.dropped(reason) if self.handle_invalid == "skip" else self.row_error(reason)


def _string(label: Any) -> str:
    if not isinstance(label, str):
        raise TypeError(f"the label {label!r} is no string")
    return label


def _index_of(column_type: str, labels: Sequence[str]) -> Callable[[Any], float | None]:
    """From a value that is not null to its index; None: it is no label."""
    by_text: Mapping[str, float] = {label: float(index) for index, label in enumerate(labels)}
    if column_type in (STRING, VOID):
        return by_text.get
    text = text_of(column_type)
    if column_type not in (DOUBLE, FLOAT):
        return lambda value: by_text.get(text(value))
    by_number = dict(_numbers(column_type, by_text))

    def index(value: float) -> float | None:
        # two zeros are equal and have two texts, NaN is equal to nothing and has one
        return by_number.get(value) if value and value == value else by_text.get(text(value))

    return index


def _numbers(column_type: str, by_text: Mapping[str, float]) -> Sequence[tuple[float, float]]:
    """The labels that are the text of a number, by that number: looking one up is far faster than writing it."""
    text = text_of(column_type)
    widened = _float32 if column_type == FLOAT else float
    found = []
    with np.errstate(over="ignore"):  # a label that is the text of a double may be beyond float32
        for label, index in by_text.items():
            try:
                number = float(label)
            except ValueError:
                continue
            if text(number) == label:
                found.append((widened(number), index))
    return found


def _float32(number: float) -> float:
    return float(np.float32(number))


@spark_stage(
    "org.apache.spark.ml.feature.IndexToString", parameters={"inputCol": None, "outputCol": None, "labels": None}
)
@dataclass(frozen=True)
class IndexToString(Stage):
    """The label of an index, from the stage's own labels, or else from those of the column.

    Source: org.apache.spark.ml.feature.IndexToString; NaN and what is beyond an int fail, as in ANSI mode.
    """

    uid: str
    input_column: str
    output_column: str
    labels: tuple[str, ...] = ()
    """Empty: those that the stage before gave to the column."""

    @classmethod
    def from_spark(cls, folder: StageFolder) -> Self:
        labels = tuple(_string(label) for label in folder.param("labels") or ())
        return cls(folder.uid, folder.required("inputCol"), folder.required("outputCol"), labels)

    def bind(self, schema: Schema) -> Bound:
        column = schema.numeric(self.uid, self.input_column)
        labels = self.labels or self._labels_of(column)
        n_labels = len(labels)
        source, target = self.input_column, self.output_column

        def score(row: Row) -> None:
            value = row[source]
            # -1 < value: what is cast to an int loses its fraction
            if value is None or not -1 < value < n_labels:
                raise self.row_error(f"column {source!r} is {value!r}, which is no index of {n_labels} labels")
            row[target] = labels[int(value)]

        return Bound(schema.with_output(self.uid, target, STRING), score)

    def _labels_of(self, column: Column) -> tuple[str, ...]:
        attribute = column.attributes.attributes[0] if column.attributes and column.attributes.attributes else None
        if attribute is None or attribute.kind != "nominal" or attribute.values is None:
            reason = "it has no labels, and neither has this column: the stage that indexed it must come before"
            raise self.error(reason, column=self.input_column)
        return attribute.values
