"""Functions of numbers where Python raises and Java gives an infinity or NaN, and what classifiers build on them.

Source: java.lang.Math and org.apache.spark.ml.impl.Utils. The functions themselves are those of the C library; Java's
may differ from them in the last bit.
"""

import math
from collections.abc import Sequence

__all__ = ["divided", "exp", "log", "log1p", "power", "sigmoid", "softmax"]

_LEAST = -1.7976931348623157e308


def exp(x: float) -> float:
    try:
        return math.exp(x)
    except OverflowError:
        return math.inf


def log(x: float) -> float:
    if x > 0.0:
        return math.log(x)
    return -math.inf if x == 0.0 else math.nan


def log1p(x: float) -> float:
    if x > -1.0:
        return math.log1p(x)
    return -math.inf if x == -1.0 else math.nan


def divided(x: float, y: float) -> float:
    if y:
        return x / y
    if x == 0.0 or x != x:
        return math.nan
    return math.copysign(math.inf, x) * math.copysign(1.0, y)


def power(x: float, y: float) -> float:
    if y != y or (abs(x) == 1.0 and math.isinf(y)):
        return math.nan
    try:
        return math.pow(x, y)
    except OverflowError:
        return _infinite(x, y)
    except ValueError:  # a root of a negative number, or zero to a negative power
        return _infinite(x, y) if x == 0.0 else math.nan


def _infinite(x: float, y: float) -> float:
    """Negative if the base is and the exponent is odd."""
    return math.copysign(math.inf, x) if y % 2.0 == 1.0 else math.inf


def sigmoid(x: float) -> float:
    """1 / (1 + exp(-x))."""
    try:
        return 1.0 / (1.0 + math.exp(-x))
    except OverflowError:
        return 0.0


def softmax(values: Sequence[float]) -> list[float]:
    """Probabilities that are in the ratios of exp(value). The first positive infinity takes all."""
    top = _LEAST
    for index, value in enumerate(values):
        if value == math.inf:
            scaled = [0.0 * each for each in values]
            scaled[index] = 1.0
            return scaled
        if value > top:
            top = value
    exps = [math.exp(value - top) for value in values]
    total = 0.0
    for each in exps:
        total += each
    scale = 1.0 / total if total else math.inf
    return [each * scale for each in exps]
