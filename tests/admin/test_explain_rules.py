"""Every rule: figures in, one finding out, and none where there is nothing to say."""

import re
from dataclasses import replace
from typing import Any

import pytest

from skysail_admin.explaining.capacity import objective_called_for_s, replicas_called_for, rows_in_time
from skysail_admin.explaining.default_rules import REASONS
from skysail_admin.explaining.distribution import Distribution
from skysail_admin.explaining.figures import ApplicationFigures, Figures, ModelFigures
from skysail_admin.explaining.finding import Finding, duration, number, percent
from skysail_admin.explaining.rules import findings_of, verdict_of


def observed(n: float, mean: float) -> Distribution:
    return Distribution(n, n * mean, ((mean, n), (float("inf"), n)))


APPLICATION = ApplicationFigures("a", 0.1, requests=observed(1000, 0.010))
MODEL = ModelFigures(
    "m",
    "1",
    rows=Distribution(500, 1000, ((1.0, 250), (4.0, 500), (float("inf"), 500))),
    queue=observed(500, 0.003),
    rpc=observed(500, 0.003),
    duration=observed(500, 0.004),
    causes={"idle": 200, "deadline": 150, "full": 150},
    fixed_s=0.002,
    row_s=0.001,
    overhead_s=0.001,
)
CALM = Figures(APPLICATION, MODEL, window_s=10.0, n_asking=1000, n_cached_asking=1000, round_trips=observed(20, 0.002))
"""An application that lacks nothing."""


def with_application(**changes: Any) -> Figures:
    return replace(CALM, application=replace(APPLICATION, **changes))


def with_model(**changes: Any) -> Figures:
    return replace(CALM, model=replace(MODEL, **changes))


def the(rule: str, figures: Figures) -> Finding:
    found = [finding for finding in findings_of(figures) if finding.rule == rule]
    assert len(found) == 1, [finding.rule for finding in findings_of(figures)]
    return found[0]


def rules_of(figures: Figures) -> set[str]:
    return {finding.rule for finding in findings_of(figures)}


def test_an_application_that_lacks_nothing_hears_only_that() -> None:
    assert rules_of(CALM) == {"objective"}
    assert the("objective", CALM).text == "100 % of the answers were predictions within the objective of 100 ms."


def test_the_verdict_names_the_largest_part() -> None:
    slow = replace(CALM, model=replace(MODEL, duration=observed(500, 0.0085), rpc=observed(500, 0.001)))
    assert verdict_of(slow) == "Most of the time (75 %) goes to the model: 9.00 ms of the mean 12.0 ms."
    assert verdict_of(CALM).startswith("The largest part of the time (38 %) goes to the model: 4.50 ms of")


def test_the_verdict_begins_with_the_defaults_where_they_are_most() -> None:
    refused = with_application(defaults={"overload": 600, "deadline": 20})
    assert verdict_of(refused).startswith("Most answers (62 %) are default outputs, mostly because the queue was full.")


def test_no_traffic_is_said_with_what_to_do() -> None:
    idle = with_application(requests=Distribution())
    assert verdict_of(idle) == "Nothing to explain: no query for a came in 10 s."
    assert "--seconds 0" in (the("no_traffic", idle).next_step or "")
    never = replace(idle, window_s=None)
    assert verdict_of(never) == "Nothing to explain: no query for a has come yet."
    assert "skysail predict a" in (the("no_traffic", never).next_step or "")


def test_counters_that_began_anew_are_told() -> None:
    assert "--query-url" in (the("counters_reset", replace(CALM, is_reset=True)).next_step or "")


def test_a_missed_objective_is_a_problem_and_comes_first() -> None:
    missed = with_application(defaults={"model_error": 50})
    found = the("objective", missed)
    assert found.level == "problem"
    assert "95 %" in found.text
    assert "5.0 % were default outputs" in found.text
    levels = [finding.level for finding in findings_of(missed)]
    assert levels == sorted(levels, key=("problem", "advice", "note").index)


