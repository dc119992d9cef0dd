"""The latency model and the sizes that follow: fitted, clamped, not led astray by stalls, noise or sameness."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.queries import queries_of
from skysail_frontend.batch_sizer import GROWTH, MIN_SLOPE_S, N_TRUSTED, N_WINDOW, BatchSizer

MAX_ROWS = 256


def fitted(
    fixed_s: float, per_row_s: float, noise: float = 0.0, sizes: tuple[int, ...] = (1, 2, 4, 8, 64)
) -> BatchSizer:
    """A sizer that has seen enough of a linear model."""
    sizer = BatchSizer(MAX_ROWS)
    random_ = random.Random(1)
    for i in range(2 * N_WINDOW):
        n_rows = sizes[i % len(sizes)]
        sizer.observe(n_rows, (fixed_s + per_row_s * n_rows) * max(0.5, random_.gauss(1.0, noise)))
    return sizer


def test_a_linear_model_is_found_exactly() -> None:
    sizer = fitted(0.005, 0.0005)
    assert sizer.latency_s(1) == pytest.approx(0.0055)
    assert sizer.latency_s(100) == pytest.approx(0.055)
    assert sizer.upper_latency_s(100) == pytest.approx(0.055, rel=0.05)


def test_a_noisy_model_is_found_and_its_95th_percentile_with_it() -> None:
    sizer = fitted(0.005, 0.0005, noise=0.08)
    assert sizer.latency_s(64) == pytest.approx(0.037, rel=0.1)
    assert 0.05 < sizer.residual_p95 < 0.3


observations = st.lists(st.tuples(st.integers(1, 1024), st.floats(0.0, 10.0)), min_size=1, max_size=200)


@settings(max_examples=60, deadline=None)
@given(observations)
def test_whatever_is_observed_the_clamps_hold(observed: list[tuple[int, float]]) -> None:
    sizer = BatchSizer(MAX_ROWS)
    for n_rows, seconds in observed:
        sizer.observe(n_rows, seconds)
        window = list(sizer._window)
        assert 1 <= len(window) <= N_WINDOW
        assert 0.0 <= sizer.alpha_s <= min(each for _, each in window)
        assert sizer.beta_s >= MIN_SLOPE_S
        assert sizer.residual_p95 >= 0.0
        assert sizer.statistics()["cap"] <= min(MAX_ROWS, GROWTH * max(n for n, _ in window))


@settings(max_examples=60, deadline=None)
@given(observations, st.lists(st.floats(0.0, 2.0), min_size=1, max_size=80))
def test_whatever_is_observed_a_choice_is_a_part_of_the_queue(
    observed: list[tuple[int, float]], deadlines_s: list[float]
) -> None:
    sizer = BatchSizer(MAX_ROWS)
    for n_rows, seconds in observed:
        sizer.observe(n_rows, seconds)
    waiting = queries_of(*sorted(deadlines_s))
    n_skipped, n_rows = sizer.choose(waiting, 0.0, 0.0)
    assert n_skipped >= 0
    assert 0 <= n_rows <= min(len(waiting) - n_skipped, int(sizer.statistics()["cap"]))
    assert n_rows == 0 or sizer.upper_latency_s(n_rows) <= waiting[n_skipped].deadline_s * (1 + 1e-9) + 1e-12


def test_sizes_double_from_one_while_nothing_is_known() -> None:
    sizer = BatchSizer(MAX_ROWS)
    waiting = queries_of(*[1000.0] * 500)
    sizes = []
    for _ in range(10):
        _, n_rows = sizer.choose(waiting, 0.0, 0.0)
        sizes.append(n_rows)
        sizer.observe(n_rows, 0.001)
    assert sizes == [1, 2, 4, 8, 16, 32, 64, 128, 256, 256]


def test_after_many_batches_of_one_row_sizes_double_again_and_each_step_is_believed() -> None:
    """Sizes that never vary say nothing of others: here a row costs 1 ms, but all of it looks like fixed cost."""
    sizer = fitted(0.0, 0.001, sizes=(1,))
    waiting = queries_of(*[10.0] * 500)
    sizes = []
    for _ in range(6):
        _, n_rows = sizer.choose(waiting, 0.0, 0.0)
        sizes.append(n_rows)
        sizer.observe(n_rows, 0.001 * n_rows)
    assert sizes == [2, 4, 8, 16, 32, 64]
    assert sizer.latency_s(64) == pytest.approx(0.064, rel=0.05)


def test_after_many_batches_of_one_large_size_small_ones_are_believed_too() -> None:
    sizer = fitted(0.005, 0.0005, sizes=(64,))
    for _ in range(20):
        sizer.observe(1, 0.0055)
        sizer.observe(64, 0.037)
    assert sizer.latency_s(1) == pytest.approx(0.0055, rel=0.05)


def test_a_negative_slope_is_clamped() -> None:
    sizer = BatchSizer(MAX_ROWS)
    for i in range(50):
        sizer.observe(1 + i % 4, 0.006 - 0.001 * (i % 4))
    assert sizer.beta_s == MIN_SLOPE_S
    assert sizer.alpha_s == pytest.approx(0.003)
    assert sizer.choose(queries_of(*[1.0] * 8), 0.0, 0.0) == (0, 8)


def test_a_line_that_would_begin_below_zero_goes_through_the_origin_and_still_meets_the_data() -> None:
    sizer = BatchSizer(MAX_ROWS)
    for i in range(100):  # nearly one size, noise that looks like a steep slope
        n_rows = 63 + i % 3
        sizer.observe(n_rows, 0.037 + 0.003 * (n_rows - 64))
    assert sizer.alpha_s == 0.0
    assert sizer.latency_s(64) == pytest.approx(0.037, rel=0.05)


@pytest.mark.parametrize("i_stall", range(12))
def test_a_stall_among_the_first_batches_is_forgotten_after_a_few(i_stall: int) -> None:
    sizer = BatchSizer(MAX_ROWS)
    waiting = queries_of(*[0.1] * 500)
    for i in range(N_TRUSTED + 30):
        n_rows = max(1, sizer.choose(waiting, 0.0, 0.0)[1])  # the scheduler sends one row as a probe
        sizer.observe(n_rows, 0.005 + 0.0005 * n_rows + (0.5 if i == i_stall else 0.0))
    _, n_rows = sizer.choose(waiting, 0.0, 0.0)
    assert n_rows > 100  # 190 rows fit into 100 ms


def test_one_stall_moves_nothing_but_the_quantile() -> None:
    sizer = fitted(0.005, 0.0005)
    residual_p95 = sizer.residual_p95
    sizer.observe(8, 0.5)
    assert sizer.latency_s(64) == pytest.approx(0.037)
    assert sizer.residual_p95 == pytest.approx(residual_p95 + 0.0095)


def test_a_model_that_fails_at_once_does_not_look_fast() -> None:
    sizer = fitted(0.005, 0.0005)
    for _ in range(N_TRUSTED - 1):
        sizer.observe(8, 0.00001)
    assert sizer.latency_s(64) == pytest.approx(0.037)


@pytest.mark.parametrize("factor", [0.2, 5.0])
def test_a_model_that_changed_for_good_is_believed_after_a_few_batches(factor: float) -> None:
    sizer = fitted(0.005, 0.0005)
    for i in range(2 * N_TRUSTED):
        n_rows = 1 + 7 * (i % 5)
        sizer.observe(n_rows, factor * (0.005 + 0.0005 * n_rows))
    assert sizer.latency_s(20) == pytest.approx(factor * 0.015, rel=0.1)


def test_the_head_leads_when_its_batch_clears_the_queue() -> None:
    sizer = fitted(0.005, 0.0005)
    assert sizer.choose(queries_of(0.1, 0.2, 0.3), 0.0, 0.0) == (0, 3)


def test_a_head_that_allows_little_is_skipped_for_the_rows_behind_it() -> None:
    sizer = fitted(0.005, 0.0005)
    waiting = queries_of(0.006, *[0.08] * 60)
    assert sizer.choose(waiting, 0.0, 0.0) == (1, 60)


def test_what_is_spent_outside_the_model_is_reckoned_with() -> None:
    sizer = fitted(0.005, 0.0005)
    waiting = queries_of(*[0.025] * 100)
    assert sizer.choose(waiting, 0.0, 0.0)[1] in (39, 40)
    assert sizer.choose(waiting, 0.0, 0.01)[1] in (19, 20)


def test_when_nothing_fits_nothing_is_chosen() -> None:
    sizer = fitted(0.3, 0.0)
    assert sizer.choose(queries_of(0.01, 0.02, 0.1), 0.0, 0.0)[1] == 0
