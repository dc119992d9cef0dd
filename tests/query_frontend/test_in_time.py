"""What must hold under load and faults, in virtual time: one test per row of the table in docs/scheduling.md.

The same rows run on real processes in `benchmarks`; what is asked here of every seed is asked there of a quiet machine.
"""

import random
from functools import cache

import pytest

from harness.virtual_serving import Model, Outcome, VirtualServing, linear_model, mixed, poisson

SLO_S = 0.1
TIMER_LATE_S = 0.0011
SEEDS = (1, 2)


def the_model(seed: int) -> Model:
    """5 + 0.5 * rows ms with 8 % noise and rare stalls of 60 ms: about 1,800 rows a second."""
    random_ = random.Random(seed)
    line = linear_model(0.005, 0.0005, noise=0.08, seed=seed)
    return lambda n_rows, now_s: line(n_rows, now_s) + (0.06 if random_.random() < 0.002 else 0.0)


def assert_all_in_time(outcome: Outcome) -> None:
    """Nobody hears later than the deadline and the timer's millisecond; that all hear once, `run` has checked."""
    assert outcome.latest_default_s < TIMER_LATE_S


@cache
def best_fixed_rate() -> float:
    """Goodput of the best fixed batch size, found by trying them under twice the load that any can take."""
    rates = []
    for n_rows in (8, 16, 32, 48, 64, 80, 96, 112, 128):
        serving = VirtualServing(the_model(7), max_batch_rows=n_rows, policy="fixed")
        rates.append(serving.run(poisson(1800, 6, SLO_S, seed=7)).rate(1, 6))
    return max(rates)


# --- any load ------------------------------------------------------------------------------------------------------


@pytest.mark.xdist_group("best-fixed-rate")  # one worker finds it
@pytest.mark.parametrize("factor", [1.0, 1.5, 2.0, 3.0])
@pytest.mark.parametrize("seed", SEEDS)
def test_goodput_above_capacity_is_that_of_the_best_fixed_size(factor: float, seed: int) -> None:
    outcome = VirtualServing(the_model(seed)).run(poisson(1800 * factor, 6, SLO_S, seed=seed))
    assert outcome.rate(1, 6) >= 0.95 * best_fixed_rate()
    assert_all_in_time(outcome)


@pytest.mark.parametrize(("rate", "least"), [(1700, 0.86), (2160, 0.70)])
@pytest.mark.parametrize("seed", SEEDS)
def test_mixed_objectives_starve_nobody(rate: float, least: float, seed: int) -> None:
    arrivals = list(mixed(rate, 8, (0.04, 0.25), seed))
    outcome = VirtualServing(the_model(seed)).run(arrivals)
    assert outcome.attainment(0.04) >= 0.5 * outcome.attainment(0.25)
    assert outcome.share > least
    aimd = VirtualServing(the_model(seed), policy="aimd").run(arrivals)
    assert outcome.share > aimd.share
    assert_all_in_time(outcome)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_stall_leaves_no_trace_after_a_second(seed: int) -> None:
    serving = VirtualServing(the_model(seed))
    serving.stop(0, at_s=3.0, seconds=0.5)
    outcome = serving.run(poisson(1440, 8, SLO_S, seed=seed))
    assert outcome.rate(4.5, 8) > 0.96 * 1440
    assert_all_in_time(outcome)


@pytest.mark.parametrize("rate", [2, 20, 100])
def test_at_low_load_nothing_is_shed(rate: float) -> None:
    outcome = VirtualServing(linear_model(0.005, 0.0005, noise=0.08)).run(poisson(rate, 30, SLO_S))
    assert outcome.share == 1.0


def test_batches_that_never_vary_in_size_do_not_make_the_fit_shed() -> None:
    model = linear_model(0.020, 0.0005, noise=0.3)
    outcome = VirtualServing(model, max_batch_rows=1).run((0.05 * i, SLO_S) for i in range(600))
    assert outcome.share > 0.99
    assert_all_in_time(outcome)


def test_four_frontends_share_two_replicas() -> None:
    serving = VirtualServing(the_model(1), n_replicas=2, n_frontends=4)
    outcome = serving.run(poisson(0.9 * 3000, 6, SLO_S))
    assert outcome.share > 0.85
    assert_all_in_time(outcome)


