"""What others do: AIMD as in Clipper, AIMD that drops what has expired, and early drop as in Nexus."""

from __future__ import annotations

from bisect import insort
from collections.abc import Sequence
from operator import attrgetter

from benchmarks.simulation.ledger import Ledger, VirtualQuery
from benchmarks.simulation.policy import Sent
from benchmarks.simulation.replicas import ServiceTime

__all__ = ["Aimd", "AimdDropExpired", "EarlyDrop"]

AIMD_STEP = 2.0
"""Rows that AIMD adds to a size that was met. Clipper, section 4.3.1, says 'a fixed amount' and no more; with 1 it does
worse, since the rows that wait for it to grow are not made up for at high load."""
AIMD_BACKOFF = 0.9
"""Clipper, section 4.3.1: 'reducing the batch size by 10 %'."""

_deadline = attrgetter("deadline_s")


class _Puller:
    """One queue, earliest deadline first; a replica that is back takes the next batch from it, one at a time.

    A query whose deadline is over has got its default output at that moment, whether it is computed later or not.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._waiting: list[VirtualQuery] = []
        self._idle: list[int] = []

    def arrive(self, query: VirtualQuery, now_s: float) -> None:
        insort(self._waiting, query, key=_deadline)

    def next_batch(self, now_s: float) -> Sent | None:
        if not self._idle:
            return None
        self._drop(now_s)
        if not self._waiting:
            return None
        replica = self._idle.pop(0)
        size = self.size(replica)
        taken, self._waiting = self._waiting[:size], self._waiting[size:]
        return Sent(replica, taken)

    def computed(self, sent: Sent, queued_s: float, computed_s: float, now_s: float) -> Sent | None:
        self._learn(sent, computed_s)
        self._idle.append(sent.replica)
        for query in sent.queries:
            if now_s <= query.deadline_s:
                self._ledger.predict(query, now_s)
            else:
                self._ledger.default(query, query.deadline_s)
        return None

    def refused(self, sent: Sent, now_s: float) -> None:
        raise NotImplementedError("these batches neither expire nor are called off")

    def replica_up(self, replica: int, now_s: float) -> None:
        self._idle.append(replica)

    def replica_down(self, replica: int, lost: Sequence[Sent], now_s: float) -> None:
        self._idle = [other for other in self._idle if other != replica]
        for sent in lost:
            for query in sent.queries:
                self.arrive(query, now_s)

    def wake_at_s(self) -> float | None:
        return None

    def wake(self, now_s: float) -> None:
        pass

    def size(self, replica: int) -> int:
        """How many rows its next batch may have."""
        raise NotImplementedError

    def _learn(self, sent: Sent, computed_s: float) -> None:
        """A batch was computed."""

    def _drop(self, now_s: float) -> None:
        """Answers with the default output what shall not be computed."""

    def _default_first(self, n_queries: int, now_s: float) -> None:
        for query in self._waiting[:n_queries]:
            self._ledger.default(query, min(now_s, query.deadline_s))
        del self._waiting[:n_queries]


class Aimd(_Puller):
    """Clipper (Crankshaw et al., NSDI'17, section 4.3.1): a batch that had all the rows it might have and took no
    longer than the objective lets the replica's size grow by a fixed amount, one that took longer shrinks it by 10 %.
    Nothing is dropped. The objective is the strictest SLO that the model serves."""

    def __init__(self, ledger: Ledger, objective_s: float) -> None:
        super().__init__(ledger)
        self._objective_s = objective_s
        self._sizes: dict[int, float] = {}

    def size(self, replica: int) -> int:
        return int(self._sizes.get(replica, 1.0))

    def _learn(self, sent: Sent, computed_s: float) -> None:
        size = self._sizes.get(sent.replica, 1.0)
        if computed_s > self._objective_s:
            self._sizes[sent.replica] = max(1.0, size * AIMD_BACKOFF)
        elif len(sent.queries) >= int(size):
            self._sizes[sent.replica] = size + AIMD_STEP


class AimdDropExpired(Aimd):
    """AIMD that does not compute what has got its default output already."""

    def _drop(self, now_s: float) -> None:
        n_expired = 0
        while n_expired < len(self._waiting) and self._waiting[n_expired].deadline_s <= now_s:
            n_expired += 1
        self._default_first(n_expired, now_s)


class EarlyDrop(_Puller):
    """Nexus (Shen et al., SOSP'19, section 6.3): a window of a size fixed in advance slides over the queue and stops at
    the first query that is met with the batch it would lead; what is before it is dropped.

    The service time is known from a profile (means, without noise, stalls and faults). Without `n_rows` the size is the
    largest whose batch takes half the strictest SLO, since a query may just miss a batch and wait for the next.
    """

    def __init__(self, ledger: Ledger, profile: ServiceTime, objective_s: float, n_rows: int | None = None) -> None:
        super().__init__(ledger)
        self._profile = profile
        self._n_rows = profile.most_rows(objective_s / 2.0) if n_rows is None else n_rows

    def size(self, replica: int) -> int:
        return self._n_rows

    def _drop(self, now_s: float) -> None:
        n_waiting = len(self._waiting)
        n_late = 0
        while n_late < n_waiting:
            led = min(self._n_rows, n_waiting - n_late)
            if now_s + self._profile.mean_s(led) <= self._waiting[n_late].deadline_s:
                break
            n_late += 1
        self._default_first(n_late, now_s)
