"""Where a number stands among sorted ones, as Java finds it: -0.0 comes before 0.0, and NaN after everything.

Source: java.util.Arrays.binarySearch(double[], double) and java.lang.Double.compare.
"""

import math
from collections.abc import Sequence

__all__ = ["binary_search"]


def binary_search(values: Sequence[float], key: float) -> int:
    """The index of the key, any one of them if there are several; else -(where it would be inserted) - 1."""
    low, high = 0, len(values) - 1
    while low <= high:
        middle = (low + high) >> 1
        order = _compared(values[middle], key)
        if order < 0:
            low = middle + 1
        elif order > 0:
            high = middle - 1
        else:
            return middle
    return -low - 1


def _compared(value: float, other: float) -> int:
    """Negative, zero or positive, as the value comes before the other, is it, or comes after it."""
    if value < other:
        return -1
    if value > other:
        return 1
    return _rank(value) - _rank(other)


def _rank(value: float) -> int:
    """Among numbers that are neither less nor greater than each other."""
    if value != value:
        return 2
    return 0 if math.copysign(1.0, value) < 0 else 1
