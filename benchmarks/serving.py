"""`make bench`: Skysail against the baselines, all in one run, as ratios round by round.

All contestants are up on free ports; each round puts one of them after the other under the same load, in an order
that rotates. Tables go to the screen, every round and the machine to `benchmarks/results/`. The exit code says
whether the measurement worked, not whether the figures please.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from time import monotonic
from types import FrameType

import psutil

from benchmarks.closed_loop import ClosedLoopError
from benchmarks.demands import CASES, ECHO, FASTAPI, SKYSAIL, Case, Round, judge
from benchmarks.figures import BUSY_SHARE, case_table, verdict_table, write_results
from benchmarks.load import Load, LoadError, choose_load, how_to_install_wrk
from benchmarks.machine import describe_machine, machine_busy_s
from benchmarks.queries import write_pool
from benchmarks.rig import PREDICT_PATH, Contestant, start_contestants
from benchmarks.server_process import ServerError

__all__ = ["main"]

RESULTS = Path(__file__).parent / "results"
WARM_UP_S = 1.0
QUICK_S = 0.3
"""Of the warm-up too. wrk makes it a second."""


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when everything was measured, 1 with one line on stderr when something broke, 130 when interrupted."""
    options = _options(arguments)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        _run(options)
    except (LoadError, ServerError, ClosedLoopError, OSError) as error:
        print(f"the benchmark broke: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; everything is stopped", file=sys.stderr)
        return 130
    return 0


def _run(options: argparse.Namespace) -> None:
    load = choose_load(options.load)
    _introduce(load, options)
    machine = describe_machine()
    rounds: list[Round] = []
    with tempfile.TemporaryDirectory(prefix="skysail-bench-") as folder:
        pools = {case.name: _write_case_pool(Path(folder), case) for case in options.cases}
        with start_contestants(options.contestants, Path(folder)) as contestants:
            for done, one in enumerate(_rounds(options, load, contestants, pools), start=1):
                rounds.append(one)
                _show_progress(done, _n_rounds(options), one)
    _show(options.cases, rounds)
    durations = {"round_s": options.seconds, "warm_up_s": options.warm_up_s}
    settings = {"load": load.name, "n_rounds": options.rounds, **durations}
    print(f"\nevery round: {write_results(options.results, machine, settings, rounds, judge(rounds))}")


def _rounds(
    options: argparse.Namespace, load: Load, contestants: dict[str, Contestant], pools: dict[str, Path]
) -> Iterator[Round]:
    for case in options.cases:
        for number in range(options.rounds):
            names = [name for name in case.contestants if name in contestants]
            for name in _rotated(names, number):
                yield _measure(load, case, number, contestants[name], pools[case.name], options)


def _rotated(names: Sequence[str], by: int) -> list[str]:
    start = by % max(1, len(names))
    return [*names[start:], *names[:start]]


def _measure(
    load: Load, case: Case, number: int, contestant: Contestant, pool: Path, options: argparse.Namespace
) -> Round:
    load.run(contestant.port, PREDICT_PATH, pool, case.connections, options.warm_up_s)
    n_defaults_before = contestant.n_defaults()
    cpu_before_s, busy_before_s, started_at = contestant.cpu_s(), machine_busy_s(), monotonic()
    seen = load.run(contestant.port, PREDICT_PATH, pool, case.connections, options.seconds, looks=False)
    elapsed_s, busy_s = monotonic() - started_at, machine_busy_s() - busy_before_s
    server_cpu_s = {name: cpu_s - cpu_before_s[name] for name, cpu_s in contestant.cpu_s().items()}
    seen = replace(seen, defaults=contestant.n_defaults() - n_defaults_before)
    foreign_s = busy_s - sum(server_cpu_s.values()) - seen.client_cpu_s
    foreign_share = max(0.0, foreign_s) / elapsed_s / (psutil.cpu_count() or 1)
    return Round(case.name, number, contestant.name, seen, server_cpu_s, round(foreign_share, 4))


def _write_case_pool(folder: Path, case: Case) -> Path:
    return write_pool(folder / f"queries-{case.name}.txt", case.n_queries, case.n_doubles)


def _n_rounds(options: argparse.Namespace) -> int:
    per_round = (len(set(case.contestants) & set(options.contestants)) for case in options.cases)
    return int(options.rounds * sum(per_round))


def _introduce(load: Load, options: argparse.Namespace) -> None:
    if load.name == "python" and shutil.which("wrk") is None:
        print(f"wrk is not on PATH, the Python load is used ({how_to_install_wrk()})")
    estimate_s = _n_rounds(options) * (options.seconds + options.warm_up_s + 0.5)
    print(
        f"load by {load.name}; {options.rounds} rounds of {options.seconds:g} s, about {estimate_s:.0f} s", flush=True
    )


def _show_progress(done: int, n_rounds: int, one: Round) -> None:
    seen = one.seen
    busy = f"  ({100 * one.foreign_cpu_share:.0f} % of the machine busy elsewhere)" if _is_disturbed(one) else ""
    print(
        f"[{done:2}/{n_rounds}] {one.case:7} round {one.number + 1}  {one.contestant:8}"
        f"{seen.requests_per_s:9,.0f}/s  p50 {seen.p50_ms:7.3f}  p99 {seen.p99_ms:7.3f} ms{busy}",
        flush=True,
    )


def _is_disturbed(one: Round) -> bool:
    return one.foreign_cpu_share > BUSY_SHARE


def _show(cases: Sequence[Case], rounds: Sequence[Round]) -> None:
    for case in cases:
        print("\n" + case_table(case, rounds))
    if verdicts := judge(rounds):
        print("\n" + verdict_table(verdicts))
    n_disturbed = sum(map(_is_disturbed, rounds))
    if n_disturbed:
        print(f"\n{n_disturbed} of {len(rounds)} rounds shared the machine with other work: repeat on a quiet one")


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure Skysail against its baselines in one run.")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=6, help="length of each measurement (default 6)")
    parser.add_argument("--quick", action="store_true", help="one short round: a smoke run, no figures")
    parser.add_argument("--load", choices=("wrk", "python"), help="default: wrk if it is installed")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the raw figures")
    parser.add_argument("--cases", nargs="+", choices=[case.name for case in CASES], help="default: all")
    parser.add_argument("--contestants", nargs="+", choices=(ECHO, FASTAPI, SKYSAIL), default=(ECHO, FASTAPI, SKYSAIL))
    options = parser.parse_args(arguments)
    options.cases = [case for case in CASES if options.cases is None or case.name in options.cases]
    options.warm_up_s = WARM_UP_S
    if options.quick:
        options.rounds, options.seconds, options.warm_up_s = 1, QUICK_S, QUICK_S
    return options


if __name__ == "__main__":
    sys.exit(main())
