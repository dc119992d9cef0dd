"""Columns to one vector."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Any, Final, Self

import numpy as np

from skysail_container.spark.attributes import (
    FIRST_ROWS,
    MAX_DESCRIBED,
    UNKNOWN,
    Attribute,
    AttributeGroup,
    numeric,
)
from skysail_container.spark.batch import Batch, any_sparse, together
from skysail_container.spark.errors import UnsupportedStageError
from skysail_container.spark.registry import spark_stage
from skysail_container.spark.schema import BOOLEAN, DOUBLE, FLOAT, VECTOR, VOID, Column, Schema
from skysail_container.spark.stage import Bound, Row, Score, Stage
from skysail_container.spark.stage_folder import StageFolder
from skysail_container.spark.vectors import DenseVector, SparseVector, Vector, is_sparse

__all__ = ["VectorAssembler", "VectorSizeHint"]

_NAN: Final = float("nan")
_Part = Sequence[float] | SparseVector
"""Values, or a vector that stores only some of them."""

_Read = Callable[[Row], _Part | None]
"""None: there is something that cannot be taken."""

_FLOATING: Final = (DOUBLE, FLOAT)

_MAX_KEPT: Final = 1 << 24
"""Longer vectors are not made of NaN for a null."""


@spark_stage(
    "org.apache.spark.ml.feature.VectorAssembler",
    parameters={"inputCols": None, "outputCol": None, "handleInvalid": "error"},
)
@dataclass(frozen=True)
class VectorAssembler(Stage):
    """Numbers and vectors one after another, in the form that takes less memory.

    Of vectors whose size no stage before has stated, the attributes of the output are not known: Spark takes the size
    from the first row of the table, or refuses them if nulls are to be kept. What is assembled of such vectors is never
    null, so that nobody needs its size. Source: org.apache.spark.ml.feature.VectorAssembler.
    """

    uid: str
    input_columns: tuple[str, ...]
    output_column: str
    handle_invalid: str = "error"

    @classmethod
    def from_spark(cls, folder: StageFolder) -> Self:
        return cls(
            folder.uid,
            tuple(folder.required("inputCols")),
            folder.required("outputCol"),
            folder.choice("handleInvalid", "error", "skip", "keep"),
        )

    def bind(self, schema: Schema) -> Bound:
        columns = [self._column(schema, name) for name in self.input_columns]
        output = Column(VECTOR, self._attributes(columns))
        after, score = schema.with_output(self.uid, self.output_column, output), self._score(columns)
        if len(columns) < 2 or any(column.type not in _FLOATING for column in columns):
            return Bound(after, score)
        return Bound(after, score, together(score, self._score_batch()))

    def _score_batch(self) -> Callable[[Batch], bool]:
        """Of floating-point numbers alone, none of them missing."""
        pick, target = itemgetter(*self.input_columns), self.output_column

        def score_batch(batch: Batch) -> bool:
            matrix = np.array(list(map(pick, batch)), np.float64) + 0.0  # 0.0 of -0.0, as Spark does
            if np.isnan(matrix).any() or any_sparse(matrix):  # a null is a NaN as well
                return False
            batch.write_dense(target, matrix)
            return True

        return score_batch

    def _attributes(self, columns: Sequence[Column]) -> AttributeGroup:
        sizes = [_size(column) if column.type == VECTOR else 1 for column in columns]
        if any(size < 0 for size in sizes):
            return AttributeGroup(FIRST_ROWS)
        if sum(sizes) > MAX_DESCRIBED:
            return AttributeGroup(sum(sizes))
        features: list[Attribute] = []
        for name, column in zip(self.input_columns, columns, strict=True):
            features += _features(name, column)
        return AttributeGroup(len(features), tuple(features))

    def _column(self, schema: Schema, name: str) -> Column:
        column = schema.column(self.uid, name)
        if not (column.is_numeric or column.type in (BOOLEAN, VECTOR, VOID)):
            raise self.error(f"numbers, booleans or vectors are expected, this is {column.type}", column=name)
        if column.type == VECTOR and self.handle_invalid == "keep":
            self._check_kept(name, _size(column))
        return column

    def _check_kept(self, name: str, size: int) -> None:
        """
        :raises StageError: Spark does not take the vectors either.
        :raises UnsupportedStageError: they are too long here.
        """
        if size == UNKNOWN:
            reason = (
                "the size of its vectors is not known, so that nulls cannot be kept; let a VectorSizeHint come before"
            )
            raise self.error(reason, column=name)
        if size > _MAX_KEPT:
            reason = f"the size of its vectors is {size}, and nulls are kept of up to {_MAX_KEPT} numbers"
            raise UnsupportedStageError(self.uid, reason, column=name)

    def _score(self, columns: Sequence[Column]) -> Score:
        target, fault, parts = self.output_column, self._fault, self._parts(columns)

        def score(row: Row) -> None:
            assembled = _assembled([read(row) for read in parts])
            if assembled is None:
                fault(row, columns)
            row[target] = assembled

        return score

    def _parts(self, columns: Sequence[Column]) -> list[_Read]:
        """Vectors each by itself, the numbers between them together."""
        keeps = self.handle_invalid == "keep"
        parts: list[_Read] = []
        named = zip(self.input_columns, columns, strict=True)
        for is_vector, group in groupby(named, key=lambda one: one[1].type == VECTOR):
            if is_vector:
                parts += [
                    _vector(name, _size(column) if keeps and _size(column) >= 0 else None) for name, column in group
                ]
            else:
                parts.append(_numbers(list(group), keeps))
        return parts

    def _fault(self, row: Row, columns: Sequence[Column]) -> None:
        """
        :raises RowError: a value is null, or a number is NaN.
        :raises RowDropped: the same, where such rows are skipped.
        """
        for name, column in zip(self.input_columns, columns, strict=True):
            value = row[name]
            if value is None or (column.type in (DOUBLE, FLOAT) and value != value):
                reason = f"column {name!r} is {'null' if value is None else 'NaN'}"
                raise self.dropped(reason) if self.handle_invalid == "skip" else self.row_error(reason)


def _vector(name: str, size_of_null: int | None) -> _Read:
    def read(row: Row) -> _Part | None:
        vector: Vector | None = row[name]
        if vector is None:
            return None if size_of_null is None else [_NAN] * size_of_null
        return vector.values if isinstance(vector, DenseVector) else vector

    return read


def _numbers(columns: Sequence[tuple[str, Column]], keeps: bool) -> _Read:
    """Looked at one by one only if something is wrong with their sum."""
    names = [name for name, _ in columns]
    pick: Callable[[Row], tuple[Any, ...]] = itemgetter(*names) if len(names) > 1 else lambda row: (row[names[0]],)
    has_decimals = any(column.type.startswith("decimal") for _, column in columns)

    def read(row: Row) -> _Part | None:
        values = pick(row)
        if has_decimals:
            values = tuple(None if value is None else float(value) for value in values)
        try:
            total = sum(values)
        except TypeError:
            total = _NAN
        if total == total:
            return values
        if keeps:
            return tuple(_NAN if value is None else value for value in values)
        return None if any(value is None or value != value for value in values) else values

    return read


def _assembled(parts: Sequence[_Part | None]) -> Vector | None:
    """Zeros are counted first, since how many there are decides the form.

    :return: None if a part is.
    """
    size = n_nonzero = 0
    for part in parts:
        if part is None:
            return None
        size += len(part)
        stored = part.values if isinstance(part, SparseVector) else part
        n_nonzero += len(stored) - stored.count(0.0)
    return _sparse(parts, size) if is_sparse(n_nonzero, size) else _dense(parts)


def _dense(parts: Sequence[Any]) -> DenseVector:
    """What is added to each number makes a float of it, and 0.0 of -0.0, as Spark does."""
    whole: list[float] = []
    for part in parts:
        if isinstance(part, SparseVector):
            start = len(whole)
            whole += [0.0] * len(part)
            for index, value in part.active():
                whole[start + index] = value + 0.0
        else:
            whole += [value + 0.0 for value in part]
    return DenseVector(whole)


def _sparse(parts: Sequence[Any], size: int) -> SparseVector:
    indices: list[int] = []
    values: list[float] = []
    start = 0
    for part in parts:
        for index, value in part.active() if isinstance(part, SparseVector) else enumerate(part):
            if value != 0.0:
                indices.append(start + index)
                values.append(float(value))
        start += len(part)
    return SparseVector(size, indices, values)


def _size(column: Column) -> int:
    """Of its vectors; negative: not known."""
    return UNKNOWN if column.attributes is None else column.attributes.size


def _features(name: str, column: Column) -> list[Attribute]:
    """What is known of the features that a column becomes; of a vector the size is."""
    group = column.attributes
    if column.type != VECTOR:
        known = group.attributes[0] if column.type == DOUBLE and group and group.attributes else numeric()
        return [known.named(name)]
    if group is None or group.attributes is None:
        return [numeric(f"{name}_{index}") for index in range(_size(column))]
    return [
        attribute.named(f"{name}_{index if attribute.name is None else attribute.name}")
        for index, attribute in enumerate(group.attributes)
    ]


@spark_stage(
    "org.apache.spark.ml.feature.VectorSizeHint",
    parameters={"inputCol": None, "size": None, "handleInvalid": "error"},
)
@dataclass(frozen=True)
class VectorSizeHint(Stage):
    """States how long a column's vectors are, and holds rows to it.

    Source: org.apache.spark.ml.feature.VectorSizeHint.
    """

    uid: str
    column: str
    size: int
    handle_invalid: str = "error"

    @classmethod
    def from_spark(cls, folder: StageFolder) -> Self:
        return cls(
            folder.uid,
            folder.required("inputCol"),
            int(folder.required("size")),
            folder.choice("handleInvalid", "optimistic", "error", "skip"),
        )

    def bind(self, schema: Schema) -> Bound:
        found = schema.column(self.uid, self.column, VECTOR)
        known = _size(found)
        if known >= 0 and known != self.size:
            raise self.error(f"its vectors have {known} features already, not {self.size}", column=self.column)
        group = AttributeGroup(self.size) if known < 0 else found.attributes
        after = schema.with_column(self.column, Column(VECTOR, group))
        return Bound(after, _nothing if self.handle_invalid == "optimistic" else self._check())

    def _check(self) -> Score:
        name, size = self.column, self.size

        def check(row: Row) -> None:
            vector: Vector | None = row[name]
            if vector is None or vector.size != size:
                found = "is null" if vector is None else f"has {vector.size} features"
                reason = f"column {name!r} {found}, {size} are expected"
                raise self.dropped(reason) if self.handle_invalid == "skip" else self.row_error(reason)

        return check


def _nothing(row: Row) -> None:
    """Spark does not look at the rows."""
