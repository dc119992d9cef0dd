"""Numbers told apart by thresholds: into two, or into buckets. QuantileDiscretizer's model is a Bucketizer."""

import math
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final, Self

from skysail_container.spark.attributes import UNKNOWN, Attribute, AttributeGroup
from skysail_container.spark.column_pairs import ColumnPairs, column_pairs
from skysail_container.spark.java_numbers import double_text
from skysail_container.spark.registry import spark_stage
from skysail_container.spark.schema import DOUBLE, LONG, VECTOR, Column, Schema
from skysail_container.spark.stage import Bound, Row, Stage
from skysail_container.spark.stage_folder import StageFolder
from skysail_container.spark.vectors import Vector, compressed, compressed_dense

__all__ = ["Binarizer", "Bucketizer"]

_COLUMNS: Final = {"inputCol": None, "outputCol": None, "inputCols": None, "outputCols": None}


@spark_stage("org.apache.spark.ml.feature.Binarizer", parameters={**_COLUMNS, "threshold": 0.0, "thresholds": None})
@dataclass(frozen=True)
class Binarizer(Stage):
    """1.0 above the threshold, else 0.0; of numbers null and NaN give 0.0. Source: Binarizer."""

    uid: str
    columns: ColumnPairs
    thresholds: tuple[float, ...]
    """One for each pair of columns."""

    @classmethod
    def from_spark(cls, folder: StageFolder) -> Self:
        columns, thresholds = column_pairs(folder), folder.param("thresholds")
        if thresholds is None:
            return cls(folder.uid, columns, (float(folder.required("threshold")),) * len(columns))
        if folder.param("inputCols") is None or "threshold" in folder.metadata.params:
            raise folder.error("its thresholds go with inputCols, and without a threshold")
        if len(thresholds) != len(columns):
            raise folder.error(f"it has {len(thresholds)} thresholds for {len(columns)} columns")
        return cls(folder.uid, columns, tuple(float(threshold) for threshold in thresholds))

    def bind(self, schema: Schema) -> Bound:
        after = schema
        scores = []
        for (source, target), threshold in zip(self.columns, self.thresholds, strict=True):
            found = schema.column(self.uid, source, DOUBLE, VECTOR)
            if found.type == VECTOR:
                if threshold != threshold:
                    raise self.error("vectors have no threshold of NaN", column=source)
                size = found.attributes.size if found.attributes is not None else UNKNOWN
                attributes = AttributeGroup(size) if size != UNKNOWN else None
                scores.append(self._of_vectors(source, target, threshold))
            else:
                attributes = AttributeGroup(1, (Attribute("binary", target),))
                scores.append(_of_numbers(source, target, threshold))
            after = after.with_output(self.uid, target, Column(VECTOR if found.type == VECTOR else DOUBLE, attributes))
        return Bound(after, _all_of(scores))

    def _of_vectors(self, source: str, target: str, threshold: float) -> Callable[[Row], None]:
        binarized = _above if threshold >= 0 else _not_below

        def score(row: Row) -> None:
            vector = row[source]
            if vector is None:
                raise self.row_error(f"column {source!r} is null")
            row[target] = binarized(vector, threshold)

        return score


def _above(vector: Vector, threshold: float) -> Vector:
    indices = [index for index, value in vector.nonzeros() if value > threshold]
    return compressed(vector.size, indices, [1.0] * len(indices))


def _not_below(vector: Vector, threshold: float) -> Vector:
    """For negative thresholds, which zeros and NaN do not stay below."""
    values = [1.0] * vector.size
    for index, value in vector.active():
        if value <= threshold:
            values[index] = 0.0
    return compressed_dense(values)


def _of_numbers(source: str, target: str, threshold: float) -> Callable[[Row], None]:
    def score(row: Row) -> None:
        value = row[source]
        row[target] = 1.0 if value is not None and value > threshold else 0.0

    return score


