"""The scheduler: its invariants under any order of events, and its behaviour over virtual seconds of load."""

import random
from collections.abc import Callable

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from harness.queries import a_query, queries_of
from harness.virtual_serving import Outcome, VirtualServing, linear_model, poisson
from skysail_frontend.batch import Batch
from skysail_frontend.query import DefaultReason, Query
from skysail_frontend.replica_health import MAX_FAILURES
from skysail_frontend.scheduler import MAX_ATTEMPTS, PROBE_INTERVAL_S, Scheduler, SchedulerLimits


def a_scheduler(max_rows: int = 100, max_batch_rows: int = 8, max_batch_bytes: int = 1000) -> Scheduler:
    return Scheduler(SchedulerLimits(max_rows, 10_000, max_batch_rows, max_batch_bytes))


def submitted(scheduler: Scheduler, *deadlines_s: float) -> list[Query]:
    queries = queries_of(*deadlines_s)
    for query in queries:
        assert scheduler.submit(query, query.arrival_s) is None
    return queries


def sent(scheduler: Scheduler, now_s: float = 0.0) -> Batch:
    batch = scheduler.next_batch(now_s)
    assert batch is not None
    return batch


# --- one thing at a time ------------------------------------------------------------------------------------------


def test_without_replicas_queries_wait_and_the_deadline_wakes() -> None:
    scheduler = a_scheduler()
    queries = submitted(scheduler, 5.0, 3.0)
    assert scheduler.next_batch(0.0) is None
    assert scheduler.wake_at_s() == 3.0
    assert scheduler.take_due(3.0) == [queries[1]]
    assert scheduler.wake_at_s() == 5.0


def test_an_idle_scheduler_needs_no_timer() -> None:
    scheduler = a_scheduler()
    scheduler.add_replica(0)
    assert scheduler.wake_at_s() is None
    assert scheduler.next_batch(0.0) is None


def test_an_idle_replica_is_used_before_a_busy_one() -> None:
    scheduler = a_scheduler()
    for replica in (0, 1):
        scheduler.add_replica(replica)
    submitted(scheduler, 9.0, 9.0)
    assert {sent(scheduler).replica, sent(scheduler).replica} == {0, 1}


def test_a_busy_replica_gets_its_next_batch_shortly_before_the_first_is_back() -> None:
    scheduler = a_scheduler()
    scheduler.add_replica(0)
    for _ in range(20):
        scheduler.sizer.observe(1, 0.1)
    submitted(scheduler, 9.0)
    sent(scheduler)
    submitted(scheduler, 9.0)
    assert scheduler.next_batch(0.05) is None
    wake_s = scheduler.wake_at_s()
    assert wake_s is not None
    assert wake_s == pytest.approx(0.098)
    staged = sent(scheduler, wake_s)
    assert staged.starts_s == pytest.approx(0.1)
    submitted(scheduler, 9.0)
    assert scheduler.next_batch(5.0) is None  # one running, one staged


def test_a_staged_batch_counts_from_the_end_of_the_one_before_it() -> None:
    scheduler = a_scheduler()
    scheduler.add_replica(0)
    for _ in range(20):
        scheduler.sizer.observe(1, 0.1)
    submitted(scheduler, 99.0)
    first = sent(scheduler)
    submitted(scheduler, 99.0)
    staged = sent(scheduler, 0.099)
    scheduler.finished(first, 0.0, 0.15, 0.15)
    assert staged.starts_s == 0.15
    submitted(scheduler, 99.0)
    assert scheduler.next_batch(0.2) is None
    assert scheduler.wake_at_s() == pytest.approx(0.248, abs=0.002)


def test_a_query_is_tried_again_once() -> None:
    scheduler = a_scheduler()
    for replica in (0, 1, 2):
        scheduler.add_replica(replica)
    (query,) = submitted(scheduler, 9.0)
    first = sent(scheduler)
    scheduler.remove_replica(first.replica, 0.0)
    assert scheduler.lost(first, 0.0) == []
    second = sent(scheduler)
    scheduler.remove_replica(second.replica, 0.0)
    assert scheduler.lost(second, 0.0) == [query]
    assert scheduler.queue.n_rows == 0


