"""Features brought to one scale, by the deviation, quantiles, range or largest value that the training rows had."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import mul, sub
from typing import Any, Final, Self

import numpy as np

from skysail_container.spark.attributes import AttributeGroup
from skysail_container.spark.batch import Floats, any_sparse
from skysail_container.spark.registry import spark_stage
from skysail_container.spark.schema import VECTOR, Column, Schema
from skysail_container.spark.stage import Bound, Row, Stage
from skysail_container.spark.stage_folder import StageFolder
from skysail_container.spark.vector_changes import ChangeVector, bound_vectors
from skysail_container.spark.vectors import DenseVector, SparseVector, Vector, compressed_dense, vector_of

__all__ = ["MaxAbsScalerModel", "MinMaxScalerModel", "RobustScalerModel", "StandardScalerModel"]

_COLUMNS: Final[dict[str, Any]] = {"inputCol": None, "outputCol": None}
_MAX_FEATURES: Final = 1 << 26
"""A saved vector of more than these, half a gigabyte of doubles, is taken for a damaged one."""


@spark_stage(
    "org.apache.spark.ml.feature.StandardScalerModel", parameters={**_COLUMNS, "withMean": False, "withStd": True}
)
@dataclass(frozen=True)
class StandardScalerModel(Stage):
    """(value - mean) / deviation, where the deviation is zero: 0. Source: StandardScalerModel."""

    uid: str
    input_column: str
    output_column: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    with_mean: bool = False
    with_std: bool = True

    @classmethod
    def from_spark(cls, folder: StageFolder) -> Self:
        mean, std = _two_vectors(folder, "mean", "std")
        return cls(folder.uid, *_columns(folder), mean, std, folder.required("withMean"), folder.required("withStd"))

    def bind(self, schema: Schema) -> Bound:
        shift = self.mean if self.with_mean else None
        scale = _inverses(self.std, 0.0) if self.with_std else None
        return _bound(self, schema, (self.input_column, self.output_column), shift, scale, len(self.mean))


@spark_stage(
    "org.apache.spark.ml.feature.RobustScalerModel",
    parameters={**_COLUMNS, "withCentering": False, "withScaling": True},
    training=("lower", "upper", "relativeError"),
    since="3.0",
)
@dataclass(frozen=True)
class RobustScalerModel(Stage):
    """(value - median) / range between two quantiles, where the range is zero: 0. Source: RobustScalerModel."""

    uid: str
    input_column: str
    output_column: str
    median: tuple[float, ...]
    range: tuple[float, ...]
    with_centering: bool = False
    with_scaling: bool = True

    @classmethod
    def from_spark(cls, folder: StageFolder) -> Self:
        median, quantile_range = _two_vectors(folder, "median", "range")
        switches = folder.required("withCentering"), folder.required("withScaling")
        return cls(folder.uid, *_columns(folder), median, quantile_range, *switches)

    def bind(self, schema: Schema) -> Bound:
        shift = self.median if self.with_centering else None
        scale = _inverses(self.range, 0.0) if self.with_scaling else None
        return _bound(self, schema, (self.input_column, self.output_column), shift, scale, len(self.median))


@spark_stage("org.apache.spark.ml.feature.MaxAbsScalerModel", parameters=_COLUMNS)
@dataclass(frozen=True)
class MaxAbsScalerModel(Stage):
    """value / largest absolute value, where that is zero: as it is. Source: MaxAbsScalerModel of Spark 3 and later."""

    uid: str
    input_column: str
    output_column: str
    max_abs: tuple[float, ...]

    @classmethod
    def from_spark(cls, folder: StageFolder) -> Self:
        return cls(folder.uid, *_columns(folder), _numbers(folder, folder.row()["maxAbs"]))

    def bind(self, schema: Schema) -> Bound:
        columns = self.input_column, self.output_column
        return _bound(self, schema, columns, None, _inverses(self.max_abs, 1.0), len(self.max_abs))


@spark_stage("org.apache.spark.ml.feature.MinMaxScalerModel", parameters={**_COLUMNS, "min": 0.0, "max": 1.0})
@dataclass(frozen=True)
class MinMaxScalerModel(Stage):
    """From the range of the training rows to [minimum, maximum]; a constant feature to the middle of it.

    Source: MinMaxScalerModel of Spark 3 and later, which keeps NaN and compresses its vectors.
    """

    uid: str
    input_column: str
    output_column: str
    original_min: tuple[float, ...]
    original_max: tuple[float, ...]
    minimum: float = 0.0
    maximum: float = 1.0

    @classmethod
    def from_spark(cls, folder: StageFolder) -> Self:
        original_min, original_max = _two_vectors(folder, "originalMin", "originalMax")
        limits = float(folder.required("min")), float(folder.required("max"))
        return cls(folder.uid, *_columns(folder), original_min, original_max, *limits)

    def bind(self, schema: Schema) -> Bound:
        if not self.minimum < self.maximum:
            raise self.error(f"its min {self.minimum} is not below its max {self.maximum}")
        n, least = len(self.original_max), self.minimum
        width, middle = self.maximum - self.minimum, (self.minimum + self.maximum) / 2
        ranges = [most - first for first, most in zip(self.original_min, self.original_max, strict=True)]
        scales = [width / one if one != 0.0 else 0.0 for one in ranges]
        steps = tuple(zip(self.original_min, scales, strict=True))
        has_constants = 0.0 in scales

        def change(vector: Vector) -> Vector:
            values = vector.values if isinstance(vector, DenseVector) else vector.to_list()
            if len(values) != n:
                raise self.row_error(f"column {self.input_column!r}: {n} features are expected, not {len(values)}")
            if has_constants:
                scaled = [
                    ((value - first) * scale + least if scale else middle) if value == value else value
                    for value, (first, scale) in zip(values, steps, strict=True)
                ]
            else:
                scaled = [(value - first) * scale + least for value, (first, scale) in zip(values, steps, strict=True)]
            return compressed_dense(scaled)

        first, scale = np.array(self.original_min), np.array(scales)

        def change_rows(matrix: Floats) -> Floats | None:
            if matrix.shape[1] != n or has_constants:
                return None
            scaled: Floats = (matrix - first) * scale + least
            return None if any_sparse(scaled) else scaled

        columns = self.input_column, self.output_column
        return bound_vectors(self, schema, columns, AttributeGroup(n), change, change_rows)


def _columns(folder: StageFolder) -> tuple[str, str]:
    return folder.required("inputCol"), folder.required("outputCol")


def _two_vectors(folder: StageFolder, first: str, second: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """
    :raises StageError: the vectors in these columns of its data are not equally long.
    """
    row = folder.row()
    one, other = (_numbers(folder, row[name]) for name in (first, second))
    if len(one) != len(other):
        raise folder.error(f"its {first} has {len(one)} numbers and its {second} {len(other)}")
    return one, other


def _numbers(folder: StageFolder, struct: Any) -> tuple[float, ...]:
    vector = vector_of(struct)
    if vector.size > _MAX_FEATURES:
        raise folder.error(f"it is for {vector.size} features, and at most {_MAX_FEATURES} are scored here")
    return tuple(vector.to_list())


def _inverses(values: Sequence[float], of_zero: float) -> list[float]:
    return [1.0 / value if value != 0.0 else of_zero for value in values]


def _bound(
    stage: Stage,
    schema: Schema,
    columns: tuple[str, str],
    shift: Sequence[float] | None,
    scale: Sequence[float] | None,
    size: int,
) -> Bound:
    """What `StandardScalerModel.getTransformFunc` does: subtract, then multiply; dense as soon as it subtracts."""
    attributes = AttributeGroup(size)
    if shift is None and scale is None:
        return _unchanged(stage, schema, columns, attributes)

    def too_long(n: int) -> Exception:
        return stage.row_error(f"column {columns[0]!r}: {size} features are expected, not {n}")

    change = _scaling(scale or (), too_long) if shift is None else _shifting(shift, scale, too_long)
    return bound_vectors(stage, schema, columns, attributes, change)


def _unchanged(stage: Stage, schema: Schema, columns: tuple[str, str], attributes: AttributeGroup) -> Bound:
    """A scaler that neither shifts nor scales hands its vectors on, null too."""
    source, target = columns
    schema.column(stage.uid, source, VECTOR)

    def score(row: Row) -> None:
        row[target] = row[source]

    return Bound(schema.with_output(stage.uid, target, Column(VECTOR, attributes)), score)


def _scaling(scale: Sequence[float], too_long: Callable[[int], Exception]) -> ChangeVector:
    """Vectors shorter than the model pass, as in Spark."""
    factors, n = list(scale), len(scale)

    def change(vector: Vector) -> Vector:
        values = vector.values
        if isinstance(vector, DenseVector):
            if len(values) > n:
                raise too_long(len(values))
            return DenseVector(list(map(mul, values, factors)))
        indices = vector.indices
        if indices and indices[-1] >= n:
            raise too_long(vector.size)
        return SparseVector(
            vector.size, indices, [value * factors[index] for index, value in zip(indices, values, strict=True)]
        )

    return change


def _shifting(
    shift: Sequence[float], scale: Sequence[float] | None, too_long: Callable[[int], Exception]
) -> ChangeVector:
    means, factors, n = list(shift), None if scale is None else list(scale), len(shift)

    def change(vector: Vector) -> Vector:
        values = vector.values if isinstance(vector, DenseVector) else vector.to_list()
        if len(values) > n:
            raise too_long(len(values))
        shifted = map(sub, values, means)
        return DenseVector(list(shifted if factors is None else map(mul, shifted, factors)))

    return change
