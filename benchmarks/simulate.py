"""The project's scheduler in seeded virtual time, beside AIMD, early drop and an oracle.

    python -m benchmarks.simulate

Tables go to the screen; plots and every figure go to `benchmarks/results/simulation-*`. Nothing is measured: the same
arguments give the same figures on every machine. docs/scheduling.md explains the scenarios and policies.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, replace
from pathlib import Path
from typing import NamedTuple

from benchmarks.simulation.arrivals import Arrivals
from benchmarks.simulation.figures import (
    Figures,
    ScenarioFigures,
    attainment_table,
    class_table,
    figures_of,
    goodput_table,
)
from benchmarks.simulation.replicas import Pause
from benchmarks.simulation.scenarios import DEFAULT_SECONDS, FIXED_SIZES, POLICIES, SCENARIOS, Scenario, run

__all__ = ["main"]

RESULTS = Path(__file__).parent / "results"
LOADS = tuple(range(1000, 2601, 200))
"""Offered queries per second of the plot."""
LOAD_SECONDS = 10.0
"""Of a run for the plot at most."""
LOAD_MIXES = ("100ms-1400", "mixed-1700")
"""Scenarios whose rate is varied for the plot."""


Point = tuple[float, float]


class Job(NamedTuple):
    scenario: Scenario
    policy: str
    seed: int
    seconds: float


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when everything was simulated, 1 with one line on stderr when something broke, 130 when interrupted."""
    options = _options(arguments)
    try:
        _simulate(options)
    except (OSError, BrokenProcessPool) as error:
        print(f"the simulation broke: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        return 130
    return 0


def _simulate(options: argparse.Namespace) -> None:
    scenarios = [SCENARIOS[name] for name in options.scenario]
    options.out.mkdir(parents=True, exist_ok=True)
    found = _run_scenarios(scenarios, options)
    document = _document(found, options)
    if options.json:
        print(json.dumps(document, indent=1))
    else:
        _show(found, options)
    paths = [options.out / "simulation.json"]
    paths[0].write_text(json.dumps(document, indent=1) + "\n")
    if not options.no_plots:
        paths += _plot(found, options)
    print("written: " + ", ".join(map(str, paths)), file=sys.stderr)


def _run_scenarios(scenarios: Sequence[Scenario], options: argparse.Namespace) -> list[ScenarioFigures]:
    policies = [*POLICIES, *(f"fixed {size}" for size in FIXED_SIZES)]
    seeds = range(1, options.seeds + 1)
    jobs = [Job(one, policy, seed, options.seconds) for one in scenarios for policy in policies for seed in seeds]
    by_job = dict(zip(jobs, _run_all(jobs, options.jobs), strict=True))

    def runs(scenario: Scenario, policy: str) -> list[Figures]:
        return [by_job[Job(scenario, policy, seed, options.seconds)] for seed in seeds]

    return [
        ScenarioFigures(
            one,
            {policy: runs(one, policy) for policy in POLICIES},
            {size: runs(one, f"fixed {size}") for size in FIXED_SIZES},
        )
        for one in scenarios
    ]


def _run_all(jobs: Sequence[Job], n_processes: int) -> Iterator[Figures]:
    """The figures of each job in order; a line of progress on stderr."""
    if n_processes == 1:
        yield from _with_progress(map(_run_one, jobs), jobs)
    else:
        with ProcessPoolExecutor(n_processes) as pool:
            yield from _with_progress(pool.map(_run_one, jobs), jobs)


def _with_progress(found: Iterator[Figures], jobs: Sequence[Job]) -> Iterator[Figures]:
    is_terminal = sys.stderr.isatty()
    for done, (job, figures) in enumerate(zip(jobs, found, strict=True), start=1):
        is_news = done == len(jobs) or jobs[done].scenario != job.scenario
        if is_terminal or is_news:
            text = f"[{done:{len(str(len(jobs)))}}/{len(jobs)}] {job.scenario.title}, {job.policy}"
            print(f"\r\033[K{text}" if is_terminal else text, end="" if is_terminal else "\n", file=sys.stderr)
            sys.stderr.flush()
        yield figures
    if is_terminal:
        print("\r\033[K", end="", file=sys.stderr)


def _run_one(job: Job) -> Figures:
    outcome = run(job.scenario, job.policy, job.seed, job.seconds)
    return figures_of(outcome, len(job.scenario.classes), job.seconds)


def _show(found: Sequence[ScenarioFigures], options: argparse.Namespace) -> None:
    design = [one for one in found if one.scenario.is_in_design]
    others = [one for one in found if not one.scenario.is_in_design]
    print(f"share of queries with a real prediction in time; {options.seeds} seeds of {options.seconds:g} s each")
    print("a batch of b rows takes 5 + 0.5 b ms, with 8 % noise and stalls of 60 ms, one in 5 s on average")
    for title, some in (("one replica, Poisson arrivals", design), ("bursts, changes and faults", others)):
        if some:
            print(f"\n{title}\n{attainment_table(some)}")
    if by_class := class_table(found):
        print(f"\nby SLO class\n{by_class}")
    print(f"\ngoodput against the best fixed size, which an offline sweep finds\n{goodput_table(found)}")


def _document(found: Sequence[ScenarioFigures], options: argparse.Namespace) -> dict[str, object]:
    return {
        "format": 1,
        "seeds": options.seeds,
        "seconds": options.seconds,
        "scenarios": [
            {
                "name": one.scenario.name,
                "title": one.scenario.title,
                "slo_classes_ms": [1000 * its.slo_s for its in one.scenario.classes],
                "policies": {policy: [asdict(each) for each in runs] for policy, runs in one.runs.items()},
                "fixed": {str(size): [asdict(each) for each in runs] for size, runs in one.fixed.items()},
            }
            for one in found
        ],
    }


def _plot(found: Sequence[ScenarioFigures], options: argparse.Namespace) -> list[Path]:
    """Draws what there is data for; the load curves and the stall are simulated for it, with the first seed."""
    from benchmarks.simulation import plots  # matplotlib takes a second to load, and only plots need it

    folder: Path = options.out
    paths = [folder / f"simulation-{name}.png" for name in ("load", "stall", "classes")]
    mixes = [SCENARIOS[name] for name in LOAD_MIXES]
    plots.plot_load(_load_curves(mixes, options), _capacity(mixes[0]), paths[0])
    stall = SCENARIOS["stall"]
    first = next(fault for fault in stall.faults if isinstance(fault, Pause))
    start_s = first.at_s * options.seconds / DEFAULT_SECONDS
    outcomes = {policy: run(stall, policy, 1, options.seconds) for policy in POLICIES}
    plots.plot_stall(outcomes, (start_s, start_s + first.seconds), paths[1])
    mixed = [one for one in found if len(one.scenario.classes) > 1]
    if not mixed:
        return paths[:2]
    plots.plot_classes(mixed, paths[2])
    return paths


def _load_curves(mixes: Sequence[Scenario], options: argparse.Namespace) -> dict[str, dict[str, list[Point]]]:
    seconds = min(options.seconds, LOAD_SECONDS)
    jobs = [
        Job(replace(mix, title=f"{_mix_title(mix)}, {rate}/s", arrivals=Arrivals("poisson", rate)), policy, 1, seconds)
        for mix in mixes
        for rate in LOADS
        for policy in POLICIES
    ]
    curves: dict[str, dict[str, list[Point]]] = {}
    for job, figures in zip(jobs, _run_all(jobs, options.jobs), strict=True):
        points = curves.setdefault(_mix_title(job.scenario), {}).setdefault(job.policy, [])
        points.append((job.scenario.arrivals.rate, figures.attainment))
    return curves


def _mix_title(scenario: Scenario) -> str:
    return scenario.title.rsplit(", ", 1)[0]


def _capacity(scenario: Scenario) -> float:
    """Queries per second in batches that take half the SLO."""
    service = scenario.service
    n_rows = service.most_rows(scenario.objective_s / 2.0)
    return n_rows / service.mean_s(n_rows)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.simulate", description="Simulate the scheduler beside its baselines and an oracle."
    )
    parser.add_argument("--seeds", type=_positive, default=3, help="runs of each scenario (default 3)")
    parser.add_argument("--scenario", nargs="+", choices=list(SCENARIOS), default=list(SCENARIOS), help="default: all")
    parser.add_argument(
        "--seconds", type=_seconds, default=DEFAULT_SECONDS, help="virtual length of a run (default 20)"
    )
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the plots and figures")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON instead of tables")
    parser.add_argument("--no-plots", action="store_true", help="draw nothing")
    n_cpus = len(os.sched_getaffinity(0))
    parser.add_argument(
        "--jobs", type=_positive, default=n_cpus, help=f"processes (default {n_cpus}, one per processor)"
    )
    return parser.parse_args(arguments)


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected 1 or more, got {number}")
    return number


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0.5 <= seconds <= 600.0:
        raise argparse.ArgumentTypeError(f"expected 0.5 to 600 seconds, got {text}")
    return seconds


if __name__ == "__main__":
    sys.exit(main())
