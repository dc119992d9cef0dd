"""How long a query has to wait behind others, by the fitted latency."""

import pytest

from skysail_frontend.admission import expected_wait_s
from skysail_frontend.batch_sizer import BatchSizer


@pytest.fixture
def sizer() -> BatchSizer:
    """5 + 0.5 * rows ms."""
    sizer = BatchSizer(256)
    for i in range(200):
        n_rows = (1, 8, 64, 128)[i % 4]
        sizer.observe(n_rows, 0.005 + 0.0005 * n_rows)
    return sizer


def test_a_query_that_leaves_with_the_next_batch_waits_for_that_alone(sizer: BatchSizer) -> None:
    assert expected_wait_s(sizer, 0, 1, 0.1) == pytest.approx(0.0055)
    assert expected_wait_s(sizer, 63, 1, 0.1) == pytest.approx(0.037)


def test_a_long_queue_is_worked_off_in_batches_of_half_the_time_there_is(sizer: BatchSizer) -> None:
    per_batch = (0.1 / 2 - 0.005) / 0.0005  # rows that take 50 ms
    assert expected_wait_s(sizer, 899, 1, 0.1) == pytest.approx(0.05 * 900 / per_batch, rel=0.05)
    assert expected_wait_s(sizer, 899, 3, 0.1) == pytest.approx(0.05 * 900 / per_batch / 3, rel=0.05)


def test_more_before_it_never_means_less_to_wait(sizer: BatchSizer) -> None:
    waits = [expected_wait_s(sizer, n_ahead, 2, 0.1) for n_ahead in range(60)]
    assert waits == sorted(waits)
