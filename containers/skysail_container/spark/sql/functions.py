"""The functions and operators that are known, by Spark's names for them.

A new one is a function of a `Call` in one of the modules listed at the end, decorated with its names.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any, Final

from skysail_container.spark.sql.expressions import Expression, as_type, constant, strict
from skysail_container.spark.sql.faults import UnsupportedSqlError
from skysail_container.spark.sql.promotion import common_type

__all__ = ["Call", "build", "is_known", "sql_function"]

_MODULES: Final = ("arithmetic", "comparisons", "conditions", "mathematics", "strings", "arrays")


@dataclass(frozen=True, slots=True)
class Call:
    """What a function is built of: its arguments, bound to columns already."""

    name: str
    arguments: Sequence[Expression]
    ansi: bool

    def expect(self, least: int, most: int | None = None) -> None:
        """
        :raises UnsupportedSqlError: there are fewer or more arguments.
        """
        if not least <= len(self.arguments) <= (least if most is None else most):
            raise UnsupportedSqlError(f"{self.name} with {len(self.arguments)} arguments")

    def argument(self, number: int, kind: str) -> Expression:
        """An argument cast to what the function takes.

        :raises UnsupportedSqlError: it cannot be.
        """
        return as_type(self.arguments[number], kind, ansi=self.ansi)

    def optional(self, number: int, kind: str, default: Any) -> Expression:
        if number < len(self.arguments):
            return self.argument(number, kind)
        return constant(kind, default, str(default))

    def constant(self, number: int, kind: str, default: Any = None) -> Any:
        """The value of an argument that is the same for all rows.

        :raises UnsupportedSqlError: it depends on the row.
        """
        found = self.optional(number, kind, default)
        if not found.is_constant:
            raise UnsupportedSqlError(f"{self.name} with {found.text} that depends on the row")
        return found.value

    def common(self, *, with_strings: bool = True, start: int = 0) -> list[Expression]:
        """The arguments from `start` on, all of the type that holds them.

        :raises UnsupportedSqlError: there is none.
        """
        chosen = self.arguments[start:]
        kind = common_type([one.type for one in chosen], ansi=self.ansi, with_strings=with_strings)
        if kind is None:
            raise UnsupportedSqlError(f"{self.name} of {', '.join(one.type for one in chosen)}")
        return [as_type(one, kind, ansi=self.ansi) for one in chosen]

    def text(self, shown: str | None = None, *more: str) -> str:
        """`name(a, b)`, as Spark shows most functions."""
        return f"{shown or self.name}({', '.join([*(one.text for one in self.arguments), *more])})"

    def strict(self, kind: str, function: Callable[..., Any], arguments: Sequence[Expression], text: str) -> Expression:
        return Expression(kind, strict(function, *arguments), text)


Builder = Callable[[Call], Expression]

_builders: dict[str, Builder] = {}


def sql_function(*names: str) -> Callable[[Builder], Builder]:
    """Register what builds a function under its names, in lower case."""

    def register(builder: Builder) -> Builder:
        _builders.update(dict.fromkeys(names, builder))
        return builder

    return register


@cache
def _import_modules() -> None:
    for name in _MODULES:
        import_module(f"skysail_container.spark.sql.{name}")


def is_known(name: str) -> bool:
    _import_modules()
    return name in _builders


def build(call: Call) -> Expression:
    """
    :raises UnsupportedSqlError: it is not known here, or not with these arguments.
    """
    if not is_known(call.name):
        raise UnsupportedSqlError(f"the function {call.name}")
    return _builders[call.name](call)