def test_a_query_whose_time_is_up_is_not_tried_again() -> None:
    scheduler = a_scheduler()
    scheduler.add_replica(0)
    (query,) = submitted(scheduler, 9.0)
    scheduler.returned(batch := sent(scheduler), 0.0)
    assert scheduler.retry(batch, 9.0) == [query]


def test_a_batch_lost_with_the_last_replica_is_not_retried() -> None:
    scheduler = a_scheduler()
    scheduler.add_replica(0)
    queries = submitted(scheduler, 9.0)
    (batch,) = [sent(scheduler)]
    assert scheduler.remove_replica(0, 0.0) == [batch]
    assert scheduler.lost(batch, 0.0) == queries


def test_a_drained_replica_gets_nothing_and_the_attempt_does_not_count() -> None:
    scheduler = a_scheduler()
    scheduler.add_replica(0)
    (query,) = submitted(scheduler, 9.0)
    scheduler.drains(batch := sent(scheduler))
    assert query.n_attempts == 0
    assert scheduler.retry(batch, 0.0) == []
    assert scheduler.next_batch(0.0) is None
    assert scheduler.wake_at_s() == 9.0
    scheduler.add_replica(0)  # it came back after its restart
    assert sent(scheduler).queries == [query]


def test_a_split_batch_is_queued_again_and_comes_in_halves() -> None:
    scheduler = a_scheduler()
    scheduler.add_replica(0)
    scheduler.sizer.observe(8, 0.001)
    queries = submitted(scheduler, *[9.0] * 8)
    assert scheduler.split(sent(scheduler))
    assert scheduler.n_in_flight == 0
    assert all(query.n_attempts == 0 and query.batch is None for query in queries)
    assert sent(scheduler).queries == queries[:4]


def test_a_single_row_cannot_be_split() -> None:
    scheduler = a_scheduler()
    scheduler.add_replica(0)
    submitted(scheduler, 9.0)
    assert not scheduler.split(sent(scheduler))
    assert scheduler.n_in_flight == scheduler.queue.n_rows == 0


def test_a_single_stall_does_not_make_every_deadline_look_out_of_reach() -> None:
    scheduler = a_scheduler()
    scheduler.add_replica(0)
    submitted(scheduler, 9.0)
    scheduler.finished(sent(scheduler), 0.0, 0.001, 5.0)
    assert scheduler.overhead_s < 0.001


def learnt(scheduler: Scheduler, fixed_s: float = 0.01, row_s: float = 0.001) -> Scheduler:
    """The scheduler, its model known."""
    for i in range(50):
        n_rows = 1 + i % 8
        scheduler.sizer.observe(n_rows, fixed_s + row_s * n_rows)
    return scheduler


def test_a_query_without_a_chance_behind_what_waits_is_refused_at_once() -> None:
    scheduler = learnt(a_scheduler(max_rows=500))
    scheduler.add_replica(0)
    while (reason := scheduler.submit(a_query(0.1, 0.0), 0.0)) is None:
        pass
    assert reason == DefaultReason.NO_TIME
    assert 20 < scheduler.queue.n_rows < 100  # 8 rows in 18 ms: 44 in 100 ms
    assert scheduler.submit(a_query(9.0, 0.0), 0.0) is None  # plenty of time
    assert sent(scheduler).n_rows == 8


def test_when_nothing_looks_feasible_one_row_goes_now_and_then() -> None:
    scheduler = learnt(a_scheduler(), fixed_s=5.0)
    scheduler.add_replica(0)
    submitted(scheduler, 1.0, 1.0, 1.0)
    probe = sent(scheduler, 0.0)
    assert (probe.cause, probe.n_rows) == ("probe", 1)
    scheduler.finished(probe, 0.0, 5.0, 0.01)
    assert scheduler.next_batch(0.01) is None
    assert scheduler.wake_at_s() == PROBE_INTERVAL_S
    assert sent(scheduler, PROBE_INTERVAL_S).cause == "probe"


