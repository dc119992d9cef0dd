"""Schedules follow from their seed and have the rate and the variation asked for."""

from __future__ import annotations

import numpy as np
import pytest
from benchmarks.arrivals import BURSTY_CV, Arrivals, Kind

KINDS: tuple[Kind, ...] = ("constant", "poisson", "bursty")


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_gives_the_same_times_and_another_seed_others(kind: Kind) -> None:
    times_s = Arrivals(kind, 500.0, seed=7).times_s(10.0)
    assert np.array_equal(times_s, Arrivals(kind, 500.0, seed=7).times_s(10.0))
    if kind != "constant":
        assert not np.array_equal(times_s[:100], Arrivals(kind, 500.0, seed=8).times_s(10.0)[:100])


@pytest.mark.parametrize("kind", KINDS)
def test_times_ascend_within_the_duration(kind: Kind) -> None:
    times_s = Arrivals(kind, 300.0).times_s(5.0)
    assert (np.diff(times_s) >= 0.0).all()
    assert 0.0 <= times_s[0] <= times_s[-1] < 5.0


@pytest.mark.parametrize(("kind", "variation"), [("constant", 0.0), ("poisson", 1.0), ("bursty", BURSTY_CV)])
def test_rate_and_variation_of_the_gaps_are_those_asked_for(kind: Kind, variation: float) -> None:
    times_s = Arrivals(kind, 1000.0, seed=3).times_s(300.0)
    gaps_s = np.diff(times_s)
    assert len(times_s) == pytest.approx(300_000, rel=0.03)
    assert gaps_s.std() / gaps_s.mean() == pytest.approx(variation, rel=0.05, abs=1e-6)


def test_steps_follow_one_another_each_at_its_own_rate() -> None:
    times_s = Arrivals("poisson", seed=5, steps=((10.0, 200.0), (10.0, 2000.0))).times_s(20.0)
    assert (times_s < 10.0).sum() == pytest.approx(2000, rel=0.1)
    assert (times_s >= 10.0).sum() == pytest.approx(20_000, rel=0.05)


def test_steps_beyond_the_duration_are_cut_off() -> None:
    times_s = Arrivals("constant", steps=((10.0, 100.0), (10.0, 100.0))).times_s(5.0)
    assert times_s[-1] < 5.0


@pytest.mark.parametrize("arrivals", [Arrivals(), Arrivals("constant", -1.0), Arrivals(steps=((0.0, 5.0),))])
def test_a_rate_or_a_length_of_nothing_is_refused(arrivals: Arrivals) -> None:
    with pytest.raises(ValueError, match="more than 0 was expected"):
        arrivals.times_s(1.0)
