"""Sums, products, quotients and bits of numbers.

Source: org.apache.spark.sql.catalyst.expressions.{arithmetic, bitwiseExpressions}, DecimalPrecision. In ANSI mode what
overflows or is divided by zero fails; else it is wrapped around, or null.
"""

import math
import operator
from collections.abc import Callable
from decimal import Context, Decimal
from typing import Any, Final

from skysail_container.spark.schema import DOUBLE, FLOAT, INT, LONG, STRING, VOID
from skysail_container.spark.sql.casts import to_decimal
from skysail_container.spark.sql.expressions import Expression, as_type
from skysail_container.spark.sql.faults import SqlFault, UnsupportedSqlError
from skysail_container.spark.sql.functions import Call, sql_function
from skysail_container.spark.sql.promotion import INTEGRAL, as_decimal, bounded, is_decimal, is_number, wider
from skysail_container.spark.sql.widths import RANGES, at_scale, float32, precision_of, wrapped

Function = Callable[..., Any]

_WIDE: Final = Context(prec=100)
_DIGITS: Final = len("9223372036854775808")


def _operands(call: Call) -> tuple[list[Expression], str]:
    """Both sides as numbers, decimals as they are, else of one type; and that type.

    :raises UnsupportedSqlError: one is no number.
    """
    call.expect(2)
    sides = list(call.arguments)
    for number, side in enumerate(sides):
        if side.type == STRING:
            other = sides[1 - number].type
            sides[number] = as_type(side, LONG if call.ansi and other in INTEGRAL else DOUBLE, ansi=call.ansi)
        elif side.type == VOID:
            other = sides[1 - number].type
            sides[number] = as_type(side, other if is_number(other) else DOUBLE, ansi=call.ansi)
        elif not is_number(side.type):
            raise UnsupportedSqlError(f"{side.text} of type {side.type} where a number is expected")
    kind = wider(sides[0].type, sides[1].type, ansi=call.ansi)
    if kind is None:
        raise UnsupportedSqlError(f"{call.name} of {sides[0].type} and {sides[1].type}")
    if is_decimal(kind):
        return [_exact(side, call) for side in sides], kind
    return [as_type(side, kind, ansi=call.ansi) for side in sides], kind


def _exact(side: Expression, call: Call) -> Expression:
    """A decimal of its own digits; literals have only those that they need."""
    if side.is_literal and side.type in INTEGRAL:
        return as_type(side, f"decimal({len(str(abs(side.value)))},0)", ansi=call.ansi)
    return as_type(side, as_decimal(side.type), ansi=call.ansi)


def _checked(function: Function, kind: str, *, ansi: bool) -> Function:
    """The function of whole numbers or floats within the width of their type."""
    if kind == DOUBLE:
        return function
    if kind == FLOAT:
        return lambda left, right: float32(function(left, right))
    low, high = RANGES[kind]

    def checked(left: int, right: int) -> int:
        value: int = function(left, right)
        if low <= value <= high:
            return value
        if ansi:
            raise SqlFault(f"{value} is no {kind}")
        return wrapped(value, kind)

    return checked


def _binary(
    call: Call, function: Function, decimal: Function, digits: Callable[[int, int, int, int], str]
) -> Expression:
    sides, kind = _operands(call)
    text = f"({sides[0].text} {call.name} {sides[1].text})"
    if not is_decimal(kind):
        return call.strict(kind, _checked(function, kind, ansi=call.ansi), sides, text)
    result = digits(*precision_of(sides[0].type), *precision_of(sides[1].type))
    bring = to_decimal(result, ansi=call.ansi)
    return call.strict(result, lambda left, right: bring(decimal(left, right)), sides, text)


def _sum_digits(p1: int, s1: int, p2: int, s2: int) -> str:
    scale = max(s1, s2)
    return bounded(max(p1 - s1, p2 - s2) + scale + 1, scale)


@sql_function("+")
def _plus(call: Call) -> Expression:
    return _binary(call, operator.add, _WIDE.add, _sum_digits)


@sql_function("-")
def _minus(call: Call) -> Expression:
    return _binary(call, operator.sub, _WIDE.subtract, _sum_digits)


@sql_function("*")
def _times(call: Call) -> Expression:
    return _binary(call, operator.mul, _WIDE.multiply, lambda p1, s1, p2, s2: bounded(p1 + p2 + 1, s1 + s2))


def _divided(function: Function, *, ansi: bool, is_try: bool = False) -> Function:
    """A division: by zero it fails in ANSI mode and is null else."""

    def divide(left: Any, right: Any) -> Any:
        if right == 0:
            if ansi and not is_try:
                raise SqlFault("division by zero")
            return None
        return function(left, right)

    return divide


@sql_function("/", "try_divide")
def _quotient(call: Call) -> Expression:
    sides, kind = _operands(call)
    is_try = call.name == "try_divide"
    text = call.text() if is_try else f"({sides[0].text} / {sides[1].text})"
    if not is_decimal(kind):
        numbers = [as_type(side, DOUBLE, ansi=call.ansi) for side in sides]
        return call.strict(DOUBLE, _divided(operator.truediv, ansi=call.ansi, is_try=is_try), numbers, text)
    (p1, s1), (p2, s2) = precision_of(sides[0].type), precision_of(sides[1].type)
    scale = max(6, s1 + p2 + 1)
    result = bounded(p1 - s1 + s2 + scale, scale)
    bring = to_decimal(result, ansi=call.ansi and not is_try)

    def divide(left: Decimal, right: Decimal) -> Any:
        return bring(at_scale(_WIDE.divide(left, right), 38))

    return call.strict(result, _divided(divide, ansi=call.ansi, is_try=is_try), sides, text)


