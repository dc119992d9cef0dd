"""Batches: what is due in them, and whether anybody still waits."""

from harness.queries import queries_of
from skysail_frontend.batch import Batch


def a_batch(*deadlines_s: float) -> Batch:
    return Batch(7, 0, queries_of(*deadlines_s), sent_s=0.0, starts_s=0.0)


def test_its_queries_know_it_and_count_an_attempt() -> None:
    batch = a_batch(1.0, 2.0)
    assert all(query.batch is batch and query.n_attempts == 1 for query in batch.queries)
    assert (batch.n_rows, batch.next_due_s, batch.latest_deadline_s) == (2, 1.0, 2.0)


def test_what_is_due_is_told_and_the_next_deadline_moves_on() -> None:
    batch = a_batch(1.0, 2.0, 3.0)
    assert batch.take_due(2.0) == batch.queries[:2]
    assert batch.next_due_s == 3.0
    for query in batch.queries:
        query.is_done = True
    assert batch.take_due(5.0) == []
    assert batch.next_due_s == float("inf")


def test_queries_that_are_done_are_not_due() -> None:
    batch = a_batch(1.0, 2.0)
    batch.queries[0].is_done = True
    assert batch.take_due(1.5) == []
    assert batch.next_due_s == 2.0


def test_it_is_abandoned_when_nobody_waits_for_any_of_its_queries() -> None:
    batch = a_batch(1.0, 2.0)
    batch.queries[1].is_done = True
    assert not batch.is_abandoned()
    batch.queries[0].is_done = True
    assert batch.is_abandoned()
