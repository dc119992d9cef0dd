"""The simulation is deterministic, loses no query, and its policies do what is said of them."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean, pstdev

import pytest
from benchmarks.simulate import main
from benchmarks.simulation.arrivals import Arrivals, SloClass, queries
from benchmarks.simulation.baselines import Aimd, AimdDropExpired, EarlyDrop
from benchmarks.simulation.ledger import Ledger, LedgerError, VirtualQuery
from benchmarks.simulation.policy import Sent
from benchmarks.simulation.replicas import Death, Pause, Replica, ServiceTime, Slowness, replicas
from benchmarks.simulation.scenarios import ORACLE, POLICIES, SCENARIOS, SKYSAIL, run
from benchmarks.simulation.virtual_time import WIRE_S, Outcome, simulate

EXACT = ServiceTime(noise=0.0, stall_every_s=0.0)
"""5 + 0.5 b ms, and nothing else happens."""


def at(*arrivals_s: float, slo_s: float = 0.1) -> list[VirtualQuery]:
    return [VirtualQuery(number, at_s, at_s + slo_s, 0) for number, at_s in enumerate(arrivals_s)]


def exact_replica(faults: Sequence[Pause | Slowness | Death] = ()) -> list[Replica]:
    return replicas(EXACT, 1, faults, 1.0, seed=1)


def answers(outcome: Outcome) -> list[tuple[float, bool]]:
    return [(answer.at_s, answer.is_prediction) for answer in outcome.answers]


@pytest.mark.parametrize("policy", POLICIES)
def test_equal_seeds_give_equal_runs_and_others_do_not(policy: str) -> None:
    scenario = SCENARIOS["mixed-1700"]
    first, again, other = (run(scenario, policy, seed, 0.3) for seed in (1, 1, 2))
    assert answers(first) == answers(again)
    assert first.batches == again.batches
    assert answers(first) != answers(other)


@pytest.mark.parametrize("name", SCENARIOS)
def test_our_policy_answers_every_query_once_and_none_after_its_deadline(name: str) -> None:
    outcome = run(SCENARIOS[name], SKYSAIL, 1, 1.0)
    assert len(outcome.answers) == len(outcome.queries) > 100
    late_s = [answer.at_s - query.deadline_s for query, answer in zip(outcome.queries, outcome.answers, strict=True)]
    assert max(late_s) < 1e-9
    early_s = [answer.at_s - query.arrival_s for query, answer in zip(outcome.queries, outcome.answers, strict=True)]
    assert min(early_s) >= 0.0


def test_a_ledger_takes_one_answer_a_query_and_no_late_prediction() -> None:
    first, second = at(0.0, 0.0)
    ledger = Ledger([first, second])
    ledger.predict(first, 0.05)
    with pytest.raises(LedgerError, match="answered twice"):
        ledger.default(first, 0.06)
    with pytest.raises(LedgerError, match="after its deadline"):
        ledger.predict(second, 0.11)
    with pytest.raises(LedgerError, match="1 of 2 queries were never answered"):
        ledger.close()


def grown(policy: Aimd, full_batches: int) -> int:
    """Its size after so many full batches within the objective."""
    for _ in range(full_batches):
        policy.computed(Sent(0, at(*[0.0] * policy.size(0))), 0.0, 0.01, 0.01)
    return policy.size(0)


def test_aimd_grows_by_a_fixed_amount_and_shrinks_by_a_tenth() -> None:
    policy = Aimd(Ledger(at(*[0.0] * 200)), objective_s=0.1)
    policy._ledger.predict = lambda query, now_s: None  # type: ignore[method-assign]  # the same queries come again
    assert [grown(policy, 1) for _ in range(3)] == [3, 5, 7]
    assert grown(policy, 47) == 101
    policy.computed(Sent(0, at(*[0.0] * 101)), 0.0, 0.101, 0.1)
    assert policy.size(0) == 90
    policy.computed(Sent(0, at(*[0.0] * 50)), 0.0, 0.05, 0.05)
    assert policy.size(0) == 90, "a batch that was not full says nothing of larger ones"


def test_aimd_computes_what_has_expired_unless_it_drops_it() -> None:
    arriving = [*at(0.0), *[VirtualQuery(number, 0.001, 0.004, 0) for number in range(1, 4)]]
    kept = simulate(arriving, exact_replica(), lambda ledger: Aimd(ledger, 0.1))
    dropped = simulate(arriving, exact_replica(), lambda ledger: AimdDropExpired(ledger, 0.1))
    assert [rows for _, rows in kept.batches] == [1, 3]
    assert [rows for _, rows in dropped.batches] == [1]
    assert answers(kept) == answers(dropped), "both give the default output at the deadline"


def test_early_drop_gives_up_heads_that_the_batch_they_lead_would_miss() -> None:
    tight, loose = SloClass(0.5, 0.012), SloClass(0.5, 0.1)
    arriving = [VirtualQuery(n, 0.0, one.slo_s, 0) for n, one in enumerate((tight, *[loose] * 20))]
    outcome = simulate(arriving, exact_replica(), lambda ledger: EarlyDrop(ledger, EXACT, 0.1))
    assert [answer.is_prediction for answer in outcome.answers] == [True] * 21, "the first arrival finds it idle"
    busy = [VirtualQuery(0, 0.0, 0.1, 0), *[replace(query, number=query.number + 1) for query in arriving]]
    outcome = simulate(busy, exact_replica(), lambda ledger: EarlyDrop(ledger, EXACT, 0.1))
    assert [answer.is_prediction for answer in outcome.answers] == [True, False, *[True] * 20]
    assert [rows for _, rows in outcome.batches] == [1, 20]


def test_early_drop_takes_half_the_objective_for_a_batch() -> None:
    assert EarlyDrop(Ledger([]), EXACT, 0.1).size(0) == 90


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("name", ["100ms-1700", "mixed-1700", "mixed-2200", "bursty", "slow-replica", "dying-replica"])
def test_the_oracle_is_at_least_as_good_as_every_other_policy(name: str, seed: int) -> None:
    best = run(SCENARIOS[name], ORACLE, seed, 0.5).n_predictions
    for policy in (*POLICIES, "fixed 20", "fixed 40", "fixed 120"):
        assert run(SCENARIOS[name], policy, seed, 0.5).n_predictions <= best, policy


def test_a_pause_lengthens_what_runs_and_what_begins_in_it() -> None:
    (replica,) = exact_replica([Pause(0.2, 0.5)])
    assert replica.end_s(10, 0.1) == pytest.approx(0.11)
    assert replica.end_s(10, 0.195) == pytest.approx(0.705)
    assert replica.end_s(10, 0.4) == pytest.approx(0.71)
    assert replica.end_s(10, 0.7) == pytest.approx(0.71)


def test_a_slow_replica_takes_its_factor_while_it_is_slow() -> None:
    (replica,) = exact_replica([Slowness(0.2, 0.4, 10.0)])
    assert [replica.end_s(10, at_s) - at_s for at_s in (0.1, 0.3, 0.5)] == pytest.approx([0.01, 0.1, 0.01])


def test_what_a_dying_replica_holds_is_sent_again_when_it_is_back() -> None:
    outcome = simulate(at(0.0), exact_replica([Death(0.003, 0.02)]), lambda ledger: Aimd(ledger, 0.1))
    (answer,) = outcome.answers
    assert answer.is_prediction
    assert answer.at_s == pytest.approx(0.02 + 0.0055 + 2 * WIRE_S)


def test_arrivals_have_their_rate_and_their_burstiness() -> None:
    for process, cv in (("poisson", 1.0), ("bursty", 3.0)):
        arriving = queries(Arrivals(process, 1000), (SloClass(1.0, 0.1),), 30.0, 1)  # type: ignore[arg-type]  # both are names
        gaps = [after.arrival_s - before.arrival_s for before, after in itertools.pairwise(arriving)]
        assert len(arriving) == pytest.approx(30_000, rel=0.1)
        assert pstdev(gaps) / fmean(gaps) == pytest.approx(cv, rel=0.1)


def test_diurnal_and_step_arrivals_change_their_rate() -> None:
    def rates(process: str) -> list[float]:
        arriving = queries(Arrivals(process, 1000), (SloClass(1.0, 0.1),), 10.0, 1)  # type: ignore[arg-type]  # a name
        return [sum(int(query.arrival_s) == second for query in arriving) for second in range(10)]

    assert rates("step")[:4] == pytest.approx([1000] * 4, rel=0.15)
    assert rates("step")[4:7] == pytest.approx([1500] * 3, rel=0.15)
    assert max(rates("diurnal")[1:4]) == pytest.approx(1590, rel=0.1)
    assert min(rates("diurnal")[6:9]) == pytest.approx(410, rel=0.2)


def test_slo_classes_have_their_shares() -> None:
    arriving = queries(Arrivals("poisson", 1000), (SloClass(0.25, 0.04), SloClass(0.75, 0.25)), 10.0, 1)
    assert fmean(query.slo == 0 for query in arriving) == pytest.approx(0.25, abs=0.02)
    assert {round(query.deadline_s - query.arrival_s, 6) for query in arriving} == {0.04, 0.25}


def test_the_command_prints_json_and_writes_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--seeds", "1", "--seconds", "0.5", "--scenario", "mixed-1700", "--out", str(tmp_path), "--jobs", "1"]
    assert main([*arguments, "--json", "--no-plots"]) == 0
    printed = capsys.readouterr()
    document = json.loads(printed.out)
    assert document == json.loads((tmp_path / "simulation.json").read_text())
    (scenario,) = document["scenarios"]
    assert list(scenario["policies"]) == list(POLICIES)
    assert scenario["slo_classes_ms"] == [40.0, 250.0]
    (ours,) = scenario["policies"][SKYSAIL]
    assert ours["attainment"] == pytest.approx(run(SCENARIOS["mixed-1700"], SKYSAIL, 1, 0.5).attainment)
    assert "16/16" in printed.err


def test_the_command_prints_tables(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--seeds", "1", "--seconds", "0.5", "--scenario", "mixed-1700", "--out", str(tmp_path), "--jobs", "1"]
    assert main([*arguments, "--no-plots"]) == 0
    printed = capsys.readouterr().out
    assert printed.count("40/250 ms mixed, 1700/s") == 4
    assert "AIMD, drop expired" in printed


def test_the_command_says_in_one_line_what_broke(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert main(["--scenario", "step", "--out", str(tmp_path / "file" / "folder")]) == 1
    assert capsys.readouterr().err.startswith("the simulation broke: ")


@pytest.mark.parametrize("arguments", [["--seeds", "0"], ["--scenario", "none"], ["--seconds", "0"]])
def test_the_command_refuses_nonsense(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    assert "error: argument" in capsys.readouterr().err
