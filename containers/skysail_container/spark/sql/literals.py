"""Numbers as they are written in statements. Source: Spark's AstBuilder (visitIntegerLiteral, visitDecimalLiteral)."""

from decimal import Decimal
from typing import Final

from skysail_container.spark.sql.faults import UnsupportedSqlError
from skysail_container.spark.sql.syntax import Literal
from skysail_container.spark.sql.widths import float32

__all__ = ["number_of"]

_SUFFIXES: Final = {"L": "bigint", "S": "smallint", "Y": "tinyint"}


def number_of(text: str) -> Literal:
    """A literal with its type: int or bigint, decimal with a point, double with an exponent, or as its suffix says."""
    upper = text.upper()
    if upper.endswith("BD"):
        return _decimal(upper[:-2])
    suffix = upper[-1]
    if suffix in _SUFFIXES:
        return Literal(_SUFFIXES[suffix], int(upper[:-1]))
    if suffix in "FD":
        value = float(upper[:-1])
        return Literal("float", float32(value)) if suffix == "F" else Literal("double", value)
    if "E" in upper:
        return Literal("double", float(upper))
    if "." in upper:
        return _decimal(upper)
    value = int(upper)
    if -(2**31) <= value < 2**31:
        return Literal("int", value)
    return Literal("bigint", value) if -(2**63) <= value < 2**63 else _decimal(upper)


def _decimal(text: str) -> Literal:
    value = Decimal(text)
    if value.as_tuple().exponent > 0:  # type: ignore[operator]  # digits are finite
        value = value.quantize(Decimal(1))
    _, digits, exponent = value.as_tuple()
    scale = -int(exponent)
    precision = max(len(digits), scale)
    if precision > 38:
        raise UnsupportedSqlError(f"{text} has more than 38 digits")
    return Literal(f"decimal({precision},{scale})", value)
