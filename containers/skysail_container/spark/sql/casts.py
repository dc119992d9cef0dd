"""Values of one type as another. Source: org.apache.spark.sql.catalyst.expressions.Cast, UTF8String, Decimal."""

import math
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

from skysail_container.spark.java_numbers import double_text, float_text
from skysail_container.spark.schema import BOOLEAN, FLOAT, STRING, VOID
from skysail_container.spark.sql.faults import SqlFault, UnsupportedSqlError
from skysail_container.spark.sql.promotion import INTEGRAL, is_decimal, is_fraction, is_number
from skysail_container.spark.sql.widths import RANGES, at_scale, fits, float32, precision_of, saturated, wrapped

__all__ = ["caster", "to_decimal"]

Convert = Callable[[Any], Any]

_BLANKS: Final = "".join(map(chr, range(0x21))) + "\x7f"
_WHOLE: Final = re.compile(r"[+-]?[0-9]+")
_CUT: Final = re.compile(r"([+-]?[0-9]*)(?:\.[0-9]*)?")
_FLOATING: Final = re.compile(r"([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)[fFdD]?")
_SPECIAL: Final = {
    "inf": math.inf, "+inf": math.inf, "infinity": math.inf, "+infinity": math.inf,
    "-inf": -math.inf, "-infinity": -math.inf, "nan": math.nan,
}  # fmt: skip
_TRUE: Final = frozenset(("t", "true", "y", "yes", "1"))
_FALSE: Final = frozenset(("f", "false", "n", "no", "0"))


def caster(source: str, target: str, *, ansi: bool) -> Convert | None:
    """The conversion of values that are not null; None: there is nothing to do.

    What it raises is an `SqlFault`, in ANSI mode only; else it gives None where a value has no counterpart.

    :raises UnsupportedSqlError: Spark has no such cast, or of types that are not known here.
    """
    if source in (target, VOID):
        return None
    if target == STRING:
        return _to_string(source, ansi=ansi)
    if target == BOOLEAN:
        return _to_boolean(source, ansi=ansi)
    if target in INTEGRAL:
        return _to_integral(source, target, ansi=ansi)
    if is_fraction(target):
        return _to_fraction(source, target, ansi=ansi)
    if is_decimal(target):
        return _to_decimal(source, target, ansi=ansi)
    if source.startswith("array<") and target.startswith("array<"):
        return _to_array(source[6:-1], target[6:-1], ansi=ansi)
    raise _none(source, target)


def _none(source: str, target: str) -> UnsupportedSqlError:
    return UnsupportedSqlError(f"a cast from {source} to {target}")


def _unread(value: str, target: str, *, ansi: bool) -> None:
    """
    :raises SqlFault: in ANSI mode; else it is null.
    """
    if ansi:
        raise SqlFault(f"{value!r} cannot be read as {target}")


def _to_string(source: str, *, ansi: bool) -> Convert:
    if source in INTEGRAL:
        return str
    if is_fraction(source):
        return float_text if source == FLOAT else double_text
    if source == BOOLEAN:
        return lambda value: "true" if value else "false"
    if is_decimal(source):
        return (lambda value: f"{value:f}") if ansi else str
    raise _none(source, STRING)


def _to_boolean(source: str, *, ansi: bool) -> Convert:
    if is_number(source):
        return lambda value: value != 0
    if source != STRING:
        raise _none(source, BOOLEAN)

    def read(value: str) -> bool | None:
        word = value.strip(_BLANKS).lower()
        if word in _TRUE or word in _FALSE:
            return word in _TRUE
        _unread(value, BOOLEAN, ansi=ansi)
        return None

    return read


def _to_integral(source: str, target: str, *, ansi: bool) -> Convert | None:
    if source == BOOLEAN:
        return int
    if source == STRING:
        return _read_integral(target, ansi=ansi)
    if is_fraction(source):
        return _cut_fraction(target) if ansi else lambda value: saturated(value, target)
    if source in INTEGRAL and INTEGRAL[source] <= INTEGRAL[target]:
        return None
    if not is_number(source):
        raise _none(source, target)

    low, high = RANGES[target]

    def narrowed(value: int | Decimal) -> int:
        whole = int(value)
        if low <= whole <= high:
            return whole
        if ansi:
            raise SqlFault(f"{value} is no {target}")
        return wrapped(whole, target)

    return narrowed


def _cut_fraction(target: str) -> Convert:
    low, high = RANGES[target]

    def exact(value: float) -> int:
        if math.isfinite(value) and math.floor(value) <= high and math.ceil(value) >= low:
            return saturated(value, target)
        raise SqlFault(f"{value} is no {target}")

    return exact


def _read_integral(target: str, *, ansi: bool) -> Convert:
    low, high = RANGES[target]

    def read(value: str) -> int | None:
        text = value.strip(_BLANKS)
        found = _WHOLE.fullmatch(text) if ansi else _CUT.fullmatch(text)
        if found is not None and text not in ("", "+", "-"):
            digits = found.group() if ansi else found.group(1)
            whole = int(digits) if digits.lstrip("+-") else 0
            if low <= whole <= high:
                return whole
        _unread(value, target, ansi=ansi)
        return None

    return read


def _to_fraction(source: str, target: str, *, ansi: bool) -> Convert | None:
    single = target == FLOAT
    if source == STRING:

        def read(value: str) -> float | None:
            text = value.strip(_BLANKS)
            found = _FLOATING.fullmatch(text)
            number = float(found.group(1)) if found is not None else _SPECIAL.get(text.lower())
            if number is None:
                _unread(value, target, ansi=ansi)
                return None
            return float32(number) if single else number

        return read
    if source == FLOAT and not single:
        return None
    if not (is_number(source) or source == BOOLEAN):
        raise _none(source, target)
    return (lambda value: float32(value)) if single else float


def to_decimal(target: str, *, ansi: bool) -> Callable[[Decimal | int], Decimal | None]:
    """Brings decimals and whole numbers to a decimal type."""
    precision, scale = precision_of(target)

    def convert(value: Decimal | int) -> Decimal | None:
        scaled = at_scale(Decimal(value), scale)
        if fits(scaled, precision):
            return scaled
        if ansi:
            raise SqlFault(f"{value} is no {target}")
        return None

    return convert


def _to_decimal(source: str, target: str, *, ansi: bool) -> Convert:
    convert = to_decimal(target, ansi=ansi)
    if source in INTEGRAL or is_decimal(source):
        return convert
    if source == BOOLEAN:
        return lambda value: convert(int(value))
    if is_fraction(source):
        return lambda value: convert(Decimal(repr(value))) if math.isfinite(value) else None
    if source != STRING:
        raise _none(source, target)

    def read(value: str) -> Decimal | None:
        found = _FLOATING.fullmatch(value.strip(_BLANKS))
        if found is None or found.group() != found.group(1):
            _unread(value, target, ansi=ansi)
            return None
        return convert(Decimal(found.group()))

    return read


def _to_array(source: str, target: str, *, ansi: bool) -> Convert | None:
    convert = caster(source, target, ansi=ansi)
    if convert is None:
        return None
    return lambda values: [None if value is None else convert(value) for value in values]
