"""Earliest deadline first, bounded, and nothing leaves twice."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from skysail_container.wire import ContainerMessage, Strings
from skysail_container.work_queue import Recipient, Work, WorkQueue


class Client:
    """Stands for a connection; nothing is sent here."""

    def send(self, message: ContainerMessage) -> None:
        raise AssertionError(message)


ONE, OTHER = Client(), Client()


def work(batch_id: int, deadline_s: float, recipient: Recipient = ONE, n_bytes: int = 1) -> Work:
    return Work(recipient, batch_id, Strings(()), n_bytes, 0.0, deadline_s)


def queue_of(*items: Work, max_batches: int = 100, max_bytes: int = 1000) -> WorkQueue:
    queue = WorkQueue(max_batches, max_bytes)
    for item in items:
        assert queue.put(item)
    return queue


def taken_ids(queue: WorkQueue) -> list[int]:
    ids = []
    while (item := queue.take()) is not None:
        ids.append(item.batch_id)
    return ids


def test_the_earliest_deadline_leaves_first_and_equal_ones_in_the_order_they_came() -> None:
    queue = queue_of(work(1, 5.0), work(2, 3.0, OTHER), work(3, 5.0), work(4, 1.0), work(5, 3.0))
    assert taken_ids(queue) == [4, 2, 5, 1, 3]


def test_batches_whose_time_is_up_leave_together() -> None:
    queue = queue_of(work(1, 5.0), work(2, 3.0), work(3, 4.0))
    assert [item.batch_id for item in queue.take_expired(4.0)] == [2, 3]
    assert queue.take_expired(4.9) == []
    assert taken_ids(queue) == [1]


def test_it_is_bounded_in_batches() -> None:
    queue = queue_of(work(1, 1.0), work(2, 1.0), max_batches=2)
    assert not queue.put(work(3, 0.5))
    queue.take()
    assert queue.put(work(3, 0.5))


def test_it_is_bounded_in_bytes_but_takes_any_single_batch() -> None:
    queue = queue_of(work(1, 1.0, n_bytes=500), max_bytes=100)
    assert not queue.put(work(2, 1.0, n_bytes=1))
    queue.take()
    assert queue.put(work(2, 1.0, n_bytes=60))
    assert queue.put(work(3, 1.0, n_bytes=40))
    assert not queue.put(work(4, 1.0, n_bytes=1))


def test_a_cancelled_batch_is_gone_and_only_its_own_clients() -> None:
    queue = queue_of(work(7, 1.0, ONE), work(7, 2.0, OTHER), work(8, 3.0, ONE))
    cancelled = queue.cancel(ONE, 7)
    assert cancelled is not None
    assert cancelled.recipient is ONE
    assert queue.cancel(ONE, 7) is None
    assert queue.cancel(OTHER, 8) is None
    assert taken_ids(queue) == [7, 8]


def test_a_client_that_is_gone_takes_its_batches_with_it() -> None:
    queue = queue_of(work(1, 1.0, ONE, 10), work(2, 2.0, OTHER, 20), work(3, 3.0, ONE, 30))
    assert queue.forget(ONE) == 2
    assert (len(queue), queue.n_bytes) == (1, 20)
    assert taken_ids(queue) == [2]


class QueueMachine(RuleBasedStateMachine):
    """Any sequence of steps: every batch leaves exactly once, within the bounds, and the bytes add up."""

    def __init__(self) -> None:
        super().__init__()
        self.queue = WorkQueue(max_batches=8, max_bytes=50)
        self.waiting: dict[int, Work] = {}
        self.now_s = 0.0
        self.n_put = 0

    @rule(time_left_s=st.floats(0.1, 9.0), recipient=st.sampled_from([ONE, OTHER]), n_bytes=st.integers(0, 30))
    def put(self, time_left_s: float, recipient: Client, n_bytes: int) -> None:
        self.n_put += 1
        item = work(self.n_put, self.now_s + time_left_s, recipient, n_bytes)
        if self.queue.put(item):
            self.waiting[self.n_put] = item

    @rule()
    def take(self) -> None:
        earliest_s = min((item.deadline_s for item in self.waiting.values()), default=None)
        taken = self.queue.take()
        assert (taken and taken.deadline_s) == earliest_s
        if taken is not None:
            assert self.waiting.pop(taken.batch_id) is taken

    @rule(elapsed_s=st.floats(0.0, 3.0))
    def expire(self, elapsed_s: float) -> None:
        self.now_s += elapsed_s
        for item in self.queue.take_expired(self.now_s):
            assert self.waiting.pop(item.batch_id).deadline_s <= self.now_s
        assert all(item.deadline_s > self.now_s for item in self.waiting.values())

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        chosen = self.waiting.pop(data.draw(st.sampled_from(sorted(self.waiting))))
        assert self.queue.cancel(chosen.recipient, chosen.batch_id) is chosen

    @rule(recipient=st.sampled_from([ONE, OTHER]))
    def forget(self, recipient: Client) -> None:
        gone = [item.batch_id for item in self.waiting.values() if item.recipient is recipient]
        assert self.queue.forget(recipient) == len(gone)
        for batch_id in gone:
            del self.waiting[batch_id]

    @invariant()
    def it_is_bounded_and_adds_up(self) -> None:
        assert len(self.queue) == len(self.waiting) <= 8
        assert self.queue.n_bytes == sum(item.n_bytes for item in self.waiting.values())


TestQueueMachine = QueueMachine.TestCase
TestQueueMachine.settings = settings(max_examples=40, stateful_step_count=30)