def test_a_late_batch_is_sent_to_an_idle_peer_and_the_first_answer_is_enough() -> None:
    scheduler = learnt(a_scheduler())
    for replica in (0, 1):
        scheduler.add_replica(replica)
    queries = submitted(scheduler, 9.0)
    first = sent(scheduler, 0.0)
    assert scheduler.next_batch(0.01) is None
    wake_s = scheduler.wake_at_s()
    assert wake_s is not None
    assert 0.011 < wake_s < 0.03  # past its 95th percentile
    copy = sent(scheduler, wake_s)
    assert (copy.cause, copy.queries, copy.twin) == ("hedge", queries, first)
    assert copy.replica != first.replica
    assert scheduler.next_batch(wake_s + 1.0) is None  # once
    scheduler.finished(copy, 0.0, 0.011, wake_s + 0.012)
    assert copy.separate() is first
    assert first.twin is None
    assert scheduler.remove_replica(first.replica, 0.0) == [first]
    queries[0].predict(b"1", wake_s + 0.012)
    assert scheduler.lost(first, wake_s + 0.02) == []


def test_a_hedged_query_that_loses_one_copy_still_has_the_other() -> None:
    scheduler = learnt(a_scheduler())
    for replica in (0, 1):
        scheduler.add_replica(replica)
    (query,) = submitted(scheduler, 9.0)
    first = sent(scheduler, 0.0)
    copy = sent(scheduler, 0.05)
    scheduler.remove_replica(first.replica, 0.0)
    assert scheduler.lost(first, 0.06) == []
    assert not query.is_done
    assert scheduler.next_batch(0.06) is None
    assert scheduler.n_in_flight == 1
    scheduler.finished(copy, 0.0, 0.011, 0.07)


def test_without_budget_or_time_nothing_is_hedged() -> None:
    scheduler = learnt(a_scheduler())
    for replica in (0, 1):
        scheduler.add_replica(replica)
    submitted(scheduler, *[9.0] * 8)
    assert sent(scheduler, 0.0).n_rows == 8  # more than the budget of a scheduler that has just begun
    assert scheduler.next_batch(1.0) is None
    submitted(scheduler, 9.0)
    sent(scheduler, 8.985)
    assert scheduler.next_batch(8.999) is None  # too late for another 11 ms


def test_rows_of_a_dead_container_are_tried_alone_and_in_halves() -> None:
    scheduler = learnt(a_scheduler())
    for replica in (0, 1):
        scheduler.add_replica(replica)
    suspects = submitted(scheduler, *[9.0] * 4)
    first = sent(scheduler)
    scheduler.remove_replica(first.replica, 0.0)
    assert scheduler.lost(first, 0.0) == []
    fresh = submitted(scheduler, 9.0)
    half = sent(scheduler)
    assert (half.cause, half.queries) == ("suspect", suspects[:2])
    assert scheduler.next_batch(5.0) is None  # nothing is put beside them
    scheduler.remove_replica(half.replica, 0.0)
    scheduler.add_replica(2)
    assert scheduler.lost(half, 0.0) == suspects[:2]
    other = sent(scheduler)
    assert (other.cause, other.queries) == ("suspect", suspects[2:])
    scheduler.finished(other, 0.0, 0.01, 0.02)
    assert sent(scheduler).queries == fresh
    assert scheduler.submit(suspects[0], 1.0) == DefaultReason.POISON


