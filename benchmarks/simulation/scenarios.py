"""What is simulated: arrivals, SLO classes, replicas and faults by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from benchmarks.simulation.arrivals import Arrivals, SloClass, queries
from benchmarks.simulation.baselines import Aimd, AimdDropExpired, EarlyDrop
from benchmarks.simulation.ledger import Ledger
from benchmarks.simulation.oracle import FORESIGHTS, Foresight, Oracle
from benchmarks.simulation.policy import Policy
from benchmarks.simulation.replicas import Death, Pause, Replica, ServiceTime, Slowness, replicas
from benchmarks.simulation.skysail_policy import SkysailPolicy
from benchmarks.simulation.virtual_time import Outcome, simulate

__all__ = [
    "BASELINES",
    "DEFAULT_SECONDS",
    "FIXED_SIZES",
    "ORACLE",
    "POLICIES",
    "SCENARIOS",
    "SKYSAIL",
    "Scenario",
    "run",
]

SKYSAIL, ORACLE = "this rule", "oracle"
BASELINES = ("AIMD", "AIMD, drop expired", "early drop")
POLICIES = (*BASELINES, SKYSAIL, ORACLE)
"""In the order of the tables' columns."""
FIXED_SIZES = (10, 20, 30, 40, 60, 80, 100, 120, 140, 170, 200)
"""Sizes of the sweep for the best fixed one."""
FIXED = "fixed "
"""A policy named `fixed 40` is early drop with batches of 40."""
ONE_CLASS = (SloClass(1.0, 0.100),)
MIXED = (SloClass(0.5, 0.040), SloClass(0.5, 0.250))
SERVICE = ServiceTime()
DEFAULT_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Scenario:
    """Faults are at moments of a run of DEFAULT_SECONDS; a shorter or longer run stretches them in proportion, all but
    the length of a pause."""

    name: str
    title: str
    arrivals: Arrivals
    classes: Sequence[SloClass] = ONE_CLASS
    n_replicas: int = 1
    faults: Sequence[Pause | Slowness | Death] = ()
    service: ServiceTime = SERVICE
    is_in_design: bool = False

    @property
    def objective_s(self) -> float:
        """The strictest SLO."""
        return min(one.slo_s for one in self.classes)


SCENARIOS = {
    one.name: one
    for one in (
        Scenario("100ms-1400", "100 ms, 1400/s", Arrivals("poisson", 1400), is_in_design=True),
        Scenario("100ms-1700", "100 ms, 1700/s", Arrivals("poisson", 1700), is_in_design=True),
        Scenario("100ms-2200", "100 ms, 2200/s", Arrivals("poisson", 2200), is_in_design=True),
        Scenario("mixed-1700", "40/250 ms mixed, 1700/s", Arrivals("poisson", 1700), MIXED, is_in_design=True),
        Scenario("mixed-2200", "40/250 ms mixed, 2200/s", Arrivals("poisson", 2200), MIXED, is_in_design=True),
        Scenario("bursty", "bursty (CV 3), 1300/s", Arrivals("bursty", 1300)),
        Scenario("diurnal", "diurnal, 1400/s +-60 %", Arrivals("diurnal", 1400)),
        Scenario("step", "step, 1400 to 2100/s", Arrivals("step", 1400)),
        Scenario("stall", "500 ms stalls, 1400/s", Arrivals("poisson", 1400), faults=(Pause(6, 0.5), Pause(13, 0.5))),
        Scenario(
            "slow-replica",
            "3 replicas, one 10x slow, 3600/s",
            Arrivals("poisson", 3600),
            n_replicas=3,
            faults=(Slowness(5, 15, 10.0),),
        ),
        Scenario(
            "dying-replica",
            "3 replicas, one dies and returns, 3600/s",
            Arrivals("poisson", 3600),
            n_replicas=3,
            faults=(Death(6, 14),),
        ),
    )
}


def run(scenario: Scenario, policy: str, seed: int, seconds: float = DEFAULT_SECONDS) -> Outcome:
    """One run; the same for the same arguments. Every policy meets the same queries and replicas.

    :param policy: one of POLICIES, or `fixed N` for batches of N rows
    """
    arriving = queries(scenario.arrivals, scenario.classes, seconds, seed)
    faults = [_stretched(fault, seconds / DEFAULT_SECONDS) for fault in scenario.faults]
    at_work = replicas(scenario.service, scenario.n_replicas, faults, seconds, seed)
    if policy == ORACLE:
        outcomes = [simulate(arriving, at_work, partial(_oracle, at_work, foresight)) for foresight in FORESIGHTS]
        return max(outcomes, key=lambda outcome: outcome.n_predictions)
    return simulate(arriving, at_work, _maker(policy, scenario))


def _oracle(at_work: Sequence[Replica], foresight: Foresight, ledger: Ledger) -> Policy:
    return Oracle(ledger, at_work, foresight)


def _maker(policy: str, scenario: Scenario) -> Callable[[Ledger], Policy]:
    objective_s, profile = scenario.objective_s, scenario.service
    if policy.startswith(FIXED):
        n_rows = int(policy.removeprefix(FIXED))
        return lambda ledger: EarlyDrop(ledger, profile, objective_s, n_rows)
    makers: dict[str, Callable[[Ledger], Policy]] = {
        "AIMD": lambda ledger: Aimd(ledger, objective_s),
        "AIMD, drop expired": lambda ledger: AimdDropExpired(ledger, objective_s),
        "early drop": lambda ledger: EarlyDrop(ledger, profile, objective_s),
        SKYSAIL: SkysailPolicy,
    }
    return makers[policy]


def _stretched(fault: Pause | Slowness | Death, by: float) -> Pause | Slowness | Death:
    if isinstance(fault, Pause):
        return Pause(by * fault.at_s, fault.seconds, fault.replica)
    if isinstance(fault, Slowness):
        return Slowness(by * fault.start_s, by * fault.end_s, fault.factor, fault.replica)
    return Death(by * fault.at_s, by * fault.back_s, fault.replica)
