"""The scheduler of one model version in one frontend worker: which queries go where, and when. Pure, clock-injected.

It is told what happened and what time it is, and returns what to do; `dispatcher.py` does it, `benchmarks/simulation`
does it in virtual time. docs/scheduling.md explains the rules.
"""

import itertools
import random
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from skysail_frontend.admission import expected_wait_s
from skysail_frontend.batch import Batch, Cause
from skysail_frontend.batch_policies import Aimd, BatchPolicy, Fixed
from skysail_frontend.batch_queue import BatchQueue
from skysail_frontend.batch_sizer import BatchSizer
from skysail_frontend.hedge_budget import HedgeBudget
from skysail_frontend.poison import PoisonList
from skysail_frontend.query import DefaultReason, Query
from skysail_frontend.replica_health import ReplicaHealth, is_slow
from skysail_frontend.replica_state import MAX_BATCHES, ReplicaState

__all__ = ["MAX_ATTEMPTS", "Scheduler", "SchedulerLimits"]

MAX_ATTEMPTS = 2
"""How often a query may be sent: a row that kills its container may kill two at most."""
STAGE_LEAD_S = 0.002
"""A second batch is sent to a busy replica this long before the first is expected back: long enough for the timer's
millisecond and the frame's way, short enough that the batch is not cut before its company has arrived."""
OVERHEAD_STEP = 0.1
"""Weight of the newest batch in the moving average of what a batch spends outside the model. One batch is believed up
to twice the average and 2 ms, so that a single stall does not make every deadline look out of reach."""
PROBE_INTERVAL_S = 0.05
"""When nothing looks feasible one row goes anyway, so often: only what runs can show that the model is faster now."""
OVERDUE_RATIO = 3.0
"""A replica is taken out when a batch has run this many times longer than expected, and its last deadline is past."""
NEVER = float("inf")


@dataclass(frozen=True, slots=True)
class SchedulerLimits:
    """Bounds of one scheduler."""

    max_queue_rows: int
    max_queue_bytes: int
    max_batch_rows: int
    max_batch_bytes: int


