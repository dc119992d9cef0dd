"""A statement as it is written: expressions over the columns of a table, and the table."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Union

__all__ = ["Call", "Case", "Cast", "Item", "Literal", "Name", "Node", "Query", "Star"]


@dataclass(frozen=True, slots=True)
class Literal:
    type: str
    value: bool | int | float | str | Decimal | None


@dataclass(frozen=True, slots=True)
class Name:
    """A column, perhaps after the name of the table: (`t`, `age`)."""

    parts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Star:
    """All columns but some."""

    table: str | None = None
    excluded: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Call:
    """A function or an operator; names are in lower case (`+`, `and`, `between`, `substring`)."""

    name: str
    arguments: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Cast:
    value: "Node"
    type: str
    is_try: bool = False
    is_shown: bool = True
    """In the name of a column; `double(age)` is not, `CAST(age AS DOUBLE)` is."""


@dataclass(frozen=True, slots=True)
class Case:
    branches: tuple[tuple["Node", "Node"], ...]
    otherwise: Union["Node", None]


Node = Literal | Name | Star | Call | Cast | Case


@dataclass(frozen=True, slots=True)
class Item:
    """One of what is selected; `alias` None: Spark makes a name of its text."""

    node: Node
    alias: str | None = None


@dataclass(frozen=True, slots=True)
class Query:
    items: tuple[Item, ...]
    where: Node | None
    source: Union["Query", None]
    """None: the table that the transformer gets."""
    tables: frozenset[str]
    """Names by which columns may be qualified, in lower case."""