@pytest.mark.parametrize(
    ("reason", "step"),
    [
        ("overload", "skysail model scale m"),
        ("no_time", "skysail model scale m"),
        ("deadline", "skysail model scale m"),
        ("model_error", "skysail logs m"),
        ("rejected_input", "skysail logs m"),
        ("no_replica", "skysail logs m:1"),
        ("poison", "skysail logs m"),
        ("container_lost", "skysail logs m"),
        ("of_a_newer_frontend", "skysail logs m"),
    ],
)
def test_each_reason_of_a_default_has_its_next_step(reason: str, step: str) -> None:
    found = the(f"default_{reason}", with_application(defaults={reason: 10}))
    assert found.level == "problem"
    assert found.text.startswith(f"10 default outputs (1.0 % of the answers), because {REASONS.get(reason, reason)}")
    assert step in (found.next_step or "")


@pytest.mark.parametrize("reason", ["no_link", "shutdown"])
def test_defaults_that_are_past_need_no_next_step(reason: str) -> None:
    assert the(f"default_{reason}", with_application(defaults={reason: 10})).next_step is None


def test_a_rate_above_what_replicas_compute_calls_for_a_number_of_them() -> None:
    busy = replace(with_application(defaults={"overload": 500}), n_asking=40_000)
    called_for = replicas_called_for(busy)
    assert called_for is not None
    assert called_for > 5
    found = the("default_overload", busy)
    assert f"4,000 rows/s at the fitted latency call for {called_for} replicas, 1 is connected" in found.text
    assert f"skysail model scale m {called_for}" in (found.next_step or "")


def test_twice_the_rate_calls_for_twice_the_replicas_and_a_longer_objective_for_fewer() -> None:
    busy = replace(CALM, n_asking=40_000)
    one, two = replicas_called_for(busy), replicas_called_for(replace(busy, n_asking=80_000))
    assert one is not None
    assert two is not None
    assert 2 * one - 1 <= two <= 2 * one
    tight = replace(busy, application=replace(APPLICATION, objective_s=0.009))
    assert rows_in_time(tight) < rows_in_time(busy)
    assert (replicas_called_for(tight) or 0) > one


def test_a_set_batch_size_is_the_one_reckoned_with() -> None:
    assert rows_in_time(with_model(policy="fixed", max_batch_rows=6)) == 6
    assert rows_in_time(with_model(max_batch_rows=3)) == 3
    assert rows_in_time(CALM) == 8, "twice the largest that was seen"


def test_without_a_window_there_is_no_number_of_replicas() -> None:
    unknown = replace(with_application(defaults={"overload": 500}), window_s=None)
    assert replicas_called_for(unknown) is None
    assert "measure under load" in (the("default_overload", unknown).next_step or "")
    assert replicas_called_for(with_model(fixed_s=0.0, row_s=0.0)) is None
    assert objective_called_for_s(with_model(fixed_s=0.0, row_s=0.0)) is None


def test_refusals_at_a_rate_that_could_be_met_are_bursts() -> None:
    found = the("default_no_time", with_application(defaults={"no_time": 5}, objective_s=0.006))
    assert "in bursts" in found.text
    assert "skysail model scale m 2" in (found.next_step or "")
    assert "--slo-ms" in (found.next_step or "")
    assert "--fallback" in (found.next_step or "")


def test_a_model_slower_than_the_objective_calls_for_a_longer_one() -> None:
    hopeless = with_application(defaults={"deadline": 900}, objective_s=0.003)
    found = the("default_deadline", hopeless)
    assert "one row alone takes up to 4.00 ms, longer than the objective of 3 ms" in found.text
    step = re.search(r"skysail app update a --slo-ms ([\d.]+)", found.next_step or "")
    assert step is not None
    assert float(step[1]) == 9.0, "two usual batches of two rows and the overhead"


def test_a_model_that_stalls_is_told_from_one_that_is_slow() -> None:
    stalling = Distribution(500, 500 * 0.01, ((0.005, 480), (0.5, 500), (float("inf"), 500)))
    figures = replace(with_application(defaults={"deadline": 20}), model=replace(MODEL, duration=stalling))
    assert "the model stalls" in the("default_deadline", figures).text


