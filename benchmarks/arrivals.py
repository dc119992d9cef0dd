"""When the requests of an open loop are due: seeded schedules, made before the clock starts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["Arrivals", "Kind", "Times"]

Times = NDArray[np.float64]
Kind = Literal["constant", "poisson", "bursty"]

BURSTY_CV = 3.0
"""Coefficient of variation of the gaps of `bursty`; Poisson has 1. Gamma-distributed gaps as in InferLine (SoCC'20)."""


@dataclass(frozen=True, slots=True)
class Arrivals:
    """Requests at `rate_per_s`, or at each of `steps` (seconds, requests per second) in turn.

    The same fields give the same times. With `steps` the first two fields of a step go before `rate_per_s`.
    """

    kind: Kind = "poisson"
    rate_per_s: float = 0.0
    seed: int = 1
    steps: tuple[tuple[float, float], ...] = ()

    def times_s(self, duration_s: float) -> Times:
        """Seconds from the start at which requests are due, ascending, all below `duration_s`.

        :raises ValueError: a rate or a length is not positive.
        """
        random = np.random.default_rng(self.seed)
        pieces: list[Times] = []
        begins_s = 0.0
        for length_s, rate_per_s in self.steps or ((duration_s, self.rate_per_s),):
            if length_s <= 0 or rate_per_s <= 0:
                raise ValueError(f"{rate_per_s:g} requests/s for {length_s:g} s; more than 0 was expected of both")
            pieces.append(begins_s + _times_s(_gaps(self.kind, rate_per_s, random), length_s, rate_per_s))
            begins_s += length_s
        times_s = np.concatenate(pieces)
        return times_s[times_s < duration_s]


def _gaps(kind: Kind, rate_per_s: float, random: np.random.Generator) -> Callable[[int], Times]:
    """Draws so many gaps between requests, in seconds."""
    if kind == "constant":
        return lambda n: np.full(n, 1.0 / rate_per_s)
    if kind == "poisson":
        return lambda n: random.exponential(1.0 / rate_per_s, n)
    return lambda n: random.gamma(BURSTY_CV**-2, BURSTY_CV**2 / rate_per_s, n)


def _times_s(gaps: Callable[[int], Times], length_s: float, rate_per_s: float) -> Times:
    n_at_once = int(length_s * rate_per_s) + 100
    times_s = np.cumsum(gaps(n_at_once))
    while times_s[-1] < length_s:
        times_s = np.concatenate([times_s, times_s[-1] + np.cumsum(gaps(n_at_once))])
    return times_s[times_s < length_s]
