"""Figures are ratios of the same round, and default outputs are no answers."""

from __future__ import annotations

from benchmarks.closed_loop import Summary
from benchmarks.demands import ECHO, FASTAPI, SKYSAIL, Round, Verdict, judge


def one_round(
    contestant: str, per_s: int, *, number: int = 0, case: str = "64x10", defaults: int = 0, p50_ms: float = 1.0
) -> Round:
    seen = Summary(
        requests=per_s,
        errors=0,
        defaults=defaults,
        duration_s=1.0,
        requests_per_s=per_s,
        mean_ms=p50_ms,
        p50_ms=p50_ms,
        p90_ms=p50_ms,
        p99_ms=2 * p50_ms,
        p999_ms=2 * p50_ms,
        max_ms=2 * p50_ms,
        client_cpu_s=0.1,
    )
    return Round(case, number, contestant, seen, {"frontend": 0.5})


def speed_against(baseline: str, rounds: list[Round]) -> Verdict:
    (verdict,) = [v for v in judge(rounds) if v.demand.baseline == baseline and "predictions/s" in v.demand.text]
    return verdict


def test_contestants_are_paired_round_by_round_and_the_median_counts() -> None:
    rounds = [one_round(ECHO, speed, number=n) for n, speed in enumerate((100, 200, 1000))]
    rounds += [one_round(SKYSAIL, speed, number=n) for n, speed in enumerate((210, 380, 3000))]
    verdict = speed_against(ECHO, rounds)
    assert verdict.figures == (2.1, 1.9, 3.0)
    assert verdict.value == 2.1
    assert verdict.met


def test_default_outputs_do_not_count_as_answers() -> None:
    verdict = speed_against(FASTAPI, [one_round(FASTAPI, 100), one_round(SKYSAIL, 1000, defaults=300)])
    assert verdict.figures == (7.0,)
    assert not verdict.met


def test_latencies_must_be_below_the_echos_and_equal_is_not_below() -> None:
    verdicts = judge([one_round(ECHO, 100), one_round(SKYSAIL, 300)])
    assert [v.met for v in verdicts if v.demand.text.startswith(("p50", "p99"))] == [False, False]


def test_one_connection_may_add_a_quarter_of_a_millisecond() -> None:
    (verdict,) = judge([one_round(ECHO, 9, case="1x10"), one_round(SKYSAIL, 9, case="1x10", p50_ms=1.25)])
    assert verdict.value == 0.25
    assert verdict.met


def test_demands_without_figures_are_left_out() -> None:
    assert judge([one_round(SKYSAIL, 1)]) == []


def test_cpu_is_told_per_query() -> None:
    assert one_round(SKYSAIL, 1000).cpu_us_per_query("frontend") == 500.0
