"""When a disturbance was over follows from the raw results alone."""

from __future__ import annotations

import numpy as np
import pytest
from benchmarks.fixed_batches import FixedBatch, best_fixed
from benchmarks.load_record import LoadRecord
from benchmarks.recovery import bin_edges, first_lasting, predicted_shares, seconds_until_normal
from benchmarks.replies import Outcome

DURATION_S = 4.0
PER_S = 200


def record(*bad_s: tuple[float, float]) -> LoadRecord:
    """Requests at a constant rate; those due within the spans `bad_s` get default outputs, the others predictions."""
    n = int(DURATION_S * PER_S)
    due_s = np.arange(n) / PER_S
    outcome = np.full(n, Outcome.PREDICTED, dtype=np.uint8)
    for from_s, to_s in bad_s:
        outcome[(due_s >= from_s) & (due_s < to_s)] = Outcome.DEFAULTED
    zeros = np.zeros(n, dtype=np.uint8)
    return LoadRecord(
        due_s=due_s,
        picked_s=due_s,
        sent_s=due_s,
        done_s=due_s + 0.01,
        outcome=outcome,
        reason=zeros,
        stream=zeros,
        connection=zeros.astype(np.int32),
        query_id=np.arange(n),
        streams=("all",),
        slos_s=(0.1,),
        reasons=("", "deadline"),
        started_s=0.0,
        duration_s=DURATION_S,
    )


def test_it_is_normal_again_when_the_last_bad_bin_is_over() -> None:
    assert seconds_until_normal(record((1.5, 2.2)), 1.5) == pytest.approx(0.7)


def test_a_good_moment_between_two_bad_ones_is_not_yet_normal() -> None:
    assert seconds_until_normal(record((1.5, 1.7), (1.9, 2.5)), 1.5) == pytest.approx(1.0)


def test_what_is_bad_long_after_is_another_matter() -> None:
    assert seconds_until_normal(record((1.5, 1.7), (3.0, 3.5)), 1.5) == pytest.approx(0.2)


def test_what_is_normal_was_seen_before_the_disturbance_began() -> None:
    half_bad = [(at_s, at_s + 0.05) for at_s in np.arange(2.0, 4.0, 0.1)]
    assert seconds_until_normal(record((1.0, 2.0), *half_bad), 2.0) == 0.0
    assert seconds_until_normal(record((1.0, 2.0), *half_bad), 2.0, disturbed_s=1.0) is None


def test_an_event_nobody_felt_took_no_time() -> None:
    assert seconds_until_normal(record(), 1.5) == 0.0


def test_what_never_recovers_or_never_was_well_has_no_time() -> None:
    assert seconds_until_normal(record((1.5, 4.0)), 1.5) is None
    assert seconds_until_normal(record((0.0, 4.0)), 1.5) is None


def test_shares_are_of_the_requests_due_in_a_bin() -> None:
    shares = predicted_shares(record((0.05, 0.1)), bin_edges(0.3))
    assert shares.tolist() == pytest.approx([0.5, 1.0, 1.0])


def test_a_state_counts_once_it_lasts_half_a_second() -> None:
    states = np.array([True] * 4 + [False] + [True] * 6)
    edges_s = bin_edges(1.1)
    assert first_lasting(states, edges_s, 0.0) == 0.5
    assert first_lasting(states, edges_s, 0.25) == pytest.approx(0.25)
    assert first_lasting(states[:8], edges_s, 0.0) is None


def test_the_best_fixed_size_has_the_most_rows_per_second_within_the_slo() -> None:
    measured = [FixedBatch(1, 180.0, 0.011), FixedBatch(64, 1700.0, 0.074), FixedBatch(128, 1850.0, 0.14)]
    assert best_fixed(measured, 0.1).n_rows == 64
    assert best_fixed(measured, 0.25).n_rows == 128
    assert best_fixed(measured, 0.005).n_rows == 1
