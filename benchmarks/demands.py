"""What is compared, and what is demanded of it: pure arithmetic on the rounds of one run.

A figure is a ratio or a difference of two contestants in the same round, and the median of the rounds counts:
absolute speeds differ between machines and between minutes, ratios hardly do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median

from benchmarks.closed_loop import Summary

__all__ = ["CASES", "DEMANDS", "ECHO", "FASTAPI", "SKYSAIL", "Case", "Demand", "Round", "Verdict", "judge"]

ECHO = "echo"
FASTAPI = "fastapi"
SKYSAIL = "skysail"


@dataclass(frozen=True, slots=True)
class Case:
    """One kind of load, and who is put under it."""

    name: str
    title: str
    connections: int
    n_doubles: int
    n_queries: int
    """Size of the pool of bodies; the load numbers them, so that queries differ although bodies come round again."""
    contestants: tuple[str, ...]


CASES = (
    Case("64x10", "64 connections, 10 doubles per query", 64, 10, 5000, (ECHO, FASTAPI, SKYSAIL)),
    Case("64x784", "64 connections, 784 doubles per query", 64, 784, 1000, (ECHO, SKYSAIL)),
    Case("1x10", "1 connection, 10 doubles per query", 1, 10, 5000, (ECHO, SKYSAIL)),
)


@dataclass(frozen=True, slots=True)
class Round:
    """One contestant under one load for some seconds."""

    case: str
    number: int
    contestant: str
    seen: Summary
    server_cpu_s: dict[str, float] = field(default_factory=dict)
    """CPU seconds of each of the contestant's processes."""
    foreign_cpu_share: float = 0.0
    """Share of the machine's CPU taken meanwhile by processes that are neither the contestant nor the load."""

    @property
    def predictions_per_s(self) -> float:
        """Answers per second without the default outputs: those are not predictions."""
        return (self.seen.requests - self.seen.defaults) / self.seen.duration_s

    def cpu_us_per_query(self, process: str) -> float:
        return 1e6 * self.server_cpu_s.get(process, 0.0) / max(1, self.seen.requests)


@dataclass(frozen=True, slots=True)
class Demand:
    """`figure(skysail, baseline)` of one round must be at least (or at most, or below) `limit`."""

    text: str
    case: str
    baseline: str
    figure: Callable[[Round, Round], float]
    relation: str
    limit: float
    unit: str

    def holds(self, value: float) -> bool:
        if self.relation == ">=":
            return value >= self.limit
        return value <= self.limit if self.relation == "<=" else value < self.limit


def _speed(skysail: Round, baseline: Round) -> float:
    return skysail.predictions_per_s / max(1e-9, baseline.predictions_per_s)


def _p50(skysail: Round, baseline: Round) -> float:
    return skysail.seen.p50_ms / max(1e-9, baseline.seen.p50_ms)


def _p99(skysail: Round, baseline: Round) -> float:
    return skysail.seen.p99_ms / max(1e-9, baseline.seen.p99_ms)


def _p50_above(skysail: Round, baseline: Round) -> float:
    return skysail.seen.p50_ms - baseline.seen.p50_ms


DEMANDS = (
    Demand("predictions/s against the bare echo", "64x10", ECHO, _speed, ">=", 2.0, "x"),
    Demand("predictions/s against FastAPI inline", "64x10", FASTAPI, _speed, ">=", 8.0, "x"),
    Demand("p50 against the bare echo", "64x10", ECHO, _p50, "<", 1.0, "x"),
    Demand("p99 against the bare echo", "64x10", ECHO, _p99, "<", 1.0, "x"),
    Demand("predictions/s against the bare echo", "64x784", ECHO, _speed, ">=", 1.0, "x"),
    Demand("p50 above the bare echo", "1x10", ECHO, _p50_above, "<=", 0.25, "ms"),
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """A demand with the figures of every round; `value` is their median."""

    demand: Demand
    figures: tuple[float, ...]

    @property
    def value(self) -> float:
        return median(self.figures)

    @property
    def met(self) -> bool:
        return self.demand.holds(self.value)


def judge(rounds: Sequence[Round]) -> list[Verdict]:
    """A verdict on every demand that the rounds have figures for, pairing contestants by case and round number."""
    by_place = {(one.case, one.number, one.contestant): one for one in rounds}
    verdicts = []
    for demand in DEMANDS:
        pairs = [
            (skysail, by_place[case, number, demand.baseline])
            for (case, number, contestant), skysail in by_place.items()
            if case == demand.case and contestant == SKYSAIL and (case, number, demand.baseline) in by_place
        ]
        if pairs:
            verdicts.append(Verdict(demand, tuple(demand.figure(*pair) for pair in pairs)))
    return verdicts
