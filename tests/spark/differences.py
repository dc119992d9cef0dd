"""Whether a scored row is Spark's: forms, types and bits, doubles within a tolerance where one is stated."""

import math
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from spark.values import to_json

__all__ = ["differences"]


def differences(
    given: Mapping[str, Any], expected: Mapping[str, Any], rtol: float, atol: float, unordered: Collection[str] = ()
) -> list[str]:
    """One line for each column that is not Spark's; rows as `values.to_json` writes them.

    :param unordered: columns of arrays whose order does not count.
    """
    lines = [f"{name}: {given.get(name)} is not among Spark's columns" for name in given if name not in expected]
    for name, value in expected.items():
        if name not in given:
            lines.append(f"{name}: missing, in Spark {value}")
        else:
            pair = (to_json(given[name]), value)
            if name in unordered:
                pair = (sorted(pair[0], key=repr), sorted(pair[1], key=repr))
            lines.extend(f"{name}{path}" for path in _unequal(*pair, rtol, atol))
    return lines


def _unequal(given: Any, expected: Any, rtol: float, atol: float) -> Iterator[str]:
    if type(given) is not type(expected):
        yield f": {given!r} instead of {expected!r}"
    elif isinstance(given, list) and len(given) == len(expected):
        for number, pair in enumerate(zip(given, expected, strict=True)):
            yield from (f"[{number}]{path}" for path in _unequal(*pair, rtol, atol))
    elif isinstance(given, dict) and given.keys() == expected.keys():
        for key in given:
            yield from _unequal(given[key], expected[key], rtol, atol)
    elif not (_is_close(given, expected, rtol, atol) if isinstance(given, float) else given == expected):
        yield f": {given!r} instead of {expected!r}"


def _is_close(given: float, expected: float, rtol: float, atol: float) -> bool:
    if math.isnan(expected) or math.isinf(expected) or not (rtol or atol):
        return given == expected or (math.isnan(given) and math.isnan(expected))
    return abs(given - expected) <= atol + rtol * abs(expected)