class Scheduler:
    """Queue, latency model and replicas of one model version.

    Invariants: a replica never holds more than MAX_BATCHES batches, one running and one staged; a query is queued, set
    aside as a suspect, in one batch (in two while it is hedged), or done; every query not done has its deadline at or
    after `wake_at_s()`, so that one timer armed there answers every one of them in time, whatever the replicas do.
    """

    def __init__(self, limits: SchedulerLimits, seed: int = 0) -> None:
        self.queue = BatchQueue(limits.max_queue_rows, limits.max_queue_bytes)
        self.sizer = BatchSizer(limits.max_batch_rows)
        self.overhead_s = 0.0
        self.n_ejections = self.n_poison_rows = 0
        self._policy: BatchPolicy = self.sizer
        self._batch_delay_s = 0.0
        self._max_batch_rows = limits.max_batch_rows
        self._max_batch_bytes = limits.max_batch_bytes
        self._replicas: dict[int, ReplicaState] = {}
        self._absent: dict[int, ReplicaHealth] = {}
        self._suspects: deque[list[Query]] = deque()
        self._suspects_in_flight = 0
        self._hedges = HedgeBudget()
        self._poison = PoisonList()
        self._next_probe_s = 0.0
        self._is_starved = False  # replicas are free, but nothing that waits looks feasible
        self._batch_ids = itertools.count(1)
        self._random = random.Random(seed)  # noqa: S311  # which of two replicas is no secret

    def set_policy(self, name: str, max_batch_rows: int | None = None, batch_delay_s: float = 0.0) -> None:
        """Sizes batches by ``deadline``, ``aimd`` or ``fixed`` from now on.

        :param max_batch_rows: the size for ``fixed``, else the most rows; None leaves the scheduler's own limit
        :param batch_delay_s: how long an incomplete batch may wait for company
        """
        most = self._max_batch_rows if max_batch_rows is None else min(max_batch_rows, self._max_batch_rows)
        self.sizer.limit(most)
        if name == "aimd":
            self._policy = Aimd(most)
        elif name == "fixed":
            self._policy = Fixed(most)
        else:
            self._policy = self.sizer
        self._batch_delay_s = batch_delay_s

    # --- replicas -----------------------------------------------------------------------------------------------------

    @property
    def n_replicas(self) -> int:
        return len(self._replicas)

    @property
    def n_in_flight(self) -> int:
        """Batches sent and not yet back."""
        return sum([len(state.batches) for state in self._replicas.values()])

    @property
    def n_in_rotation(self) -> int:
        """Replicas that get batches as usual."""
        return sum([not (state.is_draining or state.health.is_out) for state in self._replicas.values()])

    def add_replica(self, replica: int) -> None:
        state = self._replicas.get(replica)
        if state is None:
            self._replicas[replica] = ReplicaState(replica, self._absent.pop(replica, ReplicaHealth()))
        else:
            state.is_draining = False

    def remove_replica(self, replica: int, now_s: float) -> list[Batch]:
        """A replica is not reached any more. Returns the batches that were lost with it, for `lost`. How often that
        happened in a row is remembered: one that answers everything with nonsense is soon out of rotation."""
        state = self._replicas.pop(replica, None)
        if state is None:
            return []
        self._absent[replica] = state.health
        if state.batches and (state.health.failed() or state.health.is_out):
            self._eject(state, now_s)
        for batch in state.batches:
            self._has_left(batch)
        return state.batches

    def forget_replica(self, replica: int) -> None:
        """It will not come back."""
        self._absent.pop(replica, None)

    # --- queries ------------------------------------------------------------------------------------------------------

    def submit(self, query: Query, now_s: float) -> str | None:
        """None: the query is queued. Else the reason why it is refused."""
        if self._poison.is_refused(query.payload, now_s):
            return DefaultReason.POISON
        if self.queue.n_rows >= self.sizer.largest_rows and self._is_hopeless(query, now_s):
            return DefaultReason.NO_TIME
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

    def take_due(self, now_s: float) -> list[Query]:
        """The queries whose deadline has come, wherever they are. The caller answers them."""
        due = self.queue.take_due(now_s)
        for queries in self._suspects:
            due += [query for query in queries if not query.is_done and query.deadline_s <= now_s]
        for state in self._replicas.values():
            for batch in state.batches:
                if batch.next_due_s <= now_s:
                    due += batch.take_due(now_s)
            self._watch(state, now_s)
        return list(dict.fromkeys(due))  # a query that is hedged is in two batches

    # --- batches ------------------------------------------------------------------------------------------------------

    def next_batch(self, now_s: float) -> Batch | None:
        """The next batch to send now, or None. Call again until None."""
        if self._suspects and (batch := self._next_suspects(now_s)) is not None:
            return batch
        if self.queue.n_rows and (batch := self._next_queued(now_s)) is not None:
            return batch
        return self._next_hedge(now_s) if len(self._replicas) > 1 else None

    def finished(self, batch: Batch, queued_s: float, computed_s: float, now_s: float) -> None:
        """A batch is back. Its outputs are the caller's to hand out."""
        state = self._remove(batch)
        outside_s = max(0.0, now_s - batch.sent_s - queued_s - computed_s)
        believed_s = min(outside_s, 2.0 * self.overhead_s + 0.002)
        self.overhead_s += OVERHEAD_STEP * (believed_s - self.overhead_s)
        if state is None:
            return
        for staged in state.batches:
            staged.starts_s = max(now_s, staged.sent_s + state.backlog_s)
            staged.late_at_s = self._late_at_s(staged)
        if batch.found_idle:
            state.waited(queued_s)
        self._judge(state, batch, computed_s, now_s)
        if not state.health.is_out:
            self.sizer.observe(batch.n_rows, computed_s)
            if self._policy is not self.sizer:
                self._policy.observe(batch.n_rows, computed_s)

    def returned(self, batch: Batch, now_s: float) -> None:
        """A replica refused a batch without running it."""
        state = self._remove(batch)
        if state is None:
            return
        if batch.found_idle:
            state.waited(now_s - batch.sent_s)
        if state.health.is_probing:
            state.health.eject(now_s)

    def drains(self, batch: Batch) -> None:
        """A replica that drains refused a batch: it gets no more, and the attempt does not count."""
        state = self._remove(batch)
        if state is not None:
            state.is_draining = True
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
            query.n_attempts -= 1
            if not query.is_done and not query.n_flights:
                query.batch = None
                self.queue.push(query)  # finds the room it has just left
        return True

    def retry(self, batch: Batch, now_s: float) -> list[Query]:
        """Queues a refused batch's queries again; returns those that may not or cannot be tried once more."""
        refused = []
        for query in batch.queries:
            if query.is_done or query.n_flights:
                continue
            query.batch = None
            if not (self._may_retry(query, now_s) and self.queue.push(query)):
                refused.append(query)
        return refused

    def lost(self, batch: Batch, now_s: float) -> list[Query]:
        """A batch went with its container, maybe because of one of its rows. They are set aside and tried again alone,
        in halves, one after the other; returns those that are not, and refuses their inputs if they have had two tries.
        """
        refused: list[Query] = []
        suspects: list[Query] = []
        for query in batch.queries:
            if query.is_done or query.n_flights:
                continue
            query.n_lost += 1
            (suspects if self._may_retry(query, now_s) else refused).append(query)
            if query.n_lost >= MAX_ATTEMPTS:
                self._poison.add(query.payload, now_s)
                self.n_poison_rows += 1
        middle = len(suspects) // 2
        self._suspects.extend(half for half in (suspects[:middle], suspects[middle:]) if half)
        return refused

    def take_all(self) -> list[Query]:
        """Removes and returns everything that waits for a batch."""
        waiting = self.queue.take_all()
        for queries in self._suspects:
            waiting += [query for query in queries if not query.is_done]
        self._suspects.clear()
        return waiting

    # --- time ---------------------------------------------------------------------------------------------------------

    def wake_at_s(self) -> float | None:
        """When `take_due` or `next_batch` has something to do at the latest; None when nothing waits."""
        head_s = self.queue.head_deadline_s()
        times_s = [] if head_s is None else [head_s]
        for queries in self._suspects:
            times_s += [query.deadline_s for query in queries if not query.is_done]
        for state in self._replicas.values():
            times_s += [batch.next_due_s for batch in state.batches]
            if head_s is not None and state.health.is_out and not state.batches and not state.is_draining:
                times_s.append(state.health.probe_at_s)
        states = self._in_use()
        if len(states) > 1 and any(not state.batches for state in states):
            times_s += [batch.late_at_s for state in self._replicas.values() for batch in state.batches]
        if head_s is not None and states:
            times_s.append(self._send_at_s(states))
        wake_s = min(times_s, default=NEVER)
        return None if wake_s == NEVER else wake_s

    def _send_at_s(self, states: Sequence[ReplicaState]) -> float:
        """When a batch can be sent that cannot be sent now; NEVER when only an event can change that."""
        at_s = NEVER
        for state in states:
            if not state.batches:
                at_s = -NEVER
            elif self._may_stage(state) and not self._suspects:
                at_s = min(at_s, self._stage_at_s(state.batches[0]))
        if self._is_starved:
            at_s = max(at_s, self._next_probe_s)
        if self._batch_delay_s:
            at_s = max(at_s, self._delayed_until_s())
        return NEVER if at_s == -NEVER else at_s

    def statistics(self) -> dict[str, float]:
        return {"n_rows": self.queue.n_rows, "n_bytes": self.queue.n_bytes, "n_in_flight": self.n_in_flight,
                "n_replicas": self.n_replicas, "n_in_rotation": self.n_in_rotation, "overhead_s": self.overhead_s,
                **self.sizer.statistics()}  # fmt: skip

    # --- admission ----------------------------------------------------------------------------------------------------

    def _is_hopeless(self, query: Query, now_s: float) -> bool:
        """The query would be late behind what waits already. Never so while that is less than a batch: shedding must
        not leave a replica idle."""
        if not self.sizer.is_trusted or not self._replicas:
            return False
        budget_s = query.deadline_s - now_s - self.overhead_s
        free_s = min([self._free_at_s(state, now_s) for state in self._in_use()], default=NEVER)
        n_ahead = self.queue.n_ahead(query.deadline_s)
        return free_s - now_s + expected_wait_s(self.sizer, n_ahead, self.n_in_rotation, budget_s) > budget_s

    def _free_at_s(self, state: ReplicaState, now_s: float) -> float:
        """When a replica is expected to be done with what it holds."""
        at_s = now_s + state.backlog_s
        for batch in state.batches:
            at_s = max(at_s, batch.starts_s) + self.sizer.latency_s(batch.n_rows)
        if state.batches:  # what the running one has done already
            at_s -= min(max(0.0, now_s - state.batches[0].starts_s), self.sizer.latency_s(state.batches[0].n_rows))
        return at_s

    # --- what leaves next ---------------------------------------------------------------------------------------------

    def _next_queued(self, now_s: float) -> Batch | None:
        on_trial = self._replica_on_trial(now_s)
        if on_trial is not None:
            on_trial.health.is_probing = True
            return self._send(on_trial, self.queue.take(self.queue.n_rows - 1, 1), now_s, now_s, "probe")
        free = self._free_replica(now_s)
        if free is None or self._waits_for_company(now_s):
            return None
        state, starts_s = free
        waiting = self.queue.waiting()
        n_skipped, n_rows = self._policy.choose(waiting, starts_s, self.overhead_s)
        self._is_starved = n_rows == 0
        if n_rows == 0:
            if now_s < self._next_probe_s:
                return None
            self._next_probe_s = now_s + PROBE_INTERVAL_S
            return self._send(state, self.queue.take(len(waiting) - 1, 1), now_s, starts_s, "probe")
        cause: Cause = "idle" if n_rows == len(waiting) else "full" if n_rows >= self.sizer.max_rows else "deadline"
        queries = self.queue.take(n_skipped, n_rows, self._max_batch_bytes)
        self._hedges.earn(len(queries))
        return self._send(state, queries, now_s, starts_s, cause)

    def _next_suspects(self, now_s: float) -> Batch | None:
        """Rows that were on a container that died go alone to an idle replica, one part at a time: to the one that lost
        the fewest batches, for it may have been the container's fault."""
        while self._suspects and all(query.is_done for query in self._suspects[0]):
            self._suspects.popleft()
        if not self._suspects or self._suspects_in_flight:
            return None
        idle = [state for state in self._in_use() if not state.batches]
        if not idle:
            return None
        queries = [query for query in self._suspects.popleft() if not query.is_done]
        state = min(idle, key=lambda state: (state.health.n_failures, state.key))
        return self._send(state, queries, now_s, now_s, "suspect")

    def _next_hedge(self, now_s: float) -> Batch | None:
        """A second copy of a batch that is late, for an idle replica: the first answer wins."""
        late = [batch for state in self._replicas.values() for batch in state.batches if batch.late_at_s <= now_s]
        idle = [state for state in self._in_use() if not state.batches] if late else []
        if not idle:
            return None
        for batch in late:
            batch.late_at_s = NEVER
            queries = [query for query in batch.open_queries() if query.n_attempts < MAX_ATTEMPTS]
            peers = [state for state in idle if state.key != batch.replica]
            if not queries or not peers or batch.cause == "suspect":
                continue
            slack_s = queries[0].deadline_s - now_s - self.overhead_s
            if self.sizer.latency_s(len(queries)) > slack_s or not self._hedges.spend(len(queries)):
                continue
            copy = self._send(self._better_of_two(peers, now_s), queries, now_s, now_s, "hedge")
            copy.twin, batch.twin = batch, copy
            return copy
        return None

    def _send(self, state: ReplicaState, queries: list[Query], now_s: float, starts_s: float, cause: Cause) -> Batch:
        batch = Batch(next(self._batch_ids), state.key, queries, now_s, starts_s, cause)
        for query in queries:
            query.n_flights += 1
        if cause == "suspect":
            self._suspects_in_flight += 1
        batch.late_at_s = self._late_at_s(batch)
        batch.found_idle = not state.batches
        state.batches.append(batch)
        return batch

    def _late_at_s(self, batch: Batch) -> float:
        """When a second copy of a running batch is worth sending: past the 95th percentile."""
        if batch.twin is not None or not self.sizer.is_trusted:
            return NEVER
        return batch.starts_s + self.sizer.upper_latency_s(batch.n_rows) + self.overhead_s + STAGE_LEAD_S

    def _waits_for_company(self, now_s: float) -> bool:
        """An incomplete batch may wait for the model's batch delay, as long as no deadline suffers."""
        if not self._batch_delay_s or self.queue.n_rows >= self.sizer.max_rows:
            return False
        return now_s < self._delayed_until_s()

    def _delayed_until_s(self) -> float:
        waiting = self.queue.waiting()
        latest_s = waiting[0].deadline_s - self.overhead_s - self.sizer.upper_latency_s(len(waiting)) - STAGE_LEAD_S
        return min(latest_s, min([query.arrival_s for query in waiting]) + self._batch_delay_s)

    def _may_retry(self, query: Query, now_s: float) -> bool:
        return bool(self._replicas) and query.n_attempts < MAX_ATTEMPTS and query.deadline_s > now_s

    # --- which replica ------------------------------------------------------------------------------------------------

    def _in_use(self) -> list[ReplicaState]:
        """The replicas in rotation; when none is, every one that does not drain: the last one is never out."""
        states = [state for state in self._replicas.values() if not state.is_draining]
        return [state for state in states if not state.health.is_out] or states

    def _free_replica(self, now_s: float) -> tuple[ReplicaState, float] | None:
        """A replica that may be given a batch now, and when it will begin to compute it: an idle one, else one whose
        running batch is about to be back; of several the better of two drawn at random."""
        states = self._in_use()
        idle = [state for state in states if not state.batches]
        if idle:
            state = self._better_of_two(idle, now_s)
            return state, now_s + state.backlog_s
        if self._suspects:
            return None  # they need a replica for themselves
        staged = [state for state in states if self._may_stage(state) and self._stage_at_s(state.batches[0]) <= now_s]
        if not staged:
            return None
        state = self._better_of_two(staged, now_s)
        return state, max(now_s, self._stage_at_s(state.batches[0]) + STAGE_LEAD_S)

    def _better_of_two(self, states: Sequence[ReplicaState], now_s: float) -> ReplicaState:
        """The one of two random ones that is expected to be done first."""
        if len(states) == 1:
            return states[0]
        pair = self._random.sample(states, 2)
        return min(pair, key=lambda state: (self._free_at_s(state, now_s), state.key))

    def _replica_on_trial(self, now_s: float) -> ReplicaState | None:
        """An ejected replica that may show with one row that it is well again."""
        for state in self._replicas.values():
            if state.health.is_out and not state.batches and not state.is_draining and state.health.may_probe(now_s):
                return state
        return None

    def _may_stage(self, state: ReplicaState) -> bool:
        """A second batch would spare the replica a pause: not when other frontends keep it busy meanwhile."""
        return len(state.batches) < MAX_BATCHES and not state.holds_suspects() and state.backlog_s < STAGE_LEAD_S

    def _stage_at_s(self, running: Batch) -> float:
        """When a batch may be sent after a running one: STAGE_LEAD_S before that is expected back."""
        return running.starts_s + self.sizer.latency_s(running.n_rows) + self.overhead_s - STAGE_LEAD_S

    # --- what becomes of batches and replicas -------------------------------------------------------------------------

    def _remove(self, batch: Batch) -> ReplicaState | None:
        state = self._replicas.get(batch.replica)
        if state is None or batch not in state.batches:
            return None
        state.batches.remove(batch)
        self._has_left(batch)
        return state

    def _has_left(self, batch: Batch) -> None:
        for query in batch.queries:
            query.n_flights -= 1
        if batch.cause == "suspect":
            self._suspects_in_flight -= 1

    def _judge(self, state: ReplicaState, batch: Batch, computed_s: float, now_s: float) -> None:
        """What a batch that came back says of its replica."""
        health = state.health
        ratio = computed_s / max(self.sizer.latency_s(batch.n_rows), 1e-6)
        peers = [other.health.slowness() for other in self._replicas.values() if other is not state]
        if health.is_out:
            known = [peer for peer in peers if peer is not None]
            if ratio <= OVERDUE_RATIO * max([1.0, *known]):
                health.readmit()
            else:
                health.eject(now_s)
            return
        health.succeeded(ratio)
        if self.n_in_rotation > 1 and is_slow(health.slowness(), peers):
            self._eject(state, now_s)

    def _watch(self, state: ReplicaState, now_s: float) -> None:
        """Takes a replica out of rotation whose running batch should have been back long ago."""
        if not state.batches or state.health.is_out or not self.sizer.is_trusted or self.n_in_rotation < 2:
            return
        running = state.batches[0]
        expected_s = self.sizer.upper_latency_s(running.n_rows) + self.overhead_s
        if now_s >= running.latest_deadline_s and now_s - running.starts_s > OVERDUE_RATIO * expected_s:
            self._eject(state, now_s)

    def _eject(self, state: ReplicaState, now_s: float) -> None:
        state.health.eject(now_s)
        self.n_ejections += 1