def test_a_stalled_replica_goes_out_and_a_probe_brings_it_back() -> None:
    scheduler = learnt(a_scheduler())
    for replica in (0, 1):
        scheduler.add_replica(replica)
    submitted(scheduler, *[0.1] * 8)
    stalled = sent(scheduler, 0.0)
    assert len(scheduler.take_due(0.1)) == 8
    assert scheduler.n_in_rotation == 1
    assert scheduler.n_ejections == 1
    scheduler.finished(stalled, 0.0, 2.0, 2.0)  # it is back, but slow
    submitted(scheduler, 9.0, 9.0)
    assert sent(scheduler, 2.0).replica != stalled.replica
    submitted(scheduler, 9.0)
    probe = sent(scheduler, 4.5)
    assert (probe.replica, probe.cause, probe.n_rows) == (stalled.replica, "probe", 1)
    scheduler.finished(probe, 0.0, 0.011, 4.52)
    assert scheduler.n_in_rotation == 2


def test_the_only_replica_stays_in_rotation_however_long_it_stalls() -> None:
    scheduler = learnt(a_scheduler())
    scheduler.add_replica(0)
    submitted(scheduler, 0.1)
    sent(scheduler, 0.0)
    scheduler.take_due(5.0)
    assert scheduler.n_in_rotation == 1


def test_an_incomplete_batch_waits_for_company_as_long_as_its_deadline_allows() -> None:
    scheduler = learnt(a_scheduler())
    scheduler.set_policy("deadline", None, batch_delay_s=0.05)
    scheduler.add_replica(0)
    scheduler.submit(a_query(9.0, 0.0), 0.0)
    assert scheduler.next_batch(0.0) is None
    assert scheduler.wake_at_s() == pytest.approx(0.05)
    assert sent(scheduler, 0.05).n_rows == 1
    scheduler.add_replica(1)
    for _ in range(8):
        scheduler.submit(a_query(9.0, 0.06), 0.06)
    assert sent(scheduler, 0.06).n_rows == 8  # full: no waiting
    scheduler.add_replica(2)
    scheduler.submit(a_query(0.1, 0.06), 0.06)
    wake_s = scheduler.wake_at_s()
    assert wake_s is not None
    assert wake_s < 0.1 - 0.011
    assert sent(scheduler, wake_s).n_rows == 1


def test_a_replica_that_other_frontends_keep_busy_gets_smaller_batches_and_none_staged() -> None:
    scheduler = learnt(a_scheduler(max_batch_rows=100, max_rows=500))
    scheduler.add_replica(0)
    now_s = 0.0
    for _ in range(20):
        submitted(scheduler, now_s + 9.0)
        batch = sent(scheduler, now_s)
        scheduler.finished(batch, 0.05, 0.011, now_s + 0.061)  # 50 ms behind others' batches
        now_s += 0.1
    for _ in range(100):
        scheduler.submit(a_query(now_s + 0.09, now_s), now_s)
    batch = sent(scheduler, now_s)
    assert batch.starts_s > now_s + 0.05
    assert batch.n_rows < 30  # what 40 ms allow, not 90
    assert scheduler.next_batch(now_s + 0.08) is None


def test_the_better_of_two_replicas_is_the_one_that_is_done_first() -> None:
    scheduler = learnt(a_scheduler())
    for replica in (0, 1):
        scheduler.add_replica(replica)
    submitted(scheduler, 9.0)
    batch = sent(scheduler)
    assert batch.replica == 0
    scheduler.finished(batch, 0.03, 0.011, 0.05)  # it stood behind others' batches
    now_s = 0.1
    submitted(scheduler, now_s + 9.0)
    assert sent(scheduler, now_s).replica == 1


def test_its_statistics_show_its_state() -> None:
    scheduler = a_scheduler()
    scheduler.add_replica(0)
    submitted(scheduler, 9.0, 9.0)
    sent(scheduler)
    statistics = scheduler.statistics()
    assert (statistics["n_rows"], statistics["n_in_flight"], statistics["n_replicas"]) == (1, 1, 1)


# --- any order of events ------------------------------------------------------------------------------------------


