"""A scheduler and its replicas in virtual time: what a dispatcher does, without sockets and without waiting."""

import heapq
import itertools
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from harness.queries import FakeOwner, FakeSink
from skysail_frontend.batch import Batch
from skysail_frontend.query import DefaultReason, Query
from skysail_frontend.scheduler import Scheduler, SchedulerLimits

__all__ = ["Arrival", "Outcome", "VirtualServing", "linear_model", "poisson"]

Arrival = tuple[float, float]
"""Seconds since the start, latency objective in seconds."""
Model = Callable[[int, float], float]
"""Rows and time to seconds of computing."""

TIMER_LATE_S = 0.001
"""As late as the dispatcher's timer may be when nothing else happens."""


@dataclass
class Outcome:
    """What became of the queries."""

    n_predicted: int = 0
    n_defaults: int = 0
    latest_default_s: float = 0.0
    batch_rows: list[int] = field(default_factory=list)
    predicted_at_s: list[float] = field(default_factory=list)

    @property
    def share(self) -> float:
        """Predictions given in time, of all queries."""
        return self.n_predicted / max(1, self.n_predicted + self.n_defaults)

    def rate(self, start_s: float, end_s: float) -> float:
        """Predictions per second within a span."""
        return sum(start_s <= at_s < end_s for at_s in self.predicted_at_s) / (end_s - start_s)


def linear_model(fixed_s: float, per_row_s: float, noise: float = 0.0, seed: int = 1) -> Model:
    """fixed + per_row * rows, times a normal factor around 1."""
    random_ = random.Random(seed)
    return lambda n_rows, now_s: (fixed_s + per_row_s * n_rows) * max(0.5, random_.gauss(1.0, noise))


def poisson(rate: float, seconds: float, slo_s: float, start_s: float = 0.0, seed: int = 1) -> Iterable[Arrival]:
    """Arrivals at `rate` per second from `start_s` on, all with one objective."""
    random_ = random.Random(seed)
    now_s = start_s
    while (now_s := now_s + random_.expovariate(rate)) < start_s + seconds:
        yield now_s, slo_s


class VirtualServing:
    """Replicas compute one batch after the other; `n_replicas` of them. Frames take `wire_s` each way."""

    def __init__(self, model: Model, n_replicas: int = 1, wire_s: float = 0.0002, max_batch_rows: int = 1024) -> None:
        self.scheduler = Scheduler(SchedulerLimits(20_000, 1 << 28, max_batch_rows, 1 << 28))
        self.outcome = Outcome()
        self._model = model
        self._wire_s = wire_s
        self._free_at_s = dict.fromkeys(range(n_replicas), 0.0)
        self._events: list[tuple[float, int, Callable[[float], None]]] = []
        self._order = itertools.count()
        self._ids = itertools.count()
        self._armed_s = float("inf")
        for replica in self._free_at_s:
            self.scheduler.add_replica(replica)

    def run(self, arrivals: Iterable[Arrival]) -> Outcome:
        """Until every query is answered."""
        for at_s, slo_s in sorted(arrivals):
            self._at(at_s, lambda now_s, slo_s=slo_s: self._arrive(now_s, slo_s))  # type: ignore[misc]  # bound now
        while self._events:
            now_s, _, act = heapq.heappop(self._events)
            act(now_s)
        assert self.scheduler.queue.n_rows == 0
        assert self.scheduler.n_in_flight == 0
        return self.outcome

    def _at(self, at_s: float, act: Callable[[float], None]) -> None:
        heapq.heappush(self._events, (at_s, next(self._order), act))

    def _arrive(self, now_s: float, slo_s: float) -> None:
        query = Query(b"", 1, now_s, now_s + slo_s, next(self._ids), FakeOwner(), FakeSink())
        reason = self.scheduler.submit(query, now_s)
        if reason is None:
            self._pump(now_s)
        else:
            self._default(query, reason, now_s)

    def _pump(self, now_s: float) -> None:
        while (batch := self.scheduler.next_batch(now_s)) is not None:
            self._send(batch, now_s)
        wake_s = self.scheduler.wake_at_s()
        if wake_s is not None and wake_s < self._armed_s:
            self._armed_s = wake_s
            self._at(max(now_s, wake_s) + TIMER_LATE_S, self._wake)

    def _send(self, batch: Batch, now_s: float) -> None:
        self.outcome.batch_rows.append(len(batch.queries))
        starts_s = max(now_s + self._wire_s, self._free_at_s[batch.replica])
        computed_s = self._model(len(batch.queries), starts_s)
        self._free_at_s[batch.replica] = starts_s + computed_s
        queued_s = starts_s - now_s - self._wire_s
        self._at(starts_s + computed_s + self._wire_s, lambda at_s: self._back(batch, queued_s, computed_s, at_s))

    def _back(self, batch: Batch, queued_s: float, computed_s: float, now_s: float) -> None:
        self.scheduler.finished(batch, queued_s, computed_s, now_s)
        for query in batch.queries:
            if not query.is_done:
                self.outcome.n_predicted += 1
                self.outcome.predicted_at_s.append(now_s)
                query.predict(b"1", now_s)
        self._pump(now_s)

    def _wake(self, now_s: float) -> None:
        self._armed_s = float("inf")
        for query in self.scheduler.take_due(now_s):
            self._default(query, DefaultReason.DEADLINE, now_s)
        self._pump(now_s)

    def _default(self, query: Query, reason: str, now_s: float) -> None:
        self.outcome.n_defaults += 1
        self.outcome.latest_default_s = max(self.outcome.latest_default_s, now_s - query.deadline_s)
        query.default(reason, now_s)
