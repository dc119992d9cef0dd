"""The scheduler of one model version in one frontend worker: which queries go where, and when. Pure, clock-injected.

It is told what happened and what time it is, and returns what to do; `dispatcher.py` does it.
"""

import itertools
from dataclasses import dataclass

from skysail_frontend.batch import Batch
from skysail_frontend.batch_queue import BatchQueue
from skysail_frontend.batch_sizer import BatchSizer
from skysail_frontend.query import DefaultReason, Query

__all__ = ["MAX_ATTEMPTS", "Scheduler", "SchedulerLimits"]

MAX_ATTEMPTS = 2
"""How often a query may be sent: a row that kills its container may kill two at most."""
STAGE_LEAD_S = 0.002
"""A second batch is sent to a busy replica this long before the first is expected back: long enough for the timer's
millisecond and the frame's way, short enough that the batch is not cut before its company has arrived."""
OVERHEAD_STEP = 0.1
"""Weight of the newest batch in the moving average of what a batch spends outside the model. One batch is believed up
to twice the average and 2 ms, so that a single stall does not make every deadline look out of reach."""


@dataclass(frozen=True, slots=True)
class SchedulerLimits:
    """Bounds of one scheduler."""

    max_queue_rows: int
    max_queue_bytes: int
    max_batch_rows: int
    max_batch_bytes: int