def test_a_model_that_never_answers_is_seen() -> None:
    hanging = ModelFigures("m", "1")
    figures = replace(with_application(defaults={"deadline": 1000}), model=hanging)
    found = the("default_deadline", figures)
    assert "no batch came back" in found.text
    assert "skysail logs m" in (found.next_step or "")


def test_no_replica_says_whether_none_is_wanted_or_none_comes_up() -> None:
    refused = with_application(defaults={"no_replica": 10})
    none_wanted = replace(refused, model=replace(MODEL, n_wanted=0, n_replicas=0, n_in_rotation=0))
    assert "skysail model scale m:1 1" in (the("default_no_replica", none_wanted).next_step or "")
    none_up = replace(refused, model=replace(MODEL, n_wanted=2, n_replicas=0, n_in_rotation=0))
    assert "none of 2 is up" in the("default_no_replica", none_up).text
    assert "0 of 2 replicas" in the("replicas_missing", none_up).text


def test_what_holds_for_two_reasons_is_said_once() -> None:
    busy = replace(with_application(defaults={"overload": 500, "no_time": 400}), n_asking=40_000)
    assert the("default_overload", busy).next_step is not None
    assert the("default_no_time", busy).next_step is None


def test_a_low_priority_is_named_only_where_somebody_is_preferred() -> None:
    low = replace(with_application(defaults={"overload": 500}, priority="low"), n_asking=40_000)
    assert "--priority" not in (the("default_overload", low).next_step or "")
    assert "--priority normal" in (the("default_overload", replace(low, others=("b",))).next_step or "")


@pytest.mark.parametrize("cause", ["full", "deadline", "idle"])
def test_why_most_batches_leave_is_told(cause: str) -> None:
    found = the(f"batches_{cause}", with_model(causes={cause: 300, "probe": 10}))
    assert found.text.startswith("97 % of the batches leave")
    assert "2 rows on average" in found.text


def test_full_batches_below_a_set_cap_call_for_a_larger_cap() -> None:
    causes = {"full": 300.0}
    assert "--max-rows 0" in (the("batches_full", with_model(causes=causes, max_batch_rows=4)).next_step or "")
    fixed = with_model(causes=causes, max_batch_rows=4, policy="fixed")
    assert "skysail model scale" in (the("batches_full", fixed).next_step or "")


def test_of_few_batches_nothing_is_said() -> None:
    assert rules_of(with_model(causes={"full": 5, "probe": 5, "hedge": 5})) == {"objective"}


def test_trials_hedges_and_containers_that_died_are_told_with_their_share() -> None:
    assert the("probes", with_model(causes={"idle": 50, "probe": 50})).text.startswith("50 % of the batches")
    assert the("hedges", with_model(causes={"idle": 95, "hedge": 5})).text.startswith("5.0 % of the batches")
    assert "hedges" not in rules_of(with_model(causes={"idle": 999, "hedge": 1}))
    assert "2 batches" in the("containers_died", with_model(causes={"suspect": 2}, poison_rows=1)).text


def test_replicas_out_of_rotation_or_missing_are_told() -> None:
    out = with_model(n_wanted=3, n_replicas=3, n_in_rotation=2, ejections=1)
    assert the("out_of_rotation", out).text.startswith("1 of 3 replicas is out of rotation")
    assert "ejections" not in rules_of(out)
    assert "taken out of rotation 2 times" in the("ejections", with_model(ejections=2)).text
    assert the("replicas_missing", with_model(n_wanted=2)).text == "1 of 2 replicas of m:1 are connected."


MODEL_BOUND = {"duration": observed(500, 0.009), "rpc": observed(500, 0.0005)}


def test_a_mostly_fixed_cost_wants_larger_batches() -> None:
    found = the("fixed_cost", with_model(**MODEL_BOUND, fixed_s=0.008, row_s=0.0005))
    assert "a batch costs 8.00 ms and 0.50 ms per row, 2 rows on average" in found.text
    assert found.next_step == "send rows together as input_batch"


