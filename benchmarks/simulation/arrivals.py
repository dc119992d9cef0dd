"""When queries arrive: seeded processes of a mean rate, and the SLO class each query belongs to."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from benchmarks.simulation.ledger import VirtualQuery

__all__ = ["Arrivals", "SloClass", "queries"]

BURSTY_CV = 3.0
"""Coefficient of variation of bursty inter-arrival times; Poisson's is 1."""
DIURNAL_PERIOD_S = 10.0
DIURNAL_SWING = 0.6
"""The diurnal rate swings by this share around its mean, once in a period."""
STEP_AT, STEP_UNTIL, STEP_FACTOR = 0.4, 0.7, 1.5
"""The step: from 0.4 to 0.7 of the run the rate is 1.5 times as high."""


@dataclass(frozen=True, slots=True)
class SloClass:
    """A share of the queries with one latency objective."""

    share: float
    slo_s: float

    @property
    def title(self) -> str:
        return f"{1000 * self.slo_s:g} ms"


@dataclass(frozen=True, slots=True)
class Arrivals:
    """``rate`` is the mean number per second (of a step: outside it)."""

    process: Literal["poisson", "bursty", "diurnal", "step"]
    rate: float


def queries(arrivals: Arrivals, classes: Sequence[SloClass], seconds: float, seed: int) -> list[VirtualQuery]:
    """Those that arrive within `seconds`, in order; the same for the same arguments."""
    times = random.Random(f"arrivals {seed}")
    choices = random.Random(f"classes {seed}")
    weights = [one.share for one in classes]
    found = []
    for number, at_s in enumerate(_times(arrivals, seconds, times)):
        (slo,) = choices.choices(range(len(classes)), weights)
        found.append(VirtualQuery(number, at_s, at_s + classes[slo].slo_s, slo))
    return found


def _times(arrivals: Arrivals, seconds: float, chance: random.Random) -> Iterator[float]:
    rate = arrivals.rate
    if arrivals.process == "poisson":
        return _renewals(lambda: chance.expovariate(rate), seconds)
    if arrivals.process == "bursty":
        shape = 1.0 / BURSTY_CV**2
        return _renewals(lambda: chance.gammavariate(shape, 1.0 / (shape * rate)), seconds)
    if arrivals.process == "diurnal":
        return _thinned(lambda at_s: rate * _swing(at_s), rate * (1.0 + DIURNAL_SWING), seconds, chance)
    return _thinned(lambda at_s: rate * _step(at_s / seconds), rate * STEP_FACTOR, seconds, chance)


def _renewals(interval_s: Callable[[], float], seconds: float) -> Iterator[float]:
    at_s = interval_s()
    while at_s < seconds:
        yield at_s
        at_s += interval_s()


def _thinned(rate: Callable[[float], float], peak: float, seconds: float, chance: random.Random) -> Iterator[float]:
    """A Poisson process of a rate that changes with time, by thinning one of the highest rate (Lewis, Shedler 1979)."""
    for at_s in _renewals(lambda: chance.expovariate(peak), seconds):
        if chance.random() * peak < rate(at_s):
            yield at_s


def _swing(at_s: float) -> float:
    return 1.0 + DIURNAL_SWING * math.sin(2.0 * math.pi * at_s / DIURNAL_PERIOD_S)


def _step(progress: float) -> float:
    return STEP_FACTOR if STEP_AT <= progress < STEP_UNTIL else 1.0