class Scheduler:
    """Queue, latency model and replicas of one model version.

    Invariants: a replica never holds more than two batches, one running and one staged; a query is in the queue, in
    exactly one batch, or done; every query not done has its deadline at or after `wake_at_s()`, so that one timer
    armed there answers every one of them in time, whatever the replicas do.
    """

    def __init__(self, limits: SchedulerLimits) -> None:
        self.queue = BatchQueue(limits.max_queue_rows, limits.max_queue_bytes)
        self.sizer = BatchSizer(limits.max_batch_rows)
        self.overhead_s = 0.0
        self._max_batch_bytes = limits.max_batch_bytes
        self._draining: set[int] = set()
        self._in_flight: dict[int, list[Batch]] = {}
        self._batch_ids = itertools.count(1)

    @property
    def n_replicas(self) -> int:
        return len(self._in_flight)

    @property
    def n_in_flight(self) -> int:
        """Batches sent and not yet back."""
        return sum([len(batches) for batches in self._in_flight.values()])

    def add_replica(self, replica: int) -> None:
        self._draining.discard(replica)
        self._in_flight.setdefault(replica, [])

    def remove_replica(self, replica: int) -> list[Batch]:
        """Forgets a replica and returns the batches that were lost with it, for `retry`."""
        self._draining.discard(replica)
        return self._in_flight.pop(replica, [])

    def submit(self, query: Query, now_s: float) -> str | None:
        """None: the query is queued. Else the reason why it is refused."""
        return None if self.queue.push(query) else DefaultReason.OVERLOAD

    def cancel(self, query: Query) -> Batch | None:
        """The client is gone. Returns the batch to cancel when nobody waits for any row of it any more."""
        if query.is_done:
            return None
        query.is_done = True
        if query.batch is None:
            self.queue.forget(query)
            return None
        return query.batch if query.batch.is_abandoned() else None

    def next_batch(self, now_s: float) -> Batch | None:
        """The next batch to send now, or None. Call again until None."""
        if not self.queue.n_rows:
            return None
        free = self._free_replica(now_s)
        if free is None:
            return None
        replica, starts_s = free
        n_skipped, n_rows = self.sizer.choose(self.queue.waiting(), starts_s, self.overhead_s)
        queries = self.queue.take(n_skipped, n_rows, self._max_batch_bytes)
        batch = Batch(next(self._batch_ids), replica, queries, now_s, starts_s)
        self._in_flight[replica].append(batch)
        return batch

    def finished(self, batch: Batch, queued_s: float, computed_s: float, now_s: float) -> None:
        """A batch is back. Its outputs are the caller's to hand out."""
        self._remove(batch)
        for staged in self._in_flight.get(batch.replica, ()):
            staged.starts_s = now_s
        self.sizer.observe(len(batch.queries), computed_s)
        outside_s = max(0.0, now_s - batch.sent_s - queued_s - computed_s)
        believed_s = min(outside_s, 2.0 * self.overhead_s + 0.002)
        self.overhead_s += OVERHEAD_STEP * (believed_s - self.overhead_s)

    def returned(self, batch: Batch) -> None:
        """A replica refused a batch without running it."""
        self._remove(batch)

    def drains(self, batch: Batch) -> None:
        """A replica that drains refused a batch: it gets no more, and the attempt does not count."""
        self._remove(batch)
        self._draining.add(batch.replica)
        for query in batch.queries:
            query.n_attempts -= 1

    def split(self, batch: Batch) -> bool:
        """A batch does not fit into a frame and was not sent. True: its queries are queued again, and batches have
        half its bytes from now on. False: it is a single row, the caller's to answer."""
        self._remove(batch)
        if len(batch.queries) == 1:
            return False
        self._max_batch_bytes = max(1, sum([query.n_bytes for query in batch.queries]) // 2)
        for query in batch.queries:
            query.batch = None
            query.n_attempts -= 1
            self.queue.push(query)  # finds the room it has just left
        return True

    def retry(self, batch: Batch, now_s: float) -> list[Query]:
        """Queues a lost batch's queries again; returns those that may not or cannot be tried once more."""
        refused = []
        for query in batch.queries:
            if query.is_done:
                continue
            query.batch = None
            may_retry = self._in_flight and query.n_attempts < MAX_ATTEMPTS and query.deadline_s > now_s
            if not (may_retry and self.queue.push(query)):
                refused.append(query)
        return refused

    def take_due(self, now_s: float) -> list[Query]:
        """The queries whose deadline has come, wherever they are. The caller answers them."""
        due = self.queue.take_due(now_s)
        for batches in self._in_flight.values():
            for batch in batches:
                if batch.next_due_s <= now_s:
                    due += batch.take_due(now_s)
        return due

    def wake_at_s(self) -> float | None:
        """When `take_due` or `next_batch` has something to do at the latest; None when nothing waits."""
        wake_s = self.queue.head_deadline_s()
        times_s = [] if wake_s is None else [wake_s]
        for batches in self._in_flight.values():
            times_s += [batch.next_due_s for batch in batches]
            if wake_s is not None and len(batches) == 1 and batches[0].replica not in self._draining:
                times_s.append(self._stage_at_s(batches[0]))
        return min(times_s, default=None)

    def statistics(self) -> dict[str, float]:
        return {"n_rows": self.queue.n_rows, "n_bytes": self.queue.n_bytes, "n_in_flight": self.n_in_flight,
                "n_replicas": self.n_replicas, "overhead_s": self.overhead_s, **self.sizer.statistics()}  # fmt: skip

    def _stage_at_s(self, running: Batch) -> float:
        """When a batch may be sent after a running one: STAGE_LEAD_S before that is expected back."""
        return running.starts_s + self.sizer.latency_s(running.n_rows) + self.overhead_s - STAGE_LEAD_S

    def _free_replica(self, now_s: float) -> tuple[int, float] | None:
        """A replica that may be given a batch now, and when it will begin to compute it: an idle one, else the one
        whose running batch is expected back first, once it is about to be."""
        best, best_stage_s = None, now_s
        for replica, batches in self._in_flight.items():
            if replica in self._draining:
                continue
            if not batches:
                return replica, now_s
            if len(batches) == 1:
                stage_s = self._stage_at_s(batches[0])
                if stage_s <= best_stage_s:
                    best, best_stage_s = replica, stage_s
        return None if best is None else (best, max(now_s, best_stage_s + STAGE_LEAD_S))

    def _remove(self, batch: Batch) -> None:
        batches = self._in_flight.get(batch.replica)
        if batches is not None and batch in batches:
            batches.remove(batch)
