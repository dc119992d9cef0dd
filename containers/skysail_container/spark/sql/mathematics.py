"""Functions of doubles, and rounding. Source: org.apache.spark.sql.catalyst.expressions.mathExpressions.

Java computes logarithms, powers and angles with fdlibm, Python with the system's library: the last bit may differ.
Roots, rounding and signs are exact.
"""

import math
from collections.abc import Callable
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any, Final

from skysail_container.spark.schema import DOUBLE, FLOAT, INT, LONG
from skysail_container.spark.sql.expressions import Expression, constant, strict
from skysail_container.spark.sql.faults import SqlFault, UnsupportedSqlError
from skysail_container.spark.sql.functions import Call, sql_function
from skysail_container.spark.sql.promotion import INTEGRAL, is_decimal, is_fraction
from skysail_container.spark.sql.widths import (
    HALF_EVEN,
    HALF_UP,
    RANGES,
    at_scale,
    float32,
    precision_of,
    rounded,
    saturated,
    wrapped,
)  # fmt: skip

Function = Callable[..., Any]


def _in_java(function: Function, overflow: float = math.inf) -> Function:
    """A function of doubles that gives NaN where Python's raises, and infinity where it overflows."""

    def evaluate(*values: float) -> float:
        try:
            result: float = function(*values)
        except ValueError:
            return math.nan
        except OverflowError:
            return math.copysign(overflow, values[0]) if function in _ODD else overflow
        return result

    return evaluate


_ODD: Final = frozenset((math.sinh,))


def _power(base: float, exponent: float) -> float:
    """Java's pow: 1 to the power of NaN is NaN, and so is one of modulus 1 to the power of infinity."""
    if math.isnan(exponent) or (abs(base) == 1.0 and math.isinf(exponent)):
        return math.nan
    is_odd = exponent == math.trunc(exponent) and math.fmod(exponent, 2.0) != 0.0 if math.isfinite(exponent) else False
    sign = math.copysign(1.0, base) if is_odd else 1.0
    if base == 0.0 and exponent < 0.0:
        return sign * math.inf
    try:
        return math.pow(base, exponent)
    except ValueError:
        return math.nan
    except OverflowError:
        return sign * math.inf


def _above(low: float, function: Callable[[float], float]) -> Function:
    """A logarithm: null at `low` and below, NaN of NaN."""

    def evaluate(value: float) -> float | None:
        return None if value <= low else function(value)

    return evaluate


def _arc_tangent_h(value: float) -> float:
    return math.copysign(math.inf, value) if abs(value) == 1.0 else math.atanh(value)


def _inverse(function: Callable[[float], float]) -> Callable[[float], float]:
    def evaluate(value: float) -> float:
        below = function(value)
        return math.copysign(math.inf, below) if below == 0.0 else 1.0 / below

    return evaluate


def _sign(value: float) -> float:
    return value if value == 0.0 or math.isnan(value) else math.copysign(1.0, value)


def _nearest(value: float) -> float:
    """Java's rint: halves to even, the sign of zero kept."""
    return math.copysign(float(round(value)), value) if math.isfinite(value) else value


_LOG_2: Final = math.log(2.0)

_OF_ONE: Final[dict[str, tuple[str, Function]]] = {
    "exp": ("EXP", _in_java(math.exp)),
    "expm1": ("EXPM1", _in_java(math.expm1)),
    "sqrt": ("SQRT", _in_java(math.sqrt)),
    "cbrt": ("CBRT", math.cbrt),
    "ln": ("ln", _above(0.0, math.log)),
    "log2": ("LOG2", _above(0.0, lambda value: math.log(value) / _LOG_2)),
    "log10": ("LOG10", _above(0.0, math.log10)),
    "log1p": ("LOG1P", _above(-1.0, math.log1p)),
    "sign": ("sign", _sign),
    "signum": ("SIGNUM", _sign),
    "rint": ("rint", _nearest),
    "sin": ("SIN", _in_java(math.sin)),
    "cos": ("COS", _in_java(math.cos)),
    "tan": ("TAN", _in_java(math.tan)),
    "cot": ("COT", _in_java(_inverse(math.tan))),
    "sec": ("SEC", _in_java(_inverse(math.cos))),
    "csc": ("CSC", _in_java(_inverse(math.sin))),
    "asin": ("ASIN", _in_java(math.asin)),
    "acos": ("ACOS", _in_java(math.acos)),
    "atan": ("ATAN", math.atan),
    "sinh": ("SINH", _in_java(math.sinh)),
    "cosh": ("COSH", _in_java(math.cosh)),
    "tanh": ("TANH", math.tanh),
    "asinh": ("ASINH", math.asinh),
    "acosh": ("ACOSH", _in_java(math.acosh)),
    "atanh": ("ATANH", _in_java(_arc_tangent_h)),
    "radians": ("RADIANS", lambda value: value * (math.pi / 180.0)),
    "degrees": ("DEGREES", lambda value: value * (180.0 / math.pi)),
}


@sql_function(*_OF_ONE)
def _of_one(call: Call) -> Expression:
    call.expect(1)
    shown, function = _OF_ONE[call.name]
    return call.strict(DOUBLE, function, [call.argument(0, DOUBLE)], call.text(shown))