def test_four_overloaded_frontends_do_not_collapse() -> None:
    serving = VirtualServing(the_model(1), n_replicas=2, n_frontends=4)
    outcome = serving.run(poisson(2 * 3600, 6, SLO_S))
    assert outcome.rate(1, 6) > 0.5 * 3600
    assert_all_in_time(outcome)


# --- any fault -----------------------------------------------------------------------------------------------------
# Three replicas at 70 % of their capacity.

RATE = 0.7 * 3 * 1700


@pytest.mark.parametrize("seed", SEEDS)
def test_a_killed_replica_costs_only_what_has_no_time_for_another_try(seed: int) -> None:
    serving = VirtualServing(the_model(seed), n_replicas=3)
    serving.kill(1, at_s=1.0, back_after_s=1.0)
    outcome = serving.run(poisson(RATE, 4, SLO_S, seed=seed))
    assert outcome.reasons["container_lost"] == 0
    lost = [at_s for at_s, _ in outcome.defaults_at_s if 1.0 <= at_s < 1.0 + SLO_S + 0.1]
    assert len(lost) <= 2 * 100  # what it held
    assert outcome.rate(2.5, 4) > 0.97 * RATE
    assert outcome.n_sent(1, 2.0, 2.5) > 0
    assert_all_in_time(outcome)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_stopped_replica_is_out_of_rotation_and_comes_back(seed: int) -> None:
    serving = VirtualServing(the_model(seed), n_replicas=3)
    serving.stop(1, at_s=1.0, seconds=1.5)
    outcome = serving.run(poisson(RATE, 6, SLO_S, seed=seed))
    assert outcome.n_sent(1, 1.0, 2.5) <= 3
    assert outcome.n_sent(1, 5.0, 6.0) > 5
    assert outcome.rate(1.5, 2.5) > 0.9 * RATE
    assert outcome.rate(4.5, 6) > 0.97 * RATE
    assert_all_in_time(outcome)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_slow_replica_is_out_of_rotation_and_comes_back(seed: int) -> None:
    serving = VirtualServing(the_model(seed), n_replicas=3)
    serving.slow(1, 10.0, at_s=1.0, seconds=3.0)
    outcome = serving.run(poisson(RATE, 9, SLO_S, seed=seed))
    assert outcome.n_sent(1, 2.0, 4.0) <= 8  # probes
    assert outcome.n_sent(1, 8.0, 9.0) > 5
    assert outcome.rate(2.0, 4.0) > 0.9 * RATE
    assert_all_in_time(outcome)


@pytest.mark.parametrize("n_replicas", [1, 3])
def test_the_last_replica_is_never_out(n_replicas: int) -> None:
    serving = VirtualServing(the_model(1), n_replicas=n_replicas)
    for replica in range(n_replicas):
        serving.stop(replica, at_s=1.0, seconds=1.0)
    outcome = serving.run(poisson(800, 6, SLO_S))
    assert outcome.rate(4, 6) > 0.97 * 800
    assert_all_in_time(outcome)


def test_a_row_that_kills_containers_kills_two_at_most() -> None:
    serving = VirtualServing(the_model(1), n_replicas=3)
    for i in range(20):
        serving.poison(1.0 + 0.2 * i, SLO_S)
    outcome = serving.run(poisson(600, 6, SLO_S))
    assert serving.n_deaths == 2
    assert outcome.reasons["poison"] >= 18
    assert outcome.rate(3, 6) > 0.97 * 600
    assert_all_in_time(outcome)


@pytest.mark.parametrize("seed", range(12))
def test_whatever_happens_everybody_is_answered_in_time(seed: int) -> None:
    random_ = random.Random(seed)
    serving = VirtualServing(the_model(seed), n_replicas=3, n_frontends=random_.choice([1, 2]))
    for replica in range(3):
        at_s = 0.0
        while (at_s := at_s + random_.expovariate(1.0)) < 4.0:
            what = random_.randrange(3)
            seconds = random_.uniform(0.05, 1.0)
            if what == 0:
                serving.stop(replica, at_s, seconds)
            elif what == 1:
                serving.slow(replica, random_.choice([3.0, 10.0, 100.0]), at_s, seconds)
            else:
                serving.kill(replica, at_s, seconds)
                at_s += seconds
    if seed % 3 == 0:
        serving.poison(1.0, SLO_S)
    outcome = serving.run([*mixed(random_.choice([500, 3000, 9000]), 5, (0.02, SLO_S, 0.5), seed)])
    assert_all_in_time(outcome)
