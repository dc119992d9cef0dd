"""Synthetic replicas: how long a batch computes when it begins at a given moment, faults included. Pure and seeded."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Death", "Pause", "Replica", "ServiceTime", "Slowness", "replicas"]

TICK_S = 0.001
"""The noise of a batch depends on the millisecond in which it begins, so that all policies meet the same replica."""


@dataclass(frozen=True, slots=True)
class Pause:
    """The replica stands still for ``seconds`` from ``at_s`` on, whatever it is doing (a stall)."""

    at_s: float
    seconds: float
    replica: int = 0


@dataclass(frozen=True, slots=True)
class Slowness:
    """Batches that begin within the span compute ``factor`` times as long."""

    start_s: float
    end_s: float
    factor: float
    replica: int = 0


@dataclass(frozen=True, slots=True)
class Death:
    """The replica is gone from ``at_s`` until ``back_s``; what it held is lost, and the frontend knows at once."""

    at_s: float
    back_s: float
    replica: int = 0


@dataclass(frozen=True, slots=True)
class ServiceTime:
    """``l(b) = alpha + beta * b``, times a normal factor around 1 (``noise``: its standard deviation).

    Rare stalls: pauses of ``stall_s`` at moments of a Poisson process, one in ``stall_every_s`` on average, 0: none.
    """

    alpha_s: float = 0.005
    beta_s: float = 0.0005
    noise: float = 0.08
    stall_s: float = 0.060
    stall_every_s: float = 5.0

    def mean_s(self, n_rows: int) -> float:
        return self.alpha_s + self.beta_s * n_rows

    def most_rows(self, seconds: float) -> int:
        """The largest batch whose mean time is within `seconds`, at least 1."""
        return max(1, int((seconds - self.alpha_s) / self.beta_s + 1e-9))


class Replica:
    """One replica. Its times are a function of when a batch begins and how many rows it has, of nothing else: every
    policy meets the same noise and the same stalls, and an oracle can look them up."""

    def __init__(
        self,
        service: ServiceTime,
        pauses: Sequence[Pause],
        slowness: Sequence[Slowness],
        deaths: Sequence[Death],
        noise: Sequence[float],
    ) -> None:
        self.service = service
        self.deaths = deaths
        self._pauses = sorted(pauses, key=lambda pause: pause.at_s)
        self._slowness = slowness
        self._noise = noise

    def end_s(self, n_rows: int, start_s: float) -> float:
        """When a batch is computed that begins at `start_s`."""
        seconds = self.service.mean_s(n_rows) * self._noise[int(start_s / TICK_S) % len(self._noise)]
        for slow in self._slowness:
            if slow.start_s <= start_s < slow.end_s:
                seconds *= slow.factor
        end_s = start_s + seconds
        for pause in self._pauses:
            if pause.at_s >= end_s:
                break
            if start_s < pause.at_s + pause.seconds:
                end_s += pause.seconds - max(0.0, start_s - pause.at_s)
        return end_s

    def dies_s(self, from_s: float) -> float:
        """When it dies next; infinity when it does not; `from_s` when it is dead then."""
        times_s = [max(from_s, death.at_s) for death in self.deaths if from_s < death.back_s]
        return min(times_s, default=float("inf"))

    def back_s(self, from_s: float) -> float:
        """When it is there: `from_s`, or the end of its death."""
        return max([from_s, *(death.back_s for death in self.deaths if death.at_s <= from_s)])


def replicas(
    service: ServiceTime, n_replicas: int, faults: Sequence[Pause | Slowness | Death], seconds: float, seed: int
) -> list[Replica]:
    """`n_replicas` with their noise and stalls drawn for a run of `seconds`, and the faults that name them."""
    return [_replica(service, number, faults, seconds, seed) for number in range(n_replicas)]


def _replica(
    service: ServiceTime, number: int, faults: Sequence[Pause | Slowness | Death], seconds: float, seed: int
) -> Replica:
    chance = random.Random(f"replica {seed} {number}")
    noise = [max(0.5, chance.gauss(1.0, service.noise)) for _ in range(int(seconds / TICK_S) + 1)]
    own = [fault for fault in faults if fault.replica == number]
    pauses = [fault for fault in own if isinstance(fault, Pause)]
    if service.stall_every_s > 0.0:
        at_s = chance.expovariate(1.0 / service.stall_every_s)
        while at_s < seconds:
            pauses.append(Pause(at_s, service.stall_s))
            at_s += service.stall_s + chance.expovariate(1.0 / service.stall_every_s)
    slowness = [fault for fault in own if isinstance(fault, Slowness)]
    deaths = [fault for fault in own if isinstance(fault, Death)]
    return Replica(service, pauses, slowness, deaths, noise)
