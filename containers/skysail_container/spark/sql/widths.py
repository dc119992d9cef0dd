"""Java's numbers of fixed widths, and Spark's decimals, as Python numbers."""

import ctypes
import math
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Context, Decimal
from typing import Final

__all__ = [
    "HALF_EVEN",
    "HALF_UP",
    "RANGES",
    "at_scale",
    "fits",
    "float32",
    "precision_of",
    "rounded",
    "saturated",
    "wrapped",
]

RANGES: Final = {
    "tinyint": (-(2**7), 2**7 - 1),
    "smallint": (-(2**15), 2**15 - 1),
    "int": (-(2**31), 2**31 - 1),
    "bigint": (-(2**63), 2**63 - 1),
}
HALF_UP: Final = ROUND_HALF_UP
HALF_EVEN: Final = ROUND_HALF_EVEN
_WIDE: Final = Context(prec=1200, Emax=9999, Emin=-9999)
"""Doubles have up to 325 places after the point, and decimals 76 digits between two roundings."""


def float32(value: float) -> float:
    """The nearest float32, infinite beyond them."""
    return ctypes.c_float(value).value


def wrapped(value: int, kind: str) -> int:
    """The low bits of a whole number, as Java's arithmetic and narrowing keep them."""
    low, high = RANGES[kind]
    return value if low <= value <= high else (value - low) % (high - low + 1) + low


def saturated(value: float, kind: str) -> int:
    """Java's conversion of a double: NaN is 0, the too large is the largest there is; narrow types by way of int."""
    if value != value:
        return 0
    by_way = "bigint" if kind == "bigint" else "int"
    low, high = RANGES[by_way]
    if value >= high:
        whole = high
    elif value <= low:
        whole = low
    else:
        whole = math.trunc(value)
    return wrapped(whole, kind)


def precision_of(kind: str) -> tuple[int, int]:
    """Precision and scale of `decimal(10,2)`."""
    precision, _, scale = kind[len("decimal(") : -1].partition(",")
    return int(precision), int(scale)


def at_scale(value: Decimal, scale: int, rounding: str = HALF_UP) -> Decimal:
    scaled = value.quantize(Decimal((0, (1,), -scale)), rounding, _WIDE)
    return scaled or abs(scaled)  # Java's decimals have no negative zero


def fits(value: Decimal, precision: int) -> bool:
    """Whether its digits are no more than the precision."""
    return len(value.as_tuple().digits) <= precision or not value


def rounded(value: float, scale: int, rounding: str) -> float:
    """A double at a number of places, by way of its shortest decimal text, as Java's BigDecimal.valueOf has it."""
    if math.isinf(value) or math.isnan(value):
        return value
    return float(at_scale(Decimal(repr(value)), scale, rounding)) + 0.0
