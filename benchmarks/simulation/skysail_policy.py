"""The project's own scheduler, driven as `dispatcher.py` drives it. The only module here that knows its interface."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.simulation.ledger import Ledger, VirtualQuery
from benchmarks.simulation.policy import Sent
from skysail_frontend.batch import Batch
from skysail_frontend.query import DefaultReason, Query
from skysail_frontend.scheduler import Scheduler, SchedulerLimits

__all__ = ["SkysailPolicy"]

LIMITS = SchedulerLimits(max_queue_rows=20_000, max_queue_bytes=1 << 28, max_batch_rows=1024, max_batch_bytes=1 << 28)
N_BYTES = 80
"""Of a query's payload; ten doubles."""


class _Client:
    """Owner and sink of one query: writes its answer into the ledger."""

    __slots__ = ("ledger", "name", "query")

    def __init__(self, ledger: Ledger, query: VirtualQuery) -> None:
        self.name = "simulated"
        self.ledger = ledger
        self.query = query

    def observe_prediction(self, seconds: float) -> None:
        self.ledger.predict(self.query, self.query.arrival_s + seconds)

    def count_fallback(self) -> None:
        raise NotImplementedError("simulated applications have no fallback model")

    def default_answer(self, query_id: int, reason: str, seconds: float, explanation: str | None = None) -> bytes:
        self.ledger.default(self.query, self.query.arrival_s + seconds)
        return b""

    def refused(self, query: Query, reason: str, now_s: float) -> None:
        query.default(reason, now_s)

    def answered(self, position: int, answer: bytes) -> None:
        """The ledger knows already."""


class SkysailPolicy:
    """`Scheduler` and all it brings, as they are in this tree. It knows nothing in advance."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._scheduler = Scheduler(LIMITS)
        self._sent: dict[int, Sent] = {}

    def arrive(self, query: VirtualQuery, now_s: float) -> None:
        client = _Client(self._ledger, query)
        payload = query.number.to_bytes(8, "little")
        own = Query(payload, N_BYTES, query.arrival_s, query.deadline_s, query.number, client, client)
        no_replica = None if self._scheduler.n_replicas else DefaultReason.NO_REPLICA
        reason = no_replica or self._scheduler.submit(own, now_s)
        if reason is not None:
            own.default(reason, now_s)

    def next_batch(self, now_s: float) -> Sent | None:
        batch = self._scheduler.next_batch(now_s)
        if batch is None:
            return None
        queries = [client.query for query in batch.queries if isinstance(client := query.sink, _Client)]
        sent = self._sent[batch.batch_id] = Sent(batch.replica, queries, batch.latest_deadline_s, batch)
        return sent

    def computed(self, sent: Sent, queued_s: float, computed_s: float, now_s: float) -> Sent | None:
        batch: Batch = sent.own
        del self._sent[batch.batch_id]
        self._scheduler.finished(batch, queued_s, computed_s, now_s)
        twin = batch.separate()
        for query in batch.queries:
            query.predict(b"1", now_s)
        return None if twin is None else self._sent.get(twin.batch_id)

    def refused(self, sent: Sent, now_s: float) -> None:
        batch: Batch = sent.own
        del self._sent[batch.batch_id]
        self._scheduler.returned(batch, now_s)
        if now_s >= batch.latest_deadline_s:
            _default_all(batch.queries, DefaultReason.DEADLINE, now_s)
        else:
            self._refuse(self._scheduler.retry(batch, now_s), DefaultReason.OVERLOAD, now_s)

    def replica_up(self, replica: int, now_s: float) -> None:
        self._scheduler.add_replica(replica)

    def replica_down(self, replica: int, lost: Sequence[Sent], now_s: float) -> None:
        for batch in self._scheduler.remove_replica(replica, now_s):
            del self._sent[batch.batch_id]
            self._refuse(self._scheduler.lost(batch, now_s), DefaultReason.CONTAINER_LOST, now_s)
        if not self._scheduler.n_replicas:
            _default_all(self._scheduler.take_all(), DefaultReason.NO_REPLICA, now_s)

    def wake_at_s(self) -> float | None:
        return self._scheduler.wake_at_s()

    def wake(self, now_s: float) -> None:
        _default_all(self._scheduler.take_due(now_s), DefaultReason.DEADLINE, now_s)

    def _refuse(self, refused: Sequence[Query], reason: str, now_s: float) -> None:
        _default_all([query for query in refused if query.deadline_s <= now_s], DefaultReason.DEADLINE, now_s)
        _default_all(refused, reason, now_s)


def _default_all(queries: Sequence[Query], reason: str, now_s: float) -> None:
    for query in queries:
        query.default(reason, now_s)
