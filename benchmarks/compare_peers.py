"""Skysail beside the servers that one would pick instead: one machine, one run, the same models and queries.

Contestants run one after the other, each alone, in an order that rotates from round to round; one that does not start
is reported with the last lines of its log and left out. Every round, the tables and the plots go to a folder of
`benchmarks/results/`. The exit code says whether anything was measured, not whether the figures please.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

from benchmarks.closed_loop import ClosedLoopError
from benchmarks.figures import BUSY_SHARE
from benchmarks.load import Load, LoadError, choose_load
from benchmarks.machine import describe_machine
from benchmarks.open_loop import OpenLoopError
from benchmarks.peers.compared_models import MODELS, ComparedModel
from benchmarks.peers.comparison_plots import plot_comparison
from benchmarks.peers.comparison_table import (
    Comparison,
    Described,
    busy_note,
    comparison_table,
    description_table,
    write_comparison,
)
from benchmarks.peers.contestants import CONTESTANTS, Contestant
from benchmarks.peers.environment import PeerEnvironmentError
from benchmarks.peers.measurement import Durations, Failure, Measurement, measure
from benchmarks.peers.questions import Questions
from benchmarks.server_process import ServerError

__all__ = ["main"]

RESULTS = Path(__file__).parent / "results"
QUICK_S = 0.3
"""Of each load. wrk makes it a second."""
START_S = 8.0
"""A guess at what starting and stopping a contestant take, for the estimate."""
BROKEN = (ServerError, LoadError, ClosedLoopError, OpenLoopError, PeerEnvironmentError, OSError)


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when something was measured, 1 when nothing was, 130 when interrupted."""
    options = _options(arguments)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        load = choose_load(options.load)
        return 0 if _run(options, load) else 1
    except LoadError as error:
        print(f"the benchmark broke: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; everything is stopped", file=sys.stderr)
        return 130


def _run(options: argparse.Namespace, load: Load) -> bool:
    folder = options.results / f"peers-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    folder.mkdir(parents=True)
    run = _Run(options, load, folder)
    try:
        run.all_rounds()
    finally:
        comparison = run.comparison()
        write_comparison(folder / "figures.json", comparison, run.machine, run.settings())
        _show(comparison, folder)
    return bool(comparison.measurements)


class _Run:
    """The rounds of one comparison, and what came of them so far."""

    def __init__(self, options: argparse.Namespace, load: Load, folder: Path) -> None:
        self.machine = describe_machine()
        self._load = load
        self._n_rounds: int = options.rounds
        self._durations: Durations = options.durations
        self._models: dict[str, ComparedModel] = {name: MODELS[name](folder) for name in options.models}
        self._questions = {name: Questions(model) for name, model in self._models.items()}
        self._described: dict[str, Described] = {}
        self._measurements: list[Measurement] = []
        self._failures: list[Failure] = []
        self._pairs = [(name, model) for model in options.models for name in self._able(options.peers, model)]

    def all_rounds(self) -> None:
        """Blocks until everything is measured."""
        n, done = self._n_rounds * len(self._pairs), 0
        estimate_s = n * (self._durations.total_s + START_S)
        print(f"load by {self._load.name}; {n} measurements, about {estimate_s / 60:.0f} minutes", flush=True)
        for number in range(self._n_rounds):
            for name, model in _rotated(self._pairs, number):
                done += 1
                self._measure(f"[{done:2}/{n}]", number, CONTESTANTS[name], self._models[model])

    def comparison(self) -> Comparison:
        titles = {name: model.title for name, model in self._models.items()}
        return Comparison(self._described, titles, self._measurements, self._failures)

    def settings(self) -> Mapping[str, object]:
        durations = {name: getattr(self._durations, name) for name in self._durations.__slots__}
        return {"load": self._load.name, "n_rounds": self._n_rounds, **durations}

    def _able(self, names: Sequence[str], model: str) -> list[str]:
        """Those that can be started; the others are told with their reason."""
        able = []
        for name in names:
            contestant = CONTESTANTS[name]
            reason = contestant.hindrance(model)
            if reason is None:
                try:
                    self._described[name] = Described(contestant.title, contestant.versions(), contestant.settings)
                    able.append(name)
                    continue
                except BROKEN as error:
                    reason = str(error)
            self._fail(Failure(name, model, 0, reason))
        return able

    def _measure(self, progress: str, number: int, contestant: Contestant, model: ComparedModel) -> None:
        if any(one.contestant == contestant.name and one.model == model.name for one in self._failures):
            return
        print(f"{progress} round {number + 1}  {model.name:6} {contestant.name:20}", end=" ", flush=True)
        questions = self._questions[model.name]
        with tempfile.TemporaryDirectory(prefix="peer-", ignore_cleanup_errors=True) as folder:
            try:
                one = measure(contestant, model, questions, self._load, self._durations, Path(folder))
            except BROKEN as error:
                self._fail(Failure(contestant.name, model.name, number, str(error)))
                return
        self._measurements.append(replace(one, round=number))
        print(_line(one), flush=True)

    def _fail(self, failure: Failure) -> None:
        self._failures.append(failure)
        print(f"\n{failure.contestant}, {failure.model}: left out: {failure.reason}", file=sys.stderr, flush=True)


def _rotated(pairs: Sequence[tuple[str, str]], by: int) -> list[tuple[str, str]]:
    start = by % max(1, len(pairs))
    return [*pairs[start:], *pairs[:start]]


def _line(one: Measurement) -> str:
    busy = f"  ({100 * one.foreign_cpu_share:.0f} % busy elsewhere)" if one.foreign_cpu_share > BUSY_SHARE else ""
    faults = {"errors": one.n_errors, "default outputs": one.n_default_outputs, "wrong": one.n_wrong}
    told = "".join(f"  {count} {name}" for name, count in faults.items() if count)
    return (
        f"{one.predictions_per_s:9,.0f}/s  p50 {one.closed.p50_ms:8.2f}  p99 {one.closed.p99_ms:8.2f} ms  "
        f"lone {one.lone.p50_ms:7.2f} ms  open {one.open.offered_per_s:7,.0f}/s p99 {one.open.p99_ms:8.2f} ms"
        f"{told}{busy}"
    )


def _show(comparison: Comparison, folder: Path) -> None:
    if not comparison.measurements:
        print("\nnothing was measured")
        return
    tables = [comparison_table(comparison, model) for model in comparison.models]
    text = "\n\n".join([*tables, description_table(comparison)])
    (folder / "tables.md").write_text(text + "\n")
    plot_comparison(folder, comparison)
    print(f"\n{text}\n")
    if note := busy_note(comparison):
        print(note)
    print(f"every round, tables and plots: {folder}")


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Compare Skysail with the servers one would pick instead.")
    parser.add_argument("--peers", nargs="+", choices=CONTESTANTS, default=list(CONTESTANTS), help="default: all")
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS), help="default: all")
    parser.add_argument("--rounds", type=int, default=3, help="each starts every contestant anew (default 3)")
    parser.add_argument("--seconds", type=int, default=8, help="length of the closed and of the open loop (default 8)")
    parser.add_argument("--quick", action="store_true", help="one round of short loads: a smoke run, no figures")
    parser.add_argument("--load", choices=("wrk", "python"), help="default: wrk if it is installed")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the results")
    options = parser.parse_args(arguments)
    options.durations = Durations(4.0, options.seconds, max(1, options.seconds // 2), options.seconds)
    if options.quick:
        options.rounds, options.durations = 1, Durations(QUICK_S, QUICK_S, QUICK_S, QUICK_S)
    return options


if __name__ == "__main__":
    sys.exit(main())