class SchedulerMachine(RuleBasedStateMachine):
    """Does at random what a dispatcher does, answers as it does, and looks at the invariants after each step."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0
        self.scheduler = a_scheduler(max_rows=20, max_batch_rows=4)
        self.replicas: set[int] = set()
        self.batches: list[Batch] = []
        self.queries: list[Query] = []
        self.answered: set[Query] = set()
        self.cancelled: set[Query] = set()

    @rule(replica=st.integers(0, 2))
    def replica_up(self, replica: int) -> None:
        self.scheduler.add_replica(replica)
        self.replicas.add(replica)
        self.pump()

    @precondition(lambda self: self.replicas)
    @rule(data=st.data())
    def replica_down(self, data: st.DataObject) -> None:
        replica = data.draw(st.sampled_from(sorted(self.replicas)))
        self.replicas.remove(replica)
        lost = self.scheduler.remove_replica(replica, self.now_s)
        assert lost == [batch for batch in self.batches if batch.replica == replica]
        for batch in lost:
            self.batches.remove(batch)
            self.answer(self.scheduler.lost(batch, self.now_s))
        self.pump()

    @rule(slo_ms=st.sampled_from([5, 20, 20, 20, 100]))
    def submit(self, slo_ms: int) -> None:
        query = a_query(self.now_s + slo_ms * 1e-3, self.now_s)
        self.queries.append(query)
        reason = self.scheduler.submit(query, self.now_s)
        if reason is not None:
            assert self.scheduler.queue.n_rows == 20 or reason != DefaultReason.OVERLOAD
            self.answer([query])

    @rule()
    def pump(self) -> None:
        while (batch := self.scheduler.next_batch(self.now_s)) is not None:
            assert batch.replica in self.replicas
            deadlines = [query.deadline_s for query in batch.queries]
            assert deadlines == sorted(deadlines)
            assert 1 <= len(batch.queries) <= 4
            assert all(query.n_attempts <= MAX_ATTEMPTS for query in batch.queries)
            self.batches.append(batch)

    @precondition(lambda self: self.batches)
    @rule(data=st.data(), computed_ms=st.floats(0.0, 30.0))
    def finish(self, data: st.DataObject, computed_ms: float) -> None:
        batch = self.take_batch(data)
        self.scheduler.finished(batch, 0.0, computed_ms * 1e-3, self.now_s)
        self.answer([query for query in batch.queries if not query.is_done])
        self.pump()

    @precondition(lambda self: self.batches)
    @rule(data=st.data(), is_draining=st.booleans())
    def refuse(self, data: st.DataObject, is_draining: bool) -> None:
        batch = self.take_batch(data)
        if is_draining:
            self.scheduler.drains(batch)
        else:
            self.scheduler.returned(batch, self.now_s)
        self.answer(self.scheduler.retry(batch, self.now_s))
        self.pump()

    @precondition(lambda self: len(self.answered) + len(self.cancelled) < len(self.queries))
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        query = data.draw(st.sampled_from([query for query in self.queries if not query.is_done]))
        batch = self.scheduler.cancel(query)
        assert query.is_done
        self.cancelled.add(query)
        if batch is not None:
            assert all(mate.is_done for mate in batch.queries)

    @rule(milliseconds=st.integers(1, 30))
    def time_passes(self, milliseconds: int) -> None:
        """Up to then, stopping wherever the scheduler asks to be woken, as the dispatcher's timer does."""
        end_s = self.now_s + milliseconds * 1e-3
        while (wake_s := self.scheduler.wake_at_s()) is not None and wake_s <= end_s:
            self.now_s = max(self.now_s, wake_s)
            before = (self.scheduler.queue.n_rows, len(self.batches), len(self.answered))
            self.answer(self.scheduler.take_due(self.now_s))
            self.pump()
            after = (self.scheduler.queue.n_rows, len(self.batches), len(self.answered))
            assert before != after or self.wakes_later(), "woken for nothing: the timer would spin"
        self.now_s = end_s

    def wakes_later(self) -> bool:
        wake_s = self.scheduler.wake_at_s()
        return wake_s is None or wake_s > self.now_s

    def take_batch(self, data: st.DataObject) -> Batch:
        return self.batches.pop(data.draw(st.integers(0, len(self.batches) - 1)))

    def answer(self, queries: list[Query]) -> None:
        for query in queries:
            assert not query.is_done
            assert query not in self.answered
            self.answered.add(query)
            query.default("deadline", self.now_s)

    @invariant()
    def every_query_is_in_exactly_one_place(self) -> None:
        queued = [query for query in self.scheduler.queue._queries if not query.is_done]
        aside = [query for queries in self.scheduler._suspects for query in queries if not query.is_done]
        in_flight = list({query for batch in self.batches for query in batch.queries if not query.is_done})
        open_ = [query for query in self.queries if query not in self.answered and query not in self.cancelled]
        assert sorted(queued + aside + in_flight, key=id) == sorted(open_, key=id)
        assert all(query.batch is None for query in queued)
        for query in in_flight:
            holders = [batch for batch in self.batches if query in batch.queries]
            assert query.batch in holders
            assert query.n_flights == len(holders) <= 2

    @invariant()
    def no_replica_holds_more_than_two_batches(self) -> None:
        for replica in self.replicas:
            assert sum(batch.replica == replica for batch in self.batches) <= 2
        assert self.scheduler.n_in_flight == len(self.batches)
        assert self.scheduler.n_replicas == len(self.replicas)

    @invariant()
    def the_timer_is_never_later_than_an_open_deadline(self) -> None:
        open_ = [query.deadline_s for query in self.queries if not query.is_done]
        wake_s = self.scheduler.wake_at_s()
        assert not open_ or (wake_s is not None and wake_s <= min(open_))

    def teardown(self) -> None:
        """Whatever happened: when time goes on, everything is answered."""
        self.now_s += 1.0
        self.answer(self.scheduler.take_due(self.now_s))
        assert all(query.is_done for query in self.queries)


