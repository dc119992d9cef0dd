"""Reading the Prometheus text format (exposition format 0.0.4), and what a histogram says about its quantiles."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

__all__ = ["Sample", "parse", "quantile_s"]

_LINE = re.compile(r"^(?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(?P<labels>.*)\})?\s+(?P<value>\S+)(?:\s+\S+)?$")
_LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"')
_ESCAPE = re.compile(r"\\(.)")


class Sample(NamedTuple):
    name: str
    labels: Mapping[str, str]
    value: float


def parse(text: str) -> Iterator[Sample]:
    """Every sample of the text. Comments and lines that are no sample are passed over."""
    for line in text.splitlines():
        match = _LINE.match(line)
        value = _number(match["value"]) if match else None
        if match and value is not None:
            yield Sample(match["name"], _labels(match["labels"] or ""), value)


def quantile_s(buckets: Iterable[tuple[float, float]], quantile: float) -> float | None:
    """The quantile of a histogram given as (upper bound, cumulative count), linear within its bucket.

    None when nothing was counted. In the last, open bucket the answer is the highest finite bound, as
    Prometheus' `histogram_quantile` has it.
    """
    ordered = sorted(buckets)
    if not ordered or ordered[-1][1] <= 0:
        return None
    rank = quantile * ordered[-1][1]
    lower, below = 0.0, 0.0
    for upper, count in ordered:
        if count >= rank and count > below:
            return lower if upper == float("inf") else lower + (upper - lower) * (rank - below) / (count - below)
        lower, below = upper, count
    return lower


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _labels(text: str) -> dict[str, str]:
    return {name: _ESCAPE.sub(_unescape, value) for name, value in _LABEL.findall(text)}


def _unescape(match: re.Match[str]) -> str:
    return "\n" if match[1] == "n" else match[1]