@sql_function("div")
def _whole_quotient(call: Call) -> Expression:
    sides, kind = _operands(call)
    if not is_decimal(kind):
        sides = [as_type(side, LONG, ansi=call.ansi) for side in sides]

    def divide(left: Any, right: Any) -> int:
        whole = abs(int(left)) // abs(int(right)) if kind not in (FLOAT, DOUBLE) and not is_decimal(kind) else None
        if whole is None:
            whole = int(abs(_WIDE.divide_int(left, right)))
        return whole if (left < 0) == (right < 0) else -whole

    checked = _checked(divide, LONG, ansi=call.ansi)
    return call.strict(LONG, _divided(checked, ansi=call.ansi), sides, f"({sides[0].text} div {sides[1].text})")


def _remainder(left: Any, right: Any) -> Any:
    """With the sign of the dividend, as in Java."""
    if isinstance(left, float):
        if math.isinf(left) or math.isnan(left) or math.isnan(right):
            return math.nan
        return math.fmod(left, right)
    if isinstance(left, Decimal):
        return _WIDE.remainder(left, right)
    rest = abs(left) % abs(right)
    return -rest if left < 0 else rest


def _positive_remainder(left: Any, right: Any) -> Any:
    rest = _remainder(left, right)
    return _remainder(rest + right, right) if rest < 0 else rest


@sql_function("%", "mod", "pmod")
def _modulo(call: Call) -> Expression:
    sides, kind = _operands(call)
    function = _positive_remainder if call.name == "pmod" else _remainder
    text = f"({sides[0].text} % {sides[1].text})" if call.name == "%" else call.text()
    if not is_decimal(kind):
        checked = _checked(function, kind, ansi=False)
        return call.strict(kind, _divided(checked, ansi=call.ansi), sides, text)
    (p1, s1), (p2, s2) = precision_of(sides[0].type), precision_of(sides[1].type)
    scale = max(s1, s2)
    result = bounded(min(p1 - s1, p2 - s2) + scale, scale)
    bring = to_decimal(result, ansi=call.ansi)
    divide = _divided(lambda left, right: bring(function(left, right)), ansi=call.ansi)
    return call.strict(result, divide, sides, text)


def _number(call: Call) -> Expression:
    call.expect(1)
    only = call.arguments[0]
    if only.type in (STRING, VOID):
        return as_type(only, DOUBLE, ansi=call.ansi)
    if not is_number(only.type):
        raise UnsupportedSqlError(f"{only.text} of type {only.type} where a number is expected")
    return only


def _of_one(call: Call, function: Callable[[Any], Any], text: str) -> Expression:
    """A function of one number of any type that may leave the range of whole ones."""
    only = _number(call)
    kind, ansi = only.type, call.ansi
    if kind not in INTEGRAL:
        return call.strict(kind, function, [only], text)
    low, high = RANGES[kind]

    def checked(value: int) -> int:
        result: int = function(value)
        if low <= result <= high:
            return result
        if ansi:
            raise SqlFault(f"{result} is no {kind}")
        return wrapped(result, kind)

    return call.strict(kind, checked, [only], text)


def _negated(value: Any) -> Any:
    return _WIDE.minus(value) if isinstance(value, Decimal) else -value


@sql_function("unary -", "negative")
def _negative(call: Call) -> Expression:
    return _of_one(call, _negated, call.text() if call.name == "negative" else f"(- {call.arguments[0].text})")


@sql_function("unary +", "positive")
def _same(call: Call) -> Expression:
    return _of_one(call, lambda value: value, f"(+ {call.arguments[0].text})")


@sql_function("abs")
def _absolute(call: Call) -> Expression:
    return _of_one(call, lambda value: value.copy_abs() if isinstance(value, Decimal) else abs(value), call.text())


def _bits(call: Call, function: Function) -> Expression:
    sides, kind = _operands(call)
    if kind not in INTEGRAL:
        raise UnsupportedSqlError(f"{call.name} of {kind}")
    return call.strict(kind, function, sides, f"({sides[0].text} {call.name} {sides[1].text})")


@sql_function("&")
def _and(call: Call) -> Expression:
    return _bits(call, operator.and_)


@sql_function("|")
def _or(call: Call) -> Expression:
    return _bits(call, operator.or_)


@sql_function("^")
def _exclusive_or(call: Call) -> Expression:
    return _bits(call, operator.xor)


@sql_function("~")
def _not(call: Call) -> Expression:
    only = _number(call)
    if only.type not in INTEGRAL:
        raise UnsupportedSqlError(f"~ of {only.type}")
    return call.strict(only.type, operator.invert, [only], f"~{only.text}")


@sql_function("<<", ">>", ">>>", "shiftleft", "shiftright", "shiftrightunsigned")
def _shift(call: Call) -> Expression:
    """By the low bits of the distance, as in Java."""
    call.expect(2)
    kind = LONG if call.arguments[0].type == LONG else INT
    sides = [call.argument(0, kind), call.argument(1, INT)]
    n_bits = 64 if kind == LONG else 32
    sign = {"shiftleft": "<<", "shiftright": ">>", "shiftrightunsigned": ">>>"}.get(call.name, call.name)
    mask = (1 << n_bits) - 1

    def shift(value: int, distance: int) -> int:
        by = distance & (n_bits - 1)
        if sign == "<<":
            return wrapped(value << by, kind)
        return value >> by if sign == ">>" else wrapped((value & mask) >> by, kind)

    text = call.text() if sign != call.name else f"({sides[0].text} {sign} {sides[1].text})"
    return call.strict(kind, shift, sides, text)