@spark_stage(
    "org.apache.spark.ml.feature.Bucketizer",
    parameters={**_COLUMNS, "splits": None, "splitsArray": None, "handleInvalid": "error"},
)
@dataclass(frozen=True)
class Bucketizer(Stage):
    """The number of the bucket [split, next split) that a number lies in; the last one is closed.

    Null gives null. NaN is an error, drops the row (null then too), or has a bucket of its own after the others; a
    number outside of all buckets is an error always. Source: Bucketizer.
    """

    uid: str
    columns: ColumnPairs
    splits: tuple[tuple[float, ...], ...]
    """Those of each pair of columns: at least three, strictly ascending."""
    handle_invalid: str = "error"

    @classmethod
    def from_spark(cls, folder: StageFolder) -> Self:
        columns = column_pairs(folder)
        given = [folder.required("splits")] if folder.param("inputCols") is None else folder.required("splitsArray")
        if len(given) != len(columns):
            raise folder.error(f"its splitsArray has {len(given)} entries for {len(columns)} columns")
        splits = tuple(_ascending(folder, one) for one in given)
        return cls(folder.uid, columns, splits, _known(folder, folder.required("handleInvalid")))

    def bind(self, schema: Schema) -> Bound:
        after = schema
        scores = []
        for (source, target), splits in zip(self.columns, self.splits, strict=True):
            column_type = schema.numeric(self.uid, source).type
            after = after.with_output(self.uid, target, Column(DOUBLE, _buckets(target, splits)))
            is_cast = column_type == LONG or column_type.startswith("decimal")
            scores.append(self._of_column(source, target, splits, is_cast))
        if self.handle_invalid == "skip":
            scores.insert(0, self._skip_invalid())
        return Bound(after, _all_of(scores))

    def _skip_invalid(self) -> Callable[[Row], None]:
        sources = tuple(source for source, _ in self.columns)

        def skip(row: Row) -> None:
            for source in sources:
                value = row[source]
                if value is None or value != value:
                    raise self.dropped(f"column {source!r} is {'null' if value is None else 'NaN'}")

        return skip

    def _of_column(self, source: str, target: str, splits: tuple[float, ...], is_cast: bool) -> Callable[[Row], None]:
        """
        :param is_cast: not every value is a double, which Spark makes of each before it compares.
        """
        first, last, last_bucket = splits[0], splits[-1], float(len(splits) - 2)
        nan_bucket = float(len(splits) - 1) if self.handle_invalid == "keep" else None

        def score(row: Row) -> None:
            value = row[source]
            if is_cast and value is not None:
                value = float(value)
            if value is None:
                row[target] = None
            elif first < value < last and value:
                row[target] = float(bisect_right(splits, value) - 1)
            elif value == last:
                row[target] = last_bucket
            elif value != value:
                if nan_bucket is None:
                    raise self.row_error(f"column {source!r} is NaN")
                row[target] = nan_bucket
            else:
                row[target] = self._at_edge(source, splits, float(value))

        return score

    def _at_edge(self, source: str, splits: tuple[float, ...], value: float) -> float:
        """The bucket of the first split or of a zero: -0.0 lies below 0.0 here, as it does to Java's binary search.

        :raises RowError: there is none.
        """
        bucket = bisect_right(splits, value) - 1
        if bucket >= 0 and value == 0.0 and _is_positive_zero(splits[bucket]) and not _is_positive_zero(value):
            bucket -= 1
        if not 0 <= bucket < len(splits) - 1:
            raise self.row_error(f"column {source!r}: {value} lies outside of the splits [{splits[0]}, {splits[-1]}]")
        return float(bucket)


def _all_of(scores: list[Callable[[Row], None]]) -> Callable[[Row], None]:
    if len(scores) == 1:
        return scores[0]
    in_order = tuple(scores)

    def score(row: Row) -> None:
        for each in in_order:
            each(row)

    return score


def _is_positive_zero(value: float) -> bool:
    return value == 0.0 and math.copysign(1.0, value) > 0.0


def _buckets(name: str, splits: tuple[float, ...]) -> AttributeGroup:
    texts = [double_text(split) for split in splits]
    names = tuple(f"{low}, {high}" for low, high in pairwise(texts))
    return AttributeGroup(1, (Attribute("nominal", name, names, None, True),))


def _ascending(folder: StageFolder, given: Any) -> tuple[float, ...]:
    splits = tuple(float(split) for split in given)
    if len(splits) < 3 or not all(low < high for low, high in pairwise(splits)):
        raise folder.error(f"its splits {list(splits)[:20]} are not three or more in ascending order")
    return splits


def _known(folder: StageFolder, mode: Any) -> str:
    if mode not in ("error", "skip", "keep"):
        raise folder.error(f"its handleInvalid is {mode!r}, which is none of error, skip and keep")
    return str(mode)
