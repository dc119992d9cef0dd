"""What is equal, less, within or like. Source: org.apache.spark.sql.catalyst.expressions.predicates.

NaN equals itself and is the greatest number; strings are compared by code points, which is the order of their bytes.
"""

import operator
from collections.abc import Callable
from typing import Any, Final

from skysail_container.spark.schema import BOOLEAN, STRING, VOID
from skysail_container.spark.sql.expressions import Expression, as_type, condition
from skysail_container.spark.sql.faults import UnsupportedSqlError
from skysail_container.spark.sql.functions import Call, sql_function
from skysail_container.spark.sql.promotion import common_type, compared_type, is_fraction, is_number
from skysail_container.spark.stage import Row

Compare = Callable[[Any, Any], bool]


def equal(left: float, right: float) -> bool:
    return left == right or (left != left and right != right)


def less(left: float, right: float) -> bool:
    return left < right or (right != right and left == left)


_FLOATING: Final[dict[str, Compare]] = {
    "=": equal,
    "<": less,
    "<=": lambda left, right: not less(right, left),
    ">": lambda left, right: less(right, left),
    ">=": lambda left, right: not less(left, right),
}
_PLAIN: Final[dict[str, Compare]] = {
    "=": operator.eq,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def compare(name: str, kind: str) -> Compare:
    """The comparison of values of one type.

    :raises UnsupportedSqlError: of arrays and other types with parts.
    """
    if is_fraction(kind):
        return _FLOATING[name]
    if is_number(kind) or kind in (STRING, BOOLEAN, VOID):
        return _PLAIN[name]
    raise UnsupportedSqlError(f"{name} of {kind}")


def _sides(call: Call, left: Expression, right: Expression) -> tuple[Expression, Expression, str]:
    kind = compared_type(left.type, right.type, ansi=call.ansi)
    if kind is None:
        raise UnsupportedSqlError(f"{left.text} {call.name} {right.text}, of {left.type} and {right.type}")
    return as_type(left, kind, ansi=call.ansi), as_type(right, kind, ansi=call.ansi), kind


@sql_function("=", "<", "<=", ">", ">=")
def _comparison(call: Call) -> Expression:
    call.expect(2)
    left, right, kind = _sides(call, *call.arguments)
    return call.strict(BOOLEAN, compare(call.name, kind), [left, right], f"({left.text} {call.name} {right.text})")


@sql_function("<=>")
def _same(call: Call) -> Expression:
    call.expect(2)
    left, right, kind = _sides(call, *call.arguments)
    same, first, second = compare("=", kind), left.evaluate, right.evaluate

    def evaluate(row: Row) -> bool:
        one, other = first(row), second(row)
        if one is None or other is None:
            return one is other
        return same(one, other)

    return Expression(BOOLEAN, evaluate, f"({left.text} <=> {right.text})")


@sql_function("between")
def _between(call: Call) -> Expression:
    call.expect(3)
    value, low, high = call.arguments
    above = _comparison(Call(">=", (value, low), call.ansi)).evaluate
    below = _comparison(Call("<=", (value, high), call.ansi)).evaluate
    return Expression(BOOLEAN, _both(above, below), call.text())


def _both(first: Callable[[Row], Any], second: Callable[[Row], Any]) -> Callable[[Row], Any]:
    def evaluate(row: Row) -> bool | None:
        one = first(row)
        if one is False:
            return False
        other = second(row)
        if other is False:
            return False
        return True if one and other else None

    return evaluate


@sql_function("and")
def _and(call: Call) -> Expression:
    left, right = (condition(one) for one in call.arguments)
    return Expression(BOOLEAN, _both(left.evaluate, right.evaluate), f"({left.text} AND {right.text})")


@sql_function("or")
def _or(call: Call) -> Expression:
    left, right = (condition(one) for one in call.arguments)
    first, second = left.evaluate, right.evaluate

    def evaluate(row: Row) -> bool | None:
        one = first(row)
        if one:
            return True
        other = second(row)
        if other:
            return True
        return None if one is None or other is None else False

    return Expression(BOOLEAN, evaluate, f"({left.text} OR {right.text})")


@sql_function("not")
def _not(call: Call) -> Expression:
    call.expect(1)
    only = condition(call.arguments[0])
    return call.strict(BOOLEAN, operator.not_, [only], f"(NOT {only.text})")


@sql_function("in")
def _in(call: Call) -> Expression:
    """Null where it is not found among values of which one is null."""
    kinds = [one.type for one in call.arguments]
    kind = common_type(kinds, ansi=call.ansi)
    if kind is None:
        raise UnsupportedSqlError(f"IN of {', '.join(kinds)}")
    same = compare("=", kind)
    wanted, *among = [as_type(one, kind, ansi=call.ansi) for one in call.arguments]
    text = f"({wanted.text} IN ({', '.join(one.text for one in among)}))"
    if not is_fraction(kind) and all(one.is_constant for one in among):
        return call.strict(BOOLEAN, _in_set({one.value for one in among}), [wanted], text)
    value_of, others = wanted.evaluate, [one.evaluate for one in among]

    def evaluate(row: Row) -> bool | None:
        value = value_of(row)
        if value is None:
            return None
        has_null = False
        for each in others:
            other = each(row)
            if other is None:
                has_null = True
            elif same(value, other):
                return True
        return None if has_null else False

    return Expression(BOOLEAN, evaluate, text)


def _in_set(values: set[Any]) -> Callable[[Any], bool | None]:
    missing = None if None in values else False
    found = frozenset(values - {None})
    return lambda value: True if value in found else missing
