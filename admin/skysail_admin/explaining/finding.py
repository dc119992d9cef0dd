"""One thing that the figures say, as a sentence, with what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["LEVELS", "Finding", "Level", "duration", "exact_duration", "number", "percent"]

Level = Literal["problem", "advice", "note"]
"""Answers suffer; they could be faster; good to know."""
LEVELS: tuple[Level, ...] = ("problem", "advice", "note")


@dataclass(frozen=True)
class Finding:
    """`rule` names it for programs; it does not change."""

    rule: str
    level: Level
    text: str
    next_step: str | None = None


def percent(share: float) -> str:
    """62 %; below ten in a hundred with a digit more."""
    value = share * 100.0
    if value == 0.0:
        return "0 %"
    if 0.0 < value < 0.1:
        return "less than 0.1 %"
    if 99.9 < value < 100.0:
        return "more than 99.9 %"
    return f"{value:.1f} %" if value < 9.95 or 99.0 < value < 100.0 else f"{value:.0f} %"


def duration(seconds: float) -> str:
    """About three digits, in milliseconds, from a second on in seconds."""
    if seconds >= 0.9995:
        return f"{seconds:.3g} s"
    value = seconds * 1000.0
    return f"{value:.0f} ms" if value >= 99.95 else f"{value:.1f} ms" if value >= 9.995 else f"{value:.2f} ms"


def exact_duration(seconds: float) -> str:
    """What somebody set, as they wrote it: 100 ms."""
    return f"{seconds * 1000.0:g} ms"


def number(value: float) -> str:
    """1,234, or 3.5 where it is small and not whole."""
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.1f}"
