"""Values as Spark's `cast(... as string)` writes them, by the type of their column."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from skysail_container.spark.java_numbers import double_text, float_text
from skysail_container.spark.schema import DOUBLE, FLOAT, STRING

__all__ = ["text_of"]


def text_of(column_type: str) -> Callable[[Any], str]:
    """How numbers and strings of a column's type are written; not for nulls."""
    if column_type == DOUBLE:
        return double_text
    if column_type == FLOAT:
        return float_text
    if column_type.startswith("decimal"):
        return _decimal_text
    return _text if column_type == STRING else str


def _text(value: str) -> str:
    return value


def _decimal_text(value: Any) -> str:
    """Without an exponent, with the zeros of its scale."""
    return format(Decimal(value), "f")
