"""One run: queries arrive, a policy sends batches to replicas, time jumps from event to event."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.simulation.ledger import Answer, Ledger, VirtualQuery
from benchmarks.simulation.policy import Policy, Sent
from benchmarks.simulation.replicas import Replica

__all__ = ["WIRE_S", "Outcome", "simulate"]

WIRE_S = 0.0002
"""A frame takes this long each way."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one run's queries, and the batches that were computed as (when they began, rows)."""

    queries: Sequence[VirtualQuery]
    answers: Sequence[Answer]
    batches: Sequence[tuple[float, int]]

    @property
    def n_predictions(self) -> int:
        return sum(answer.is_prediction for answer in self.answers)

    @property
    def attainment(self) -> float:
        """The share of queries that got a real prediction in time."""
        return self.n_predictions / max(1, len(self.answers))

    def attainment_of(self, slo: int) -> float:
        """That share among the queries of one SLO class."""
        own = [a.is_prediction for q, a in zip(self.queries, self.answers, strict=True) if q.slo == slo]
        return sum(own) / max(1, len(own))


def simulate(
    queries: Sequence[VirtualQuery], replicas: Sequence[Replica], make_policy: Callable[[Ledger], Policy]
) -> Outcome:
    """Until every query is answered and every batch is back. Timers are exact: the millisecond that the dispatcher's
    may be late is left out.

    :raises LedgerError: the policy answered a query twice or not at all, or predicted after the deadline
    """
    return _Run(queries, replicas, make_policy).run()


@dataclass(slots=True, eq=False)
class _Work:
    """A batch at a replica."""

    sent: Sent
    came_s: float


class _Server:
    """A replica at work: one batch at a time, in the order in which they came, as a model container does it."""

    def __init__(self, run: _Run, number: int, replica: Replica) -> None:
        self.replica = replica
        self.held: list[Sent] = []
        self._run = run
        self._number = number
        self._waiting: list[_Work] = []
        self._running: _Work | None = None

    def take_in(self, sent: Sent, now_s: float) -> None:
        if sent in self.held:  # else it was lost on its way
            self._waiting.append(_Work(sent, now_s))
            self._begin(now_s)

    def call_off(self, sent: Sent, now_s: float) -> None:
        """Does nothing to a batch that runs already."""
        for work in self._waiting:
            if work.sent is sent:
                self._waiting.remove(work)
                self._reply(sent, now_s, lambda at_s: self._run.policy.refused(sent, at_s))
                return

    def up(self, now_s: float) -> None:
        self._run.policy.replica_up(self._number, now_s)

    def down(self, now_s: float) -> None:
        lost, self.held, self._waiting, self._running = self.held, [], [], None
        self._run.policy.replica_down(self._number, lost, now_s)

    def _begin(self, now_s: float) -> None:
        while self._running is None and self._waiting:
            work = self._waiting.pop(0)
            sent = work.sent
            if sent.expires_s is not None and now_s >= sent.expires_s:
                self._reply(sent, now_s, lambda at_s, sent=sent: self._run.policy.refused(sent, at_s))  # type: ignore[misc]  # bound now
                continue
            self._running = work
            self._run.batches.append((now_s, len(sent.queries)))
            ends_s = self.replica.end_s(len(sent.queries), now_s)
            self._run.at(ends_s, lambda at_s, work=work, from_s=now_s: self._end(work, from_s, at_s))  # type: ignore[misc]  # bound now

    def _end(self, work: _Work, began_s: float, now_s: float) -> None:
        if self._running is not work:  # it went with the replica
            return
        self._running = None
        times = (began_s - work.came_s, now_s - began_s)
        self._reply(work.sent, now_s, lambda at_s: self._run.computed(work.sent, *times, at_s))
        self._begin(now_s)

    def _reply(self, sent: Sent, now_s: float, hand_over: Callable[[float], None]) -> None:
        def arrive(at_s: float) -> None:
            if sent in self.held:  # else the connection broke in between
                self.held.remove(sent)
                hand_over(at_s)

        self._run.at(now_s + WIRE_S, arrive)


class _Run:
    def __init__(
        self, queries: Sequence[VirtualQuery], replicas: Sequence[Replica], make_policy: Callable[[Ledger], Policy]
    ) -> None:
        self._ledger = Ledger(queries)
        self.policy = make_policy(self._ledger)
        self.batches: list[tuple[float, int]] = []
        self._servers = [_Server(self, number, replica) for number, replica in enumerate(replicas)]
        self._events: list[tuple[float, int, Callable[[float], None]]] = []
        self._order = itertools.count()
        self._armed_s = float("inf")

    def run(self) -> Outcome:
        for server in self._servers:
            server.up(0.0)
            for death in server.replica.deaths:
                self.at(death.at_s, server.down)
                self.at(death.back_s, server.up)
        for query in self._ledger.queries:
            self._play(query.arrival_s)
            self.policy.arrive(query, query.arrival_s)
            self._pump(query.arrival_s)
        self._play(float("inf"))
        return Outcome(self._ledger.queries, self._ledger.close(), self.batches)

    def at(self, at_s: float, act: Callable[[float], None]) -> None:
        heapq.heappush(self._events, (at_s, next(self._order), act))

    def computed(self, sent: Sent, queued_s: float, computed_s: float, now_s: float) -> None:
        needless = self.policy.computed(sent, queued_s, computed_s, now_s)
        if needless is not None:
            server = self._servers[needless.replica]
            self.at(now_s + WIRE_S, lambda at_s: server.call_off(needless, at_s))

    def _play(self, until_s: float) -> None:
        """Everything that happens up to that moment."""
        while self._events and self._events[0][0] <= until_s:
            now_s, _, act = heapq.heappop(self._events)
            act(now_s)
            self._pump(now_s)

    def _pump(self, now_s: float) -> None:
        while (sent := self.policy.next_batch(now_s)) is not None:
            self._send(sent, now_s)
        wake_s = self.policy.wake_at_s()
        if wake_s is not None and wake_s < self._armed_s:
            self._armed_s = max(now_s, wake_s)
            self.at(self._armed_s, self._wake)

    def _wake(self, now_s: float) -> None:
        self._armed_s = float("inf")
        self.policy.wake(now_s)

    def _send(self, sent: Sent, now_s: float) -> None:
        server = self._servers[sent.replica]
        server.held.append(sent)
        self.at(now_s + WIRE_S, lambda at_s: server.take_in(sent, at_s))
