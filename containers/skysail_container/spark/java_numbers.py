"""Numbers as Java writes them: what Spark's casts to string give, and so the labels of indexed numbers.

Source: java.lang.Double.toString as of Java 19, the shortest decimal that reads back as the same number. Before Java 19
a few numbers (2.0E-3 is not among them, 2.2E-322 is) came out with a digit too many.
"""

import math

import numpy as np

__all__ = ["double_text", "float_text"]


def double_text(value: float) -> str:
    """`str(double)` in Java: 1.0, 1.0E7, 0.001, 1.0E-4, NaN, -Infinity."""
    return _text(repr(float(value)), value)


def float_text(value: float) -> str:
    """`str(float)` in Java, of a number that came from a float32."""
    return _text(str(np.float32(value)), value)


def _text(shortest: str, value: float) -> str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    sign, digits, exponent = _parts(shortest)
    if not digits:
        return f"{sign}0.0"
    if len(digits) == 1:  # Java writes two digits at least: 5e-324 is 4.9E-324
        sign, digits, exponent = _parts(f"{value:.1e}")
    if -3 <= exponent < 7:
        if exponent < 0:
            return f"{sign}0.{'0' * (-exponent - 1)}{digits}"
        padded = digits.ljust(exponent + 2, "0")
        return f"{sign}{padded[: exponent + 1]}.{padded[exponent + 1 :]}"
    return f"{sign}{digits[0]}.{digits[1:] or '0'}E{exponent}"


def _parts(shortest: str) -> tuple[str, str, int]:
    """Sign, digits without zeros at either end, and the exponent of the first of them."""
    sign = "-" if shortest.startswith("-") else ""
    mantissa, _, power = shortest.lstrip("-").partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = whole + fraction
    leading = len(digits) - len(digits.lstrip("0"))
    exponent = len(whole) - 1 - leading + int(power or 0)
    return sign, digits.strip("0"), exponent
