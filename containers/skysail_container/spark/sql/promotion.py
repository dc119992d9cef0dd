"""Which types operators and functions bring their arguments to.

Source: org.apache.spark.sql.catalyst.analysis.{TypeCoercion, AnsiTypeCoercion, DecimalPrecisionTypeCoercion}. `ansi` is
`spark.sql.ansi.enabled`, the default since Spark 4.0.
"""

from collections.abc import Sequence
from typing import Final

from skysail_container.spark.schema import BOOLEAN, DOUBLE, FLOAT, INT, LONG, STRING, VOID
from skysail_container.spark.sql.widths import precision_of

__all__ = [
    "INTEGRAL", "as_decimal", "bounded", "common_type", "compared_type", "is_decimal", "is_fraction", "is_number",
    "wider",
]  # fmt: skip

INTEGRAL: Final = {"tinyint": 3, "smallint": 5, INT: 10, LONG: 20}
"""Whole numbers, narrow to wide, and the digits they have as decimals."""
_ORDER: Final = (*INTEGRAL, FLOAT, DOUBLE)
MAX_PRECISION: Final = 38
_MIN_SCALE: Final = 6


def is_decimal(kind: str) -> bool:
    return kind.startswith("decimal")


def is_fraction(kind: str) -> bool:
    return kind in (FLOAT, DOUBLE)


def is_number(kind: str) -> bool:
    return kind in _ORDER or is_decimal(kind)


def as_decimal(kind: str) -> str:
    return kind if is_decimal(kind) else f"decimal({INTEGRAL[kind]},0)"


def bounded(precision: int, scale: int) -> str:
    """The decimal that loses fraction before whole digits when it would need more than 38: adjustPrecisionScale."""
    if precision <= MAX_PRECISION:
        return f"decimal({precision},{scale})"
    return f"decimal({MAX_PRECISION},{max(MAX_PRECISION - (precision - scale), min(scale, _MIN_SCALE))})"


def wider(left: str, right: str, *, ansi: bool) -> str | None:
    """The type of numbers that holds both; None: there is none."""
    if left == right:
        return left
    if VOID in (left, right):
        return right if left == VOID else left
    if not (is_number(left) and is_number(right)):
        return None
    if is_decimal(left) or is_decimal(right):
        if is_fraction(left) or is_fraction(right):
            return DOUBLE
        (precision, scale), (other, other_scale) = precision_of(as_decimal(left)), precision_of(as_decimal(right))
        whole, places = max(precision - scale, other - other_scale), max(scale, other_scale)
        return f"decimal({min(whole + places, MAX_PRECISION)},{min(places, MAX_PRECISION)})"
    widest = max(left, right, key=_ORDER.index)
    return DOUBLE if ansi and widest == FLOAT else widest


def common_type(kinds: Sequence[str], *, ansi: bool, with_strings: bool = True) -> str | None:
    """The type of CASE, COALESCE, IN and arrays; None: there is none.

    :param with_strings: whether strings and other types have a common one.
    """
    found: str | None = VOID
    for kind in sorted(kinds, key=lambda one: one == STRING) if not ansi else kinds:
        if found is None:
            return None
        known = wider(found, kind, ansi=ansi) or _of_arrays(found, kind, ansi=ansi)
        found = known or (_with_string(found, kind, ansi=ansi) if with_strings else None)
    return found


def _of_arrays(left: str, right: str, *, ansi: bool) -> str | None:
    if not (left.startswith("array<") and right.startswith("array<")):
        return None
    element = common_type([left[6:-1], right[6:-1]], ansi=ansi)
    return None if element is None else f"array<{element}>"


def _with_string(left: str, right: str, *, ansi: bool) -> str | None:
    if STRING not in (left, right):
        return None
    other = right if left == STRING else left
    if not (is_number(other) or other == BOOLEAN):
        return None
    return _of_string(other) if ansi else STRING if other != BOOLEAN else None


def _of_string(other: str) -> str:
    """What ANSI mode reads a string as beside another type."""
    return LONG if other in INTEGRAL else DOUBLE if is_number(other) else other


def compared_type(left: str, right: str, *, ansi: bool) -> str | None:
    """The type in which two values are compared; None: they cannot be."""
    if STRING in (left, right) and left != right and VOID not in (left, right):
        other = right if left == STRING else left
        if not (is_number(other) or other == BOOLEAN):
            return None
        if ansi:
            return _of_string(other)
        return DOUBLE if is_decimal(other) else other
    return wider(left, right, ansi=ansi) or _of_arrays(left, right, ansi=ansi)
