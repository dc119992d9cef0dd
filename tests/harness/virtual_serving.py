"""Schedulers and replicas in virtual time: what dispatchers and containers do, without sockets and without waiting."""

import heapq
import itertools
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from harness.queries import FakeOwner, FakeSink
from skysail_frontend.batch import Batch
from skysail_frontend.query import DefaultReason, Query
from skysail_frontend.scheduler import Scheduler, SchedulerLimits

__all__ = ["POISON", "Arrival", "Outcome", "VirtualServing", "linear_model", "mixed", "poisson"]

Arrival = tuple[float, float]
"""Seconds since the start, latency objective in seconds."""
Model = Callable[[int, float], float]
"""Rows and time to seconds of computing."""

TIMER_LATE_S = 0.001
"""As late as the dispatcher's timer may be when nothing else happens."""
POISON = b"poison"
"""A payload that ends every container that computes it."""


@dataclass
class Outcome:
    """What became of the queries."""

    n_predicted: int = 0
    n_defaults: int = 0
    latest_default_s: float = 0.0
    batch_rows: list[int] = field(default_factory=list)
    predicted_at_s: list[float] = field(default_factory=list)
    reasons: Counter[str] = field(default_factory=Counter)
    defaults_at_s: list[tuple[float, str]] = field(default_factory=list)
    of_class: dict[float, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    sent_to: list[tuple[float, int]] = field(default_factory=list)

    @property
    def share(self) -> float:
        """Predictions given in time, of all queries."""
        return self.n_predicted / max(1, self.n_predicted + self.n_defaults)

    def rate(self, start_s: float, end_s: float) -> float:
        """Predictions per second within a span."""
        return sum(start_s <= at_s < end_s for at_s in self.predicted_at_s) / (end_s - start_s)

    def attainment(self, slo_s: float) -> float:
        """Predictions given in time, of the queries with this objective."""
        seen = self.of_class[slo_s]
        return seen["predicted"] / max(1, seen.total())

    def n_sent(self, replica: int, start_s: float, end_s: float) -> int:
        """Batches sent to a replica within a span."""
        return sum(start_s <= at_s < end_s and key == replica for at_s, key in self.sent_to)


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


def mixed(rate: float, seconds: float, slos_s: tuple[float, ...], seed: int = 1) -> Iterable[Arrival]:
    """Arrivals at `rate` per second, each with one of several objectives, all equally likely."""
    random_ = random.Random(seed)
    for at_s, _ in poisson(rate, seconds, 0.0, seed=seed):
        yield at_s, random_.choice(slos_s)


@dataclass
class _Work:
    frontend: "_Frontend"
    batch: Batch
    deadline_s: float
    taken_in_s: float


class _Container:
    """One replica: computes all frontends' batches by earliest deadline, one at a time, and refuses expired ones."""

    def __init__(self, serving: "VirtualServing", key: int) -> None:
        self.key = key
        self.is_up = True
        self.stopped_until_s = 0.0
        self.slowness: list[tuple[float, float, float]] = []
        self._serving = serving
        self._waiting: list[_Work] = []
        self._is_busy = False
        self._life = 0

    def take_in(self, work: _Work, now_s: float) -> None:
        self._waiting.append(work)
        self._run(now_s)

    def die(self, now_s: float) -> None:
        self.is_up = False
        self._life += 1
        self._waiting.clear()
        self._is_busy = False
        for frontend in self._serving.frontends:
            frontend.replica_down(self.key, now_s)

    def come_back(self, now_s: float) -> None:
        self.is_up = True
        for frontend in self._serving.frontends:
            frontend.replica_up(self.key, now_s)

    def _run(self, now_s: float) -> None:
        if self._is_busy or not self._waiting:
            return
        if now_s < self.stopped_until_s:
            self._is_busy = True
            self._later(self.stopped_until_s, self._go_on)
            return
        self._waiting.sort(key=lambda work: work.deadline_s)
        work = self._waiting.pop(0)
        if work.deadline_s <= now_s:
            self._serving.at(now_s + self._serving.wire_s, lambda at_s: work.frontend.expired(work.batch, at_s))
            self._run(now_s)
            return
        self._is_busy = True
        if any(query.payload == POISON for query in work.batch.queries):
            self._later(now_s + 0.001, self._poisoned)
            return
        factor = max([f for start_s, end_s, f in self.slowness if start_s <= now_s < end_s], default=1.0)
        computed_s = factor * self._serving.model(work.batch.n_rows, now_s)
        self._later(now_s + computed_s, lambda at_s: self._done(work, now_s, computed_s, at_s))

    def _done(self, work: _Work, started_s: float, computed_s: float, now_s: float) -> None:
        if now_s < self.stopped_until_s:  # it was stopped while it computed
            late_s = self.stopped_until_s - now_s
            self._later(self.stopped_until_s, lambda at_s: self._done(work, started_s, computed_s + late_s, at_s))
            return
        self._is_busy = False
        queued_s = started_s - work.taken_in_s
        back_s = now_s + self._serving.wire_s
        life = self._life
        self._serving.at(
            back_s,
            lambda at_s: work.frontend.back(work.batch, queued_s, computed_s, at_s) if life == self._life else None,
        )
        self._run(now_s)

    def _go_on(self, now_s: float) -> None:
        self._is_busy = False
        self._run(now_s)

    def _poisoned(self, now_s: float) -> None:
        self._serving.n_deaths += 1
        self.die(now_s)
        self._serving.at(now_s + self._serving.restart_s, self.come_back)

    def _later(self, at_s: float, act: Callable[[float], None]) -> None:
        """Unless the container dies before."""
        life = self._life
        self._serving.at(at_s, lambda now_s: act(now_s) if life == self._life else None)


class _Frontend:
    """What `Dispatcher` does."""

    def __init__(self, serving: "VirtualServing", scheduler: Scheduler) -> None:
        self.scheduler = scheduler
        self._serving = serving
        self._armed_s = float("inf")

    def arrive(self, query: Query, now_s: float) -> None:
        reason = self.scheduler.submit(query, now_s)
        if reason is None:
            self.pump(now_s)
        else:
            self.default(query, reason, now_s)

    def pump(self, now_s: float) -> None:
        while (batch := self.scheduler.next_batch(now_s)) is not None:
            self._serving.send(self, batch, now_s)
        wake_s = self.scheduler.wake_at_s()
        if wake_s is not None and wake_s < self._armed_s:
            self._armed_s = wake_s
            self._serving.at(max(now_s, wake_s) + TIMER_LATE_S, self._wake)

    def back(self, batch: Batch, queued_s: float, computed_s: float, now_s: float) -> None:
        self.scheduler.finished(batch, queued_s, computed_s, now_s)
        batch.separate()
        for query in batch.queries:
            if not query.is_done:
                self._serving.outcome.n_predicted += 1
                self._serving.outcome.predicted_at_s.append(now_s)
                self._serving.note(query, "predicted")
                query.predict(b"1", now_s)
        self.pump(now_s)

    def expired(self, batch: Batch, now_s: float) -> None:
        self.scheduler.returned(batch, now_s)
        for query in batch.open_queries():
            self.default(query, DefaultReason.DEADLINE, now_s)
        self.pump(now_s)

    def replica_down(self, replica: int, now_s: float) -> None:
        for batch in self.scheduler.remove_replica(replica, now_s):
            for query in self.scheduler.lost(batch, now_s):
                self.default(query, DefaultReason.CONTAINER_LOST, now_s)
        self.pump(now_s)

    def replica_up(self, replica: int, now_s: float) -> None:
        self.scheduler.add_replica(replica)
        self.pump(now_s)

    def default(self, query: Query, reason: str, now_s: float) -> None:
        outcome = self._serving.outcome
        outcome.n_defaults += 1
        outcome.reasons[reason] += 1
        outcome.defaults_at_s.append((now_s, reason))
        outcome.latest_default_s = max(outcome.latest_default_s, now_s - query.deadline_s)
        self._serving.note(query, "default")
        query.default(reason, now_s)

    def _wake(self, now_s: float) -> None:
        self._armed_s = float("inf")
        for query in self.scheduler.take_due(now_s):
            self.default(query, DefaultReason.DEADLINE, now_s)
        self.pump(now_s)


class VirtualServing:
    """Frontends and containers that share a clock. Frames take `wire_s` each way.

    `stop`, `slow`, `kill` and `poison` are called before `run`.
    """

    def __init__(
        self,
        model: Model,
        n_replicas: int = 1,
        wire_s: float = 0.0002,
        max_batch_rows: int = 1024,
        n_frontends: int = 1,
        policy: str = "deadline",
    ) -> None:
        self.model = model
        self.wire_s = wire_s
        self.restart_s = 1.0
        self.n_deaths = 0
        self.outcome = Outcome()
        self.frontends = [
            _Frontend(self, Scheduler(SchedulerLimits(20_000, 1 << 28, max_batch_rows, 1 << 28), seed))
            for seed in range(n_frontends)
        ]
        self.containers = [_Container(self, key) for key in range(n_replicas)]
        self._events: list[tuple[float, int, Callable[[float], None]]] = []
        self._order = itertools.count()
        self._ids = itertools.count()
        self._slo_s: dict[int, float] = {}
        for frontend in self.frontends:
            frontend.scheduler.set_policy(policy, max_batch_rows)
            for container in self.containers:
                frontend.scheduler.add_replica(container.key)

    @property
    def scheduler(self) -> Scheduler:
        """The first frontend's."""
        return self.frontends[0].scheduler

    def stop(self, replica: int, at_s: float, seconds: float) -> None:
        """SIGSTOP, and SIGCONT after `seconds`."""

        def begin(_: float) -> None:
            self.containers[replica].stopped_until_s = at_s + seconds

        self.at(at_s, begin)

    def slow(self, replica: int, factor: float, at_s: float, seconds: float) -> None:
        """Computes so much slower for a while."""
        self.containers[replica].slowness.append((at_s, at_s + seconds, factor))

    def kill(self, replica: int, at_s: float, back_after_s: float) -> None:
        """SIGKILL, and another process in its place `back_after_s` later."""
        self.at(at_s, self.containers[replica].die)
        self.at(at_s + back_after_s, self.containers[replica].come_back)

    def poison(self, at_s: float, slo_s: float) -> None:
        """A query that ends the container that computes it."""
        self.at(at_s, lambda now_s: self._arrive(now_s, slo_s, POISON))

    def run(self, arrivals: Iterable[Arrival]) -> Outcome:
        """Until every query is answered and every event is over."""
        for at_s, slo_s in sorted(arrivals):
            self.at(at_s, lambda now_s, slo_s=slo_s: self._arrive(now_s, slo_s, b""))  # type: ignore[misc]  # bound now
        while self._events:
            now_s, _, act = heapq.heappop(self._events)
            act(now_s)
        for frontend in self.frontends:
            assert frontend.scheduler.queue.n_rows == 0
            assert frontend.scheduler.n_in_flight == 0
        assert self.outcome.n_predicted + self.outcome.n_defaults == len(self._slo_s)
        return self.outcome

    def at(self, at_s: float, act: Callable[[float], None]) -> None:
        heapq.heappush(self._events, (at_s, next(self._order), act))

    def send(self, frontend: _Frontend, batch: Batch, now_s: float) -> None:
        self.outcome.batch_rows.append(len(batch.queries))
        self.outcome.sent_to.append((now_s, batch.replica))
        container = self.containers[batch.replica]
        deadline_s = batch.latest_deadline_s
        life = container._life
        work = _Work(frontend, batch, deadline_s, now_s + self.wire_s)
        self.at(now_s + self.wire_s, lambda at_s: container.take_in(work, at_s) if life == container._life else None)

    def note(self, query: Query, what: str) -> None:
        self.outcome.of_class[self._slo_s[query.query_id]][what] += 1

    def _arrive(self, now_s: float, slo_s: float, payload: bytes) -> None:
        query = Query(payload, 1, now_s, now_s + slo_s, next(self._ids), FakeOwner(), FakeSink())
        self._slo_s[query.query_id] = slo_s
        self.frontends[query.query_id % len(self.frontends)].arrive(query, now_s)