TestSchedulerMachine = SchedulerMachine.TestCase
TestSchedulerMachine.settings = settings(max_examples=100, stateful_step_count=50, deadline=None)


# --- seconds of load in virtual time ------------------------------------------------------------------------------
# One replica, 5 + 0.5 * rows ms with 8 % noise as in scheduling.md: batches of 190 rows would give 1,900 rows/s.

Model = Callable[[int, float], float]
SLO_S = 0.1


def the_model() -> Model:
    return linear_model(0.005, 0.0005, noise=0.08)


def stalled_once(model: Model, at_s: float, seconds: float = 0.5) -> Model:
    """`model`, but the first batch that starts after `at_s` takes so much longer."""
    stalls = [seconds]
    return lambda n_rows, now_s: model(n_rows, now_s) + (stalls.pop() if stalls and now_s >= at_s else 0.0)


def assert_in_time(outcome: Outcome) -> None:
    """Default outputs come when the deadline does, whatever the model does."""
    assert outcome.latest_default_s < 0.0015


@pytest.mark.parametrize(("rate", "share"), [(200, 0.99), (1000, 0.99), (1400, 0.98), (1700, 0.95)])
def test_below_capacity_nearly_everything_is_predicted_in_time(rate: float, share: float) -> None:
    random_ = random.Random(3)
    model = the_model()
    outcome = VirtualServing(lambda n, t: model(n, t) + (0.06 if random_.random() < 0.002 else 0.0)).run(
        poisson(rate, 6, SLO_S)
    )
    assert outcome.share > share
    assert_in_time(outcome)


@pytest.mark.parametrize("rate", [2200, 4000])
def test_above_capacity_throughput_stays_near_that_of_the_best_batch_size(rate: float) -> None:
    outcome = VirtualServing(the_model()).run(poisson(rate, 4, SLO_S))
    assert outcome.rate(1, 4) > 1600
    assert_in_time(outcome)


def test_a_burst_above_capacity_passes_without_a_trace() -> None:
    outcome = VirtualServing(the_model()).run([*poisson(1000, 8, SLO_S), *poisson(4000, 2, SLO_S, 3, seed=7)])
    assert outcome.rate(3, 5) > 1550
    assert outcome.rate(5.5, 8) > 930
    assert_in_time(outcome)


