"""The queue: earliest deadline first, bounded, every query handed out once or cancelled."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from harness.queries import a_query, queries_of
from skysail_frontend.batch_queue import BatchQueue
from skysail_frontend.query import Query

MAX_ROWS, MAX_BYTES = 12, 100


def test_queries_come_out_by_deadline_and_equal_ones_by_arrival() -> None:
    queue = BatchQueue(10, 1000)
    third, first, second, also_first = queries_of(3.0, 1.0, 2.0, 1.0)
    for query in (third, first, second, also_first):
        assert queue.push(query)
    assert queue.take(0, 10) == [first, also_first, second, third]
    assert queue.n_rows == queue.n_bytes == 0


def test_a_queue_full_in_rows_refuses_and_stays_as_it_is() -> None:
    queue = BatchQueue(2, 1000)
    queries = queries_of(1.0, 2.0, 0.5)
    assert [queue.push(query) for query in queries] == [True, True, False]
    assert queue.waiting() == queries[:2]


def test_a_queue_full_in_bytes_refuses_what_does_not_fit_and_takes_what_does() -> None:
    queue = BatchQueue(10, 100)
    assert queue.push(a_query(n_bytes=60))
    assert not queue.push(a_query(n_bytes=41))
    assert queue.push(a_query(n_bytes=40))
    assert queue.n_bytes == 100


def test_taking_skips_the_head_and_leaves_the_rest() -> None:
    queue = BatchQueue(10, 1000)
    queries = queries_of(1.0, 2.0, 3.0, 4.0)
    for query in queries:
        queue.push(query)
    assert queue.take(1, 2) == queries[1:3]
    assert queue.waiting() == [queries[0], queries[3]]


def test_taking_stops_at_the_byte_limit_but_takes_one_at_least() -> None:
    queue = BatchQueue(10, 1000)
    for n_bytes in (50, 50, 50):
        queue.push(a_query(n_bytes=n_bytes))
    assert len(queue.take(0, 3, max_bytes=110)) == 2
    assert len(queue.take(0, 3, max_bytes=1)) == 1
    assert queue.n_bytes == 0


def test_only_what_is_due_is_taken_as_due() -> None:
    queue = BatchQueue(10, 1000)
    queries = queries_of(1.0, 2.0, 2.0, 3.0)
    for query in queries:
        queue.push(query)
    assert queue.take_due(0.5) == []
    assert queue.take_due(2.0) == queries[:3]
    assert queue.head_deadline_s() == 3.0


def test_cancelled_queries_do_not_pile_up() -> None:
    queue = BatchQueue(10_000, 1 << 20)
    queries = queries_of(*range(1000))
    for query in queries:
        queue.push(query)
    for query in queries[:999]:
        query.is_done = True
        queue.forget(query)
        assert len(queue._queries) <= 2 * queue.n_rows + 65
    assert queue.take_all() == [queries[999]]


def test_its_text_shows_its_state() -> None:
    queue = BatchQueue(10, 1000)
    queue.push(a_query(5.0, n_bytes=7))
    assert repr(queue) == "BatchQueue(n_rows=1, n_bytes=7, head=5.0)"


class QueueMachine(RuleBasedStateMachine):
    """The queue beside a plain sorted list."""

    def __init__(self) -> None:
        super().__init__()
        self.queue = BatchQueue(MAX_ROWS, MAX_BYTES)
        self.model: list[Query] = []

    @rule(deadline_s=st.integers(0, 10), n_bytes=st.integers(0, 40))
    def push(self, deadline_s: int, n_bytes: int) -> None:
        query = a_query(float(deadline_s), n_bytes=n_bytes)
        fits = len(self.model) < MAX_ROWS and sum(each.n_bytes for each in self.model) + n_bytes <= MAX_BYTES
        assert self.queue.push(query) is fits
        if fits:
            self.model.append(query)
            self.model.sort(key=lambda each: each.deadline_s)  # stable: equal deadlines stay in order of arrival

    @precondition(lambda self: self.model)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        query = self.model.pop(data.draw(st.integers(0, len(self.model) - 1)))
        query.is_done = True
        self.queue.forget(query)

    @rule(n_skipped=st.integers(0, 4), n_taken=st.integers(0, 6), max_bytes=st.none() | st.integers(1, 60))
    def take(self, n_skipped: int, n_taken: int, max_bytes: int | None) -> None:
        taken = self.queue.take(n_skipped, n_taken, max_bytes)
        expected = self.model[n_skipped : n_skipped + n_taken]
        assert taken == expected[: len(taken)]
        n_bytes = sum(query.n_bytes for query in taken)
        if max_bytes is None:
            assert taken == expected
        elif len(taken) < len(expected):
            assert n_bytes <= max_bytes or len(taken) == 1
            assert n_bytes + expected[len(taken)].n_bytes > max_bytes
        self.remove(taken)

    @rule(now_s=st.integers(-1, 11))
    def take_due(self, now_s: int) -> None:
        due = self.queue.take_due(now_s)
        assert due == [query for query in self.model if query.deadline_s <= now_s]
        self.remove(due)

    @rule()
    def take_all(self) -> None:
        assert self.queue.take_all() == self.model
        self.model.clear()

    def remove(self, taken: list[Query]) -> None:
        self.model = [query for query in self.model if query not in taken]

    @invariant()
    def it_counts_what_it_holds(self) -> None:
        assert self.queue.n_rows == len(self.model) <= MAX_ROWS
        assert self.queue.n_bytes == sum(query.n_bytes for query in self.model) <= MAX_BYTES
        assert self.queue.head_deadline_s() == (self.model[0].deadline_s if self.model else None)

    @invariant()
    def deadlines_never_decrease(self) -> None:
        deadlines = [query.deadline_s for query in self.queue._queries]
        assert deadlines == sorted(deadlines)


TestQueueMachine = QueueMachine.TestCase
TestQueueMachine.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