def test_a_delay_is_advised_where_rows_would_come_in_its_time() -> None:
    idle = with_model(**MODEL_BOUND, fixed_s=0.008, row_s=0.0005, causes={"idle": 500})
    assert "--delay-us" not in (the("fixed_cost", idle).next_step or ""), "100 rows/s: none comes within 4 ms"
    busier = replace(idle, n_asking=10_000)
    assert "skysail model batching m --delay-us 4000" in (the("fixed_cost", busier).next_step or "")
    assert "--max-rows" in (
        the("fixed_cost", replace(busier, model=replace(busier.model, policy="fixed"))).next_step or ""
    )


def test_a_mostly_per_row_cost_wants_replicas() -> None:
    found = the("row_cost", with_model(**MODEL_BOUND, fixed_s=0.0005, row_s=0.004))
    assert found.next_step == "add replicas: skysail model scale m 2"


def test_of_costs_that_are_not_known_apart_nothing_is_said() -> None:
    same_size = observed(500, 1.0)
    unknown = with_model(**MODEL_BOUND, rows=same_size, fixed_s=0.009, row_s=1e-9)
    assert not rules_of(unknown) & {"fixed_cost", "row_cost"}


def test_a_useless_a_small_and_a_useful_cache_are_told_apart() -> None:
    assert "--no-cache" in (the("cache_useless", with_model(hits=1, misses=999)).next_step or "")
    assert "SKYSAIL_CACHE_BYTES" in (
        the("cache_too_small", with_model(hits=300, misses=700, evictions=9)).next_step or ""
    )
    assert the("cache_useful", with_model(hits=300, misses=700)).level == "note"
    for quiet in (with_model(hits=100, misses=900), with_model(hits=1, misses=9)):
        assert not any(rule.startswith("cache") for rule in rules_of(quiet))
    off = replace(with_model(hits=1, misses=999), application=replace(APPLICATION, cache=False))
    assert "cache_useless" not in rules_of(off)


def test_a_large_share_of_rpc_is_told() -> None:
    found = the("rpc", with_model(rpc=observed(500, 0.009), duration=observed(500, 0.0005)))
    assert "9.00 ms on the way" in found.text


def test_a_far_away_client_is_told() -> None:
    assert "50.0 ms from here" in the("network", replace(CALM, round_trips=observed(20, 0.05))).text


def test_round_trips_of_which_few_take_long_are_told_from_a_long_way() -> None:
    stalled = Distribution.of_values([0.002] * 19 + [2.0])
    found = the("network_stalls", replace(CALM, round_trips=stalled))
    assert "half of them take less than 2.00 ms" in found.text


QUICK = {"rpc": observed(500, 0.0005), "duration": observed(500, 0.0005)}


def test_waiting_is_for_company_for_replicas_or_in_the_frontend() -> None:
    waiting = with_model(**QUICK)
    assert "queries come in bursts" in the("waiting_in_frontend", waiting).text
    busy = with_model(rpc=observed(500, 0.0005), duration=observed(2000, 0.004))
    assert "80 % of the time" in the("waiting_for_replicas", busy).text
    assert "--delay-us 4000" in (the("waiting_for_company", with_model(**QUICK, batch_delay_s=0.008)).next_step or "")


def test_answers_of_the_fallback_are_told() -> None:
    found = the("fallbacks", with_application(fallback="quick", fallbacks=100))
    assert found.text == "10 % of the answers are those of the fallback model quick, because m had no room."


def test_a_shared_model_is_named() -> None:
    assert "m:1 also answers b, c" in the("shared_model", replace(CALM, others=("b", "c"))).text


def test_figures_read_as_people_write_them() -> None:
    assert [percent(share) for share in (0.0, 0.0004, 0.05, 0.6249, 0.995, 0.99996, 1.0)] == [
        *("0 %", "less than 0.1 %", "5.0 %", "62 %", "99.5 %", "more than 99.9 %", "100 %")
    ]
    assert [duration(s) for s in (0.00042, 0.0066, 0.0123, 0.142, 2.5)] == [
        *("0.42 ms", "6.60 ms", "12.3 ms", "142 ms", "2.5 s")
    ]
    assert [number(value) for value in (3, 3.46, 1234.4)] == ["3", "3.5", "1,234"]