@pytest.mark.parametrize("at_s", [0.0, 0.01, 0.05, 3.0])
def test_one_stall_does_not_lead_to_small_batches_for_ever(at_s: float) -> None:
    outcome = VirtualServing(stalled_once(the_model(), at_s)).run(poisson(1400, 6, SLO_S))
    start_s = at_s + 1.0
    assert outcome.rate(start_s, 6) > 1300
    assert_in_time(outcome)


@pytest.mark.parametrize("model", [the_model(), linear_model(0.0, 0.0011)], ids=["mostly fixed", "per row"])
def test_a_quiet_time_of_single_rows_does_not_break_the_fit_for_the_rush_after_it(model: Model) -> None:
    quiet = [(0.02 * i, SLO_S) for i in range(300)]
    outcome = VirtualServing(model).run([*quiet, *poisson(800, 3, SLO_S, 6)])
    assert outcome.rate(6, 9) > 750
    assert_in_time(outcome)


def test_a_model_that_becomes_slower_and_faster_again_is_followed() -> None:
    fast, slow = the_model(), linear_model(0.015, 0.0015, noise=0.08)
    outcome = VirtualServing(lambda n, t: (slow if 3 <= t < 6 else fast)(n, t)).run(poisson(500, 9, SLO_S))
    assert outcome.rate(4, 6) > 400  # the slow one can do 570 with batches that fit
    assert outcome.rate(7, 9) > 480
    assert_in_time(outcome)


def test_three_replicas_serve_three_times_as_much() -> None:
    outcome = VirtualServing(the_model(), n_replicas=3).run(poisson(4500, 2, SLO_S))
    assert outcome.share > 0.98


def test_a_model_that_can_never_be_in_time_gets_single_rows_and_everybody_a_default() -> None:
    outcome = VirtualServing(linear_model(0.3, 0.0)).run(poisson(100, 3, SLO_S))
    assert outcome.n_predicted == 0
    assert set(outcome.batch_rows) == {1}
    assert_in_time(outcome)


def test_a_version_of_fixed_batch_size_never_gets_more() -> None:
    outcome = VirtualServing(the_model(), max_batch_rows=4).run(poisson(1000, 2, SLO_S))
    assert max(outcome.batch_rows) == 4


def test_a_replica_that_loses_every_batch_is_out_of_rotation_however_often_it_comes_back() -> None:
    scheduler = learnt(a_scheduler(max_rows=500))
    for replica in (0, 1):
        scheduler.add_replica(replica)
    n_lost = 0
    for i in range(20):
        now_s = 0.01 * i
        submitted(scheduler, 9.0 + now_s, 9.0 + now_s)
        while (batch := scheduler.next_batch(now_s)) is not None:
            if batch.replica == 0:
                n_lost += 1
                scheduler.remove_replica(0, now_s)
                scheduler.lost(batch, now_s)
                scheduler.add_replica(0)
            else:
                scheduler.finished(batch, 0.0, 0.011, now_s)
    assert n_lost == MAX_FAILURES
    assert scheduler.n_in_rotation == 1
    scheduler.remove_replica(0, 1.0)
    scheduler.forget_replica(0)
    scheduler.add_replica(0)
    assert scheduler.n_in_rotation == 2


def test_rows_of_a_lost_batch_are_not_tried_again_where_batches_are_lost() -> None:
    """A container that answers nonsense is back at once; what it lost must not be held for poison."""
    scheduler = learnt(a_scheduler())
    for replica in (0, 1):
        scheduler.add_replica(replica)
    submitted(scheduler, 9.0)
    batch = sent(scheduler)
    assert batch.replica == 0
    scheduler.remove_replica(0, 0.0)
    assert scheduler.lost(batch, 0.0) == []
    scheduler.add_replica(0)
    assert sent(scheduler).replica == 1
