"""Columns with their Spark types and ML attributes, as Spark's planner would know them: what stages are bound to."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Self

from skysail_container.spark.attributes import AttributeGroup
from skysail_container.spark.errors import StageError

__all__ = ["BOOLEAN", "DOUBLE", "FLOAT", "INT", "LONG", "NUMERIC", "STRING", "VECTOR", "VOID", "Column", "Schema"]

BOOLEAN = "boolean"
INT = "int"
LONG = "bigint"
FLOAT = "float"
DOUBLE = "double"
STRING = "string"
VECTOR = "vector"
VOID = "void"
"""Of a column that nothing is known of: all its values are null."""

NUMERIC = frozenset({"tinyint", "smallint", INT, LONG, FLOAT, DOUBLE})


@dataclass(frozen=True, slots=True)
class Column:
    """The type of a column by Spark's name (`array<string>` for arrays), and what earlier stages say of its values."""

    type: str
    attributes: AttributeGroup | None = None

    @property
    def is_numeric(self) -> bool:
        return self.type in NUMERIC or self.type.startswith("decimal")

    @property
    def element(self) -> str | None:
        """The type of an array's elements; None: it is no array."""
        return self.type[len("array<") : -1] if self.type.startswith("array<") else None


class Schema(Mapping[str, Column]):
    """Columns by name, in Spark's order. Immutable: each stage gets one and gives the next one."""

    __slots__ = ("_columns",)

    def __init__(self, columns: Mapping[str, Column | str]) -> None:
        self._columns = {
            name: Column(column) if isinstance(column, str) else column for name, column in columns.items()
        }

    def __getitem__(self, name: str) -> Column:
        return self._columns[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __len__(self) -> int:
        return len(self._columns)

    def __repr__(self) -> str:
        return f"Schema({', '.join(f'{name}: {column.type}' for name, column in self.items())})"

    def column(self, stage: str, name: str, *types: str) -> Column:
        """The column that a stage reads; void ones pass as any type.

        :param types: those it may have; none: any.
        :raises StageError: it is missing or of another type.
        """
        found = self._columns.get(name)
        if found is None:
            raise StageError(stage, f"there is no such column; there are {', '.join(self) or 'none'}", column=name)
        if types and found.type not in (*types, VOID):
            raise StageError(stage, f"{' or '.join(types)} is expected, this is {found.type}", column=name)
        return found

    def numeric(self, stage: str, name: str) -> Column:
        """A column of any numeric type.

        :raises StageError: it is missing or of another type.
        """
        found = self.column(stage, name)
        if not found.is_numeric and found.type != VOID:
            raise StageError(stage, f"a numeric type is expected, this is {found.type}", column=name)
        return found

    def with_column(self, name: str, column: Column | str) -> Self:
        """This schema with one column more, or another one under that name (which stays in its place)."""
        return type(self)({**self._columns, name: column})

    def with_output(self, stage: str, name: str, column: Column | str) -> Self:
        """This schema with a stage's output.

        :raises StageError: there is a column of that name, on which Spark fails as well.
        """
        if name in self._columns:
            raise StageError(stage, "this output column exists already", column=name)
        return self.with_column(name, column)

    def without(self, *names: str) -> Self:
        return type(self)({name: column for name, column in self._columns.items() if name not in names})
