"""Does what the scheduler of one model version decides: sends batches, hands out outputs, keeps its one timer."""

import asyncio
import logging
import math
import os
import time
from collections.abc import Callable, Mapping
from typing import Any

from skysail_container.wire import REFUSED_ROW, FrameTooLargeError, Refused, Result
from skysail_frontend.batch import Batch
from skysail_frontend.input_type import InputType
from skysail_frontend.metrics import ModelMetrics
from skysail_frontend.output import json_fragments
from skysail_frontend.prediction_recorder import PredictionRecorder
from skysail_frontend.query import DefaultReason, Query
from skysail_frontend.replica_connection import ReplicaConnection
from skysail_frontend.replica_link import LinkEvents, ReplicaLink
from skysail_frontend.scheduler import Scheduler, SchedulerLimits

__all__ = ["Dispatcher"]

logger = logging.getLogger(__name__)

N_LOGGED_ERRORS_PER_S = 5
"""Model errors are logged at most this often, with what was left out counted in the metrics."""


class Dispatcher(LinkEvents):
    """The sockets and the timer of one model version in one worker.

    Invariants: the timer fires within two milliseconds of ``scheduler.wake_at_s()`` and at most a few times before;
    queries that arrive in one turn of the loop leave in one batch, because batches are cut at the turn's end; a query
    waits for a replica only while one is connected or being dialled for the first time.

    :param clock: monotonic seconds. Not the loop's: uvloop's stands still within a turn and counts whole milliseconds
    """

    def __init__(
        self,
        model: str,
        version: str,
        input_type: InputType,
        limits: SchedulerLimits,
        metrics: ModelMetrics,
        client_name: str,
        recorder: PredictionRecorder,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.model = model
        self.version = version
        self.input_type = input_type
        self.scheduler = Scheduler(limits, seed=os.getpid())  # workers must not draw the same replicas
        self.metrics = metrics
        self._client_name = client_name
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._links: dict[int, ReplicaLink] = {}
        self._connections: dict[int, ReplicaConnection] = {}
        self._dialled: set[int] = set()  # replicas never reached yet, the first attempt still open
        self._batches: dict[int, Batch] = {}
        self._is_pump_due = False
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at_s = float("inf")
        self._next_log_s = 0.0
        self._policy: tuple[str, int | None, float] = ("deadline", None, 0.0)
        self._recorder = recorder

    def submit(self, query: Query, now_s: float) -> str | None:
        """Queues a query; else returns the reason why it cannot be answered here, and the caller answers it."""
        if not self._connections and not self._dialled:
            return DefaultReason.NO_REPLICA
        reason = self.scheduler.submit(query, now_s)
        if reason is not None:
            self.metrics.count_refused_query(reason)
        else:
            query.dispatcher = self
            if not self._is_pump_due:
                self._is_pump_due = True
                self._loop.call_soon(self._pump)
        return reason

    def set_policy(self, name: str, max_batch_rows: int | None, batch_delay_s: float) -> None:
        """How batches are sized from now on; see `Scheduler.set_policy`."""
        policy = (name, max_batch_rows, batch_delay_s)
        if policy != self._policy:
            self._policy = policy
            self.scheduler.set_policy(*policy)

    def cancel(self, query: Query) -> None:
        """The client is gone: the query leaves the queue, and its batch is cancelled when nobody else waits for it."""
        batch = self.scheduler.cancel(query)
        if batch is not None and batch.batch_id in self._batches:
            self._connections[batch.replica].cancel_batch(batch.batch_id)

    async def set_replicas(self, addresses: Mapping[int, str]) -> None:
        """Dials exactly these replicas: new ones are added, missing and moved ones closed."""
        gone = [replica for replica, link in self._links.items() if addresses.get(replica) != link.address]
        for replica in gone:
            await self._close_link(replica)
        for replica, address in addresses.items():
            if replica not in self._links:
                self._dialled.add(replica)
                self._links[replica] = ReplicaLink(replica, address, self.model, self.version, self, self._client_name)

    async def close(self, reason: str) -> None:
        """Answers everything taken in with the default output and closes all connections."""
        now_s = self._clock()
        _default_all(self.scheduler.take_all(), reason, now_s)
        for batch in self._batches.values():
            _default_all(batch.queries, reason, now_s)
        links, self._links = list(self._links.values()), {}
        self._dialled.clear()
        for replica in list(self._connections):
            self.replica_down(replica, reason)
        for link in links:
            await link.close()
        if self._timer is not None:
            self._timer.cancel()
            self._timer, self._timer_at_s = None, float("inf")

    def update_gauges(self) -> None:
        """Writes the gauges; called about once a second, not per query."""
        self.metrics.replicas.set(len(self._connections))
        self.metrics.show(self.scheduler)

    def statistics(self) -> dict[str, Any]:
        return {"model": self.model, "version": self.version, **self.scheduler.statistics()}

    def replica_up(self, replica: int, connection: ReplicaConnection) -> None:
        if replica not in self._links:
            return
        self._dialled.discard(replica)
        self._connections[replica] = connection
        self.scheduler.add_replica(replica)
        self.update_gauges()
        self._pump()

    def replica_down(self, replica: int, reason: str) -> None:
        self._end_replica(replica, self.scheduler.lost)

    def replica_unreachable(self, replica: int) -> None:
        self._dialled.discard(replica)
        self._give_up_without_replicas(self._clock())

    def batch_result(self, replica: int, result: Result) -> None:
        if replica not in self._connections:
            return
        batch = self._batches.get(result.batch_id)
        if batch is None or batch.replica != replica:
            self._connections[replica].close(f"the container answered batch {result.batch_id}, which it does not hold")
            return
        if result.outputs.n_rows != len(batch.queries):
            n_rows = result.outputs.n_rows
            self._connections[replica].close(f"the container gave {n_rows} outputs for {len(batch.queries)} rows")
            return
        del self._batches[result.batch_id]
        now_s = self._clock()
        elapsed_s = now_s - batch.sent_s  # a container's own figures are believed up to this
        computed_s = min(result.computed_us * 1e-6, elapsed_s)
        queued_s = min(result.queued_us * 1e-6, elapsed_s - computed_s)
        self.scheduler.finished(batch, queued_s, computed_s, now_s)
        self.metrics.observe_batch(batch, queued_s, computed_s, now_s)
        if batch.twin is not None:
            self._call_off(batch.separate())
        self._pump()  # the next batch leaves before this one's answers are written
        self._answer(batch, result, now_s)

    def batch_refused(self, replica: int, refused: Refused) -> None:
        batch = self._batches.get(refused.batch_id)
        if batch is None or batch.replica != replica or replica not in self._connections:
            return
        del self._batches[refused.batch_id]
        now_s = self._clock()
        self.metrics.count_refusal(refused.code)
        if refused.code == "draining":
            self.scheduler.drains(batch)
        else:
            self.scheduler.returned(batch, now_s)
        if refused.code == "bad_rows":
            logger.warning("%s:%s could not read a batch: %s", self.model, self.version, refused.text)
            _default_all(batch.queries, DefaultReason.REJECTED_INPUT, now_s)
        elif refused.code == "expired":
            _default_all(batch.queries, DefaultReason.DEADLINE, now_s)
        else:
            self._refuse(self.scheduler.retry(batch, now_s), DefaultReason.OVERLOAD, now_s)
        self._pump()

    def _call_off(self, twin: Batch | None) -> None:
        """The other copy of a batch is back first: this one need not run any more, if it has not begun."""
        if twin is not None and twin.batch_id in self._batches:
            self._connections[twin.replica].cancel_batch(twin.batch_id)

    def _pump(self) -> None:
        """Sends every batch that may go now and arms the timer."""
        self._is_pump_due = False
        now_s = self._clock()
        while (batch := self.scheduler.next_batch(now_s)) is not None:
            self._send(batch, now_s)
        self._arm()

    def _send(self, batch: Batch, now_s: float) -> None:
        rows = self.input_type.rows([query.payload for query in batch.queries])
        try:
            self._connections[batch.replica].send_batch(batch.batch_id, batch.latest_deadline_s - now_s, rows)
        except FrameTooLargeError as error:
            if not self.scheduler.split(batch):
                logger.warning("a row for %s:%s is too large for one frame: %s", self.model, self.version, error)
                _default_all(batch.queries, DefaultReason.REJECTED_INPUT, now_s)
        else:
            self._batches[batch.batch_id] = batch
            self.metrics.batches[batch.cause].add(1.0)

    def _answer(self, batch: Batch, result: Result, now_s: float) -> None:
        outputs = json_fragments(result.outputs)
        if result.errors:
            self._log_errors(result.errors, now_s)
            for row, text in result.errors.items():
                outputs[row] = None
                if text.startswith(REFUSED_ROW):
                    explanation = text.removeprefix(REFUSED_ROW)
                    batch.queries[row].default(DefaultReason.MODEL_ERROR, now_s, explanation)
        self._recorder.record(self.model, self.version, batch.queries, outputs)
        for query, output in zip(batch.queries, outputs, strict=True):
            if output is None:
                query.default(DefaultReason.MODEL_ERROR, now_s)
            else:
                query.predict(output, now_s)
        batch.queries = []  # each query holds its batch: a cycle would be left to the garbage collector

    def _refuse(self, refused: list[Query], reason: str, now_s: float) -> None:
        _default_all([query for query in refused if query.deadline_s <= now_s], DefaultReason.DEADLINE, now_s)
        _default_all(refused, reason, now_s)

    def _give_up_without_replicas(self, now_s: float) -> None:
        if not self._connections and not self._dialled:
            _default_all(self.scheduler.take_all(), DefaultReason.NO_REPLICA, now_s)

    def _arm(self) -> None:
        wake_s = self.scheduler.wake_at_s()
        if wake_s is None or wake_s >= self._timer_at_s:
            return  # an earlier timer only looks again
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at_s = wake_s
        # uvloop rounds to whole milliseconds of a clock that lags by up to one: less than that would spin until then.
        delay_ms = max(1, math.ceil(1000.0 * (wake_s - self._clock())))
        self._timer = self._loop.call_later(delay_ms / 1000.0, self._wake)

    def _wake(self) -> None:
        self._timer, self._timer_at_s = None, float("inf")
        now_s = self._clock()
        _default_all(self.scheduler.take_due(now_s), DefaultReason.DEADLINE, now_s)
        self._pump()

    def _end_replica(self, replica: int, take_back: Callable[[Batch, float], list[Query]]) -> None:
        """Nothing is sent to it any more; `take_back` says which queries of its batches are not tried again."""
        now_s = self._clock()
        self._connections.pop(replica, None)
        for batch in self.scheduler.remove_replica(replica, now_s):
            self._batches.pop(batch.batch_id, None)
            self._refuse(take_back(batch, now_s), DefaultReason.CONTAINER_LOST, now_s)
        self._give_up_without_replicas(now_s)
        self.update_gauges()
        self._pump()

    async def _close_link(self, replica: int) -> None:
        link = self._links.pop(replica)
        if replica in self._connections:
            self._end_replica(replica, self.scheduler.retry)  # its rows did nothing to it
        elif replica in self._dialled:
            self.replica_unreachable(replica)
        self.scheduler.forget_replica(replica)
        await link.close()

    def _log_errors(self, errors: Mapping[int, str], now_s: float) -> None:
        self.metrics.row_errors.add(len(errors))
        if now_s >= self._next_log_s:
            self._next_log_s = now_s + 1.0 / N_LOGGED_ERRORS_PER_S
            logger.warning(
                "%s:%s failed on %d rows: %s", self.model, self.version, len(errors), next(iter(errors.values()))
            )


def _default_all(queries: list[Query], reason: str, now_s: float) -> None:
    for query in queries:
        query.default(reason, now_s)
