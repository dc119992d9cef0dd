"""Expressions bound to columns: a type, a function of a row, and the name that Spark gives them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from skysail_container.spark.attributes import AttributeGroup
from skysail_container.spark.schema import VOID
from skysail_container.spark.sql.casts import caster
from skysail_container.spark.sql.faults import SqlError, SqlFault
from skysail_container.spark.stage import Row

__all__ = ["Evaluate", "Expression", "as_type", "condition", "constant", "folded", "strict"]

Evaluate = Callable[[Row], Any]
"""A value for a row, None for null.

:raises SqlFault: Spark fails on this row.
"""


@dataclass(frozen=True, slots=True)
class Expression:
    type: str
    evaluate: Evaluate
    text: str
    """As Spark shows it in the name of a column."""
    name: str | None = None
    """Of a column, or a cast of one: what Spark calls it if it has no alias."""
    attributes: AttributeGroup | None = None
    is_constant: bool = False
    value: Any = None
    """Of a constant."""
    is_literal: bool = False
    """Written as it is, not computed: beside decimals it has just the digits that it needs."""


def constant(kind: str, value: Any, text: str) -> Expression:
    return Expression(kind, lambda row: value, text, is_constant=True, value=value, is_literal=True)


def folded(expression: Expression, arguments: Sequence[Expression]) -> Expression:
    """An expression of constants as a constant; one that fails is left, as it may never be reached."""
    if not all(argument.is_constant for argument in arguments):
        return expression
    try:
        value = expression.evaluate({})
    except SqlFault:
        return expression
    return replace(constant(expression.type, value, expression.text), name=expression.name, is_literal=False)


def as_type(expression: Expression, kind: str, *, ansi: bool) -> Expression:
    """The expression cast to a type, under the same text.

    :raises UnsupportedSqlError: Spark has no such cast, or of types that are not known here.
    """
    convert = caster(expression.type, kind, ansi=ansi)
    if convert is None:
        return expression if expression.type == kind else replace(expression, type=kind, is_literal=False)
    cast = Expression(kind, strict(convert, expression), expression.text, expression.name)
    return folded(cast, [expression])


def strict(function: Callable[..., Any], *arguments: Expression) -> Evaluate:
    """A function that is null wherever an argument is."""
    if len(arguments) == 1:
        return _of_one(function, arguments[0].evaluate)
    if len(arguments) == 2:
        return _of_two(function, *arguments)
    evaluates = [argument.evaluate for argument in arguments]

    def evaluate(row: Row) -> Any:
        values = []
        for each in evaluates:
            value = each(row)
            if value is None:
                return None
            values.append(value)
        return function(*values)

    return evaluate


def _of_one(function: Callable[..., Any], only: Evaluate) -> Evaluate:
    def evaluate(row: Row) -> Any:
        value = only(row)
        return None if value is None else function(value)

    return evaluate


def _of_two(function: Callable[..., Any], first: Expression, second: Expression) -> Evaluate:
    left, right = first.evaluate, second.evaluate
    if second.is_constant:
        other = second.value
        if other is None:
            return lambda row: None

        def with_constant(row: Row) -> Any:
            value = left(row)
            return None if value is None else function(value, other)

        return with_constant

    def evaluate(row: Row) -> Any:
        value = left(row)
        if value is None:
            return None
        beside = right(row)
        return None if beside is None else function(value, beside)

    return evaluate


def condition(expression: Expression) -> Expression:
    """
    :raises SqlError: it is neither true nor false.
    """
    if expression.type not in ("boolean", VOID):
        raise SqlError(f"{expression.text} is {expression.type} where boolean is expected")
    return expression
