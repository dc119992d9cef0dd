"""Raw results survive their file, and what is summed up from them is exact."""

from __future__ import annotations

import math
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from benchmarks.load_record import PER_REQUEST, LoadRecord
from benchmarks.load_summary import percentile_ladder, percentile_ms, summarize
from benchmarks.replies import Outcome

OUTCOMES = [Outcome.PREDICTED, Outcome.DEFAULTED, Outcome.LATE, Outcome.NONE]


def record(**changes: Any) -> LoadRecord:
    """Four requests a second apart, two streams in turn."""
    due_s = np.arange(4.0)
    facts = {
        "due_s": due_s,
        "picked_s": due_s + 0.001,
        "sent_s": due_s + 0.002,
        "done_s": due_s + np.array([0.01, 0.02, 0.2, math.nan]),
        "outcome": np.array(OUTCOMES, dtype=np.uint8),
        "reason": np.array([0, 1, 0, 0], dtype=np.uint8),
        "stream": np.array([0, 1, 0, 1], dtype=np.uint8),
        "connection": np.array([0, 1, 0, 1], dtype=np.int32),
        "query_id": np.array([1, 2, 3, -1], dtype=np.int64),
        "streams": ("tight", "loose"),
        "slos_s": (0.04, 0.25),
        "reasons": ("", "overload"),
        "started_s": 123.5,
        "duration_s": 4.0,
    }
    return LoadRecord(**(facts | changes))


def test_raw_results_are_read_back_as_they_were_written(tmp_path: Path) -> None:
    written = record(n_surplus=3, cpu_s=0.25)
    written.save(tmp_path / "raw.npz")
    read = LoadRecord.load(tmp_path / "raw.npz")
    for field in fields(LoadRecord):
        before, after = getattr(written, field.name), getattr(read, field.name)
        if field.name in PER_REQUEST:
            assert after.dtype == before.dtype
            assert np.array_equal(after, before, equal_nan=after.dtype.kind == "f"), field.name
        else:
            assert after == before, field.name


def test_another_format_is_refused(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "raw.npz", facts=np.array('{"format": 99}'))
    with pytest.raises(ValueError, match="has format 99"):
        LoadRecord.load(tmp_path / "raw.npz")


def test_every_outcome_is_counted_once() -> None:
    summary = summarize(record())
    assert summary.n_requests == 4
    assert (summary.predicted, summary.defaulted, summary.late, summary.none) == (1, {"overload": 1}, 1, 1)
    assert summary.predicted_share == 0.25
    assert summary.in_time_share == 0.5
    assert summary.goodput_per_s == 0.25
    assert summary.lag_p99_ms == pytest.approx(1.0)
    assert not summary.one_answer_each


def test_requests_whose_client_left_are_in_no_share() -> None:
    outcomes = np.array([Outcome.PREDICTED, Outcome.PREDICTED, Outcome.CANCELLED, Outcome.CANCELLED], dtype=np.uint8)
    summary = summarize(record(outcome=outcomes))
    assert summary.predicted_share == summary.in_time_share == 1.0
    assert summary.cancelled == 2


def test_query_ids_that_come_twice_are_counted() -> None:
    assert summarize(record(query_id=np.array([7, 7, 7, -1]))).repeated_ids == 2


def test_a_generator_that_comes_late_says_so() -> None:
    late = record(picked_s=np.arange(4.0) + 0.5)
    assert not summarize(late).kept_up
    assert summarize(record()).kept_up


def test_requests_are_chosen_by_their_intended_time_and_by_stream() -> None:
    later = record().between(1.0, 3.0)
    assert later.due_s.tolist() == [1.0, 2.0]
    assert later.duration_s == 2.0
    assert record().of_stream("loose").due_s.tolist() == [1.0, 3.0]


def test_percentiles_are_the_nearest_rank_of_all_values() -> None:
    values_s = np.arange(1, 101) / 1000.0
    assert [percentile_ms(values_s, share) for share in (0.0, 0.5, 0.99, 0.995, 1.0)] == [1, 50, 99, 100, 100]
    assert percentile_ms(values_s[:0], 0.5) == 0.0


def test_the_ladder_halves_what_is_above_and_ends_with_the_greatest() -> None:
    ladder = percentile_ladder(np.append(np.arange(1, 17) / 1000.0, math.nan))
    assert [(rung.share, rung.value_ms, rung.n_above) for rung in ladder] == [
        (0.5, 8, 8),
        (0.75, 12, 4),
        (0.875, 14, 2),
        (0.9375, 15, 1),
        (1.0, 16, 0),
    ]
    assert percentile_ladder(np.array([])) == []