_OF_TWO: Final[dict[str, tuple[str, Function]]] = {
    "pow": ("pow", _power),
    "power": ("POWER", _power),
    "atan2": ("ATAN2", lambda y, x: math.atan2(y + 0.0, x + 0.0)),
    "hypot": ("HYPOT", math.hypot),
}


@sql_function(*_OF_TWO)
def _of_two(call: Call) -> Expression:
    call.expect(2)
    shown, function = _OF_TWO[call.name]
    return call.strict(DOUBLE, function, [call.argument(0, DOUBLE), call.argument(1, DOUBLE)], call.text(shown))


@sql_function("log")
def _logarithm(call: Call) -> Expression:
    """The natural one, or one of a base, which comes first."""
    call.expect(1, 2)
    if len(call.arguments) == 1:
        text = f"LOG(E(), {call.arguments[0].text})"
        return call.strict(DOUBLE, _above(0.0, math.log), [call.argument(0, DOUBLE)], text)

    def evaluate(base: float, value: float) -> float | None:
        if base <= 0.0 or value <= 0.0:
            return None
        below = math.log(base)
        if below == 0.0:
            above = math.log(value)
            return math.nan if above == 0.0 or math.isnan(above) else math.copysign(math.inf, above)
        return math.log(value) / below

    return call.strict(DOUBLE, evaluate, [call.argument(0, DOUBLE), call.argument(1, DOUBLE)], call.text("LOG"))


@sql_function("pi", "e")
def _constant(call: Call) -> Expression:
    call.expect(0)
    return constant(DOUBLE, math.pi if call.name == "pi" else math.e, call.text(call.name.upper()))


@sql_function("floor", "ceil", "ceiling")
def _whole(call: Call) -> Expression:
    """As bigint, and of decimals as decimals without places."""
    call.expect(1)
    is_floor = call.name == "floor"
    only = call.arguments[0]
    text = call.text({"floor": "FLOOR", "ceil": "CEIL"}.get(call.name))
    if only.type in INTEGRAL:
        return call.strict(LONG, int, [only], text)
    if is_decimal(only.type):
        precision, scale = precision_of(only.type)
        kind = f"decimal({min(precision - scale + 1, 38) if scale else precision},0)"
        rounding = ROUND_FLOOR if is_floor else ROUND_CEILING
        return call.strict(kind, lambda value: at_scale(value, 0, rounding), [only], text)
    whole = math.floor if is_floor else math.ceil
    return call.strict(LONG, _to_long(whole, ansi=call.ansi), [call.argument(0, DOUBLE)], text)


def _to_long(whole: Callable[[float], int], *, ansi: bool) -> Function:
    """NaN is 0; what is too large fails in ANSI mode, else it is the largest there is."""
    low, high = RANGES[LONG]

    def evaluate(value: float) -> int:
        if math.isfinite(value):
            result = whole(value)
            if low <= result <= high:
                return result
        if ansi and not math.isnan(value):
            raise SqlFault(f"{value} is no {LONG}")
        return saturated(value, LONG)

    return evaluate


@sql_function("round", "bround")
def _round(call: Call) -> Expression:
    """To places, or to tens; `bround` takes halves to the even digit."""
    call.expect(1, 2)
    scale = call.constant(1, INT, 0)
    text = call.text(None, *(["0"] if len(call.arguments) == 1 else []))
    rounding = HALF_UP if call.name == "round" else HALF_EVEN
    only = call.arguments[0]
    if scale is None:
        raise UnsupportedSqlError(f"{call.name} to NULL places")
    if only.type in INTEGRAL:
        return call.strict(only.type, _round_whole(only.type, scale, rounding, ansi=call.ansi), [only], text)
    if is_decimal(only.type):
        return _round_decimal(only, scale, rounding, text)
    if not is_fraction(only.type):
        only = call.argument(0, DOUBLE)
    single = only.type == FLOAT

    def evaluate(value: float) -> float:
        result = rounded(value, scale, rounding)
        return float32(result) if single else result

    return call.strict(only.type, evaluate, [only], text)


def _round_whole(kind: str, scale: int, rounding: str, *, ansi: bool) -> Function:
    low, high = RANGES[kind]

    def evaluate(value: int) -> int:
        if scale >= 0:
            return value
        whole = int(at_scale(Decimal(value), scale, rounding))
        if not low <= whole <= high and ansi:
            raise SqlFault(f"{whole} is no {kind}")
        return wrapped(whole, kind)

    return evaluate


def _round_decimal(only: Expression, scale: int, rounding: str, text: str) -> Expression:
    precision, places = precision_of(only.type)
    least = precision - places + 1
    if scale < 0:
        kind, places = f"decimal({min(max(least, 1 - scale), 38)},0)", 0
    else:
        places = min(places, scale)
        kind = f"decimal({min(least + places, 38)},{places})"

    def evaluate(value: Decimal) -> Decimal:
        return at_scale(at_scale(value, min(scale, places), rounding), places)

    return Expression(kind, strict(evaluate, only), text)
