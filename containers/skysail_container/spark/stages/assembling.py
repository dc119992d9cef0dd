"""Columns to one vector."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, Final, Self

from skysail_container.spark.attributes import MAX_DESCRIBED, Attribute, AttributeGroup, numeric
from skysail_container.spark.registry import spark_stage
from skysail_container.spark.schema import BOOLEAN, DOUBLE, FLOAT, VECTOR, VOID, Column, Schema
from skysail_container.spark.stage import Bound, Row, Score, Stage
from skysail_container.spark.stage_folder import StageFolder
from skysail_container.spark.vectors import DenseVector, SparseVector, Vector, is_sparse

__all__ = ["VectorAssembler", "VectorSizeHint"]

_NAN: Final = float("nan")
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
    from the first row of the table. Source: org.apache.spark.ml.feature.VectorAssembler.
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
        return Bound(schema.with_output(self.uid, self.output_column, output), self._score(columns))

    def _attributes(self, columns: Sequence[Column]) -> AttributeGroup | None:
        sizes = [_size(column) if column.type == VECTOR else 1 for column in columns]
        if any(size < 0 for size in sizes):
            return None
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
        if column.type == VECTOR and self.handle_invalid == "keep" and not 0 <= _size(column) <= _MAX_KEPT:
            size = "not known" if _size(column) < 0 else str(_size(column))
            reason = (
                f"the size of its vectors is {size}, so that nulls cannot be kept; let a VectorSizeHint come before"
            )
            raise self.error(reason, column=name)
        return column

    def _score(self, columns: Sequence[Column]) -> Score:
        is_plain = not any(column.type == VECTOR or column.type.startswith("decimal") for column in columns)
        return self._score_numbers(columns) if is_plain and len(columns) > 1 else self._score_parts(columns)

    def _score_numbers(self, columns: Sequence[Column]) -> Score:
        """Of numbers alone: they are looked at together, and one by one only if something is wrong."""
        target, fault, keeps = self.output_column, self._fault, self.handle_invalid == "keep"
        pick: Callable[[Row], tuple[Any, ...]] = itemgetter(*self.input_columns)
        size = len(columns)

        def score(row: Row) -> None:
            values = pick(row)
            try:
                total = sum(values)
            except TypeError:
                total = _NAN
            if total != total:
                if not keeps:
                    fault(row, columns)
                values = tuple(_NAN if value is None else value for value in values)
            if is_sparse(size - values.count(0.0), size):
                indices = [index for index, value in enumerate(values) if value != 0.0]
                row[target] = SparseVector(size, indices, [float(values[index]) for index in indices])
            else:
                row[target] = DenseVector([value + 0.0 for value in values])  # -0.0 becomes 0.0, as in Spark

        return score

    def _score_parts(self, columns: Sequence[Column]) -> Score:
        target, fault, parts = self.output_column, self._fault, self._parts(columns)

        def score(row: Row) -> None:
            values = [read(row) for read in parts]
            if None in values:
                fault(row, columns)
            row[target] = _assembled(values)

        return score

    def _parts(self, columns: Sequence[Column]) -> list[Callable[[Row], Any]]:
        """How each column is read: None tells that there is a value which cannot be taken."""
        keeps = self.handle_invalid == "keep"
        return [
            (_kept if keeps else _sound)(name, column) for name, column in zip(self.input_columns, columns, strict=True)
        ]

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


def _sound(name: str, column: Column) -> Callable[[Row], Any]:
    def number(row: Row) -> float | None:
        value = row[name]
        return None if value is None or value != value else float(value)

    return itemgetter(name) if column.type == VECTOR else number


def _kept(name: str, column: Column) -> Callable[[Row], Any]:
    nothing = DenseVector([_NAN] * _size(column)) if column.type == VECTOR else _NAN

    def read(row: Row) -> Any:
        value = row[name]
        if value is None:
            return nothing
        return value if column.type == VECTOR else float(value)

    return read


def _assembled(parts: Sequence[float | Vector]) -> Vector:
    """Zeros are counted first, since how many there are decides the form."""
    size = n_nonzero = 0
    for part in parts:
        if isinstance(part, float):
            size += 1
            n_nonzero += part != 0.0
        else:
            size += part.size
            n_nonzero += len(part.values) - part.values.count(0.0)
    return _sparse(parts, size) if is_sparse(n_nonzero, size) else _dense(parts)


def _dense(parts: Sequence[float | Vector]) -> DenseVector:
    whole: list[float] = []
    for part in parts:
        if isinstance(part, float):
            whole.append(part + 0.0)  # -0.0 becomes 0.0, as in Spark
        elif isinstance(part, DenseVector):
            whole += [value + 0.0 for value in part.values]
        else:
            start = len(whole)
            whole += [0.0] * part.size
            for index, value in zip(part.indices, part.values, strict=True):
                whole[start + index] = value + 0.0
    return DenseVector(whole)


def _sparse(parts: Sequence[float | Vector], size: int) -> SparseVector:
    indices: list[int] = []
    values: list[float] = []
    start = 0
    for part in parts:
        if isinstance(part, float):
            if part != 0.0:
                indices.append(start)
                values.append(part)
            start += 1
        else:
            for index, value in part.active():
                if value != 0.0:
                    indices.append(start + index)
                    values.append(value)
            start += part.size
    return SparseVector(size, indices, values)


def _size(column: Column) -> int:
    """Of its vectors; -1: not known."""
    return -1 if column.attributes is None else column.attributes.size


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
        if known not in (-1, self.size):
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
