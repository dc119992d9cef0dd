"""How a run is shown: tables for the screen, and one JSON file with every round."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from benchmarks.demands import CASES, Case, Round, Verdict
from benchmarks.machine import Machine

__all__ = ["BUSY_SHARE", "case_table", "verdict_table", "write_results"]

BUSY_SHARE = 0.05
"""Above this share of foreign CPU the figures say as much about the neighbours as about the contestants."""


def case_table(case: Case, rounds: Sequence[Round]) -> str:
    """The medians of every contestant's rounds under one load."""
    lines = [case.title, _row("", "answers/s", "p50 ms", "p99 ms", "p99.9 ms", "defaults", "errors", "CPU per query")]
    for name in case.contestants:
        own = [one for one in rounds if one.case == case.name and one.contestant == name]
        if own:
            lines.append(_contestant_row(name, own))
    return "\n".join(lines)


def _contestant_row(name: str, own: Sequence[Round]) -> str:
    n_answers = sum(one.seen.requests for one in own)
    n_defaults = sum(one.seen.defaults for one in own)
    cpu = [f"{process} {_median(own, _cpu_of(process)):.1f} µs" for process in own[0].server_cpu_s]
    return _row(
        name,
        f"{_median(own, lambda one: one.seen.requests_per_s):,.0f}",
        f"{_median(own, lambda one: one.seen.p50_ms):.3f}",
        f"{_median(own, lambda one: one.seen.p99_ms):.3f}",
        f"{_median(own, lambda one: one.seen.p999_ms):.3f}",
        f"{100 * n_defaults / max(1, n_answers):.2f} %",
        f"{sum(one.seen.errors for one in own)}",
        ", ".join(cpu),
    )


def _cpu_of(process: str) -> Callable[[Round], float]:
    return lambda one: one.cpu_us_per_query(process)


def _median(rounds: Sequence[Round], figure: Callable[[Round], float]) -> float:
    return median(figure(one) for one in rounds)


def _row(name: str, *columns: str) -> str:
    *figures, last = columns
    return f"  {name:10}" + "".join(f"{column:>11}" for column in figures) + f"   {last}"


def verdict_table(verdicts: Sequence[Verdict]) -> str:
    """Each demand with the median seen, the spread over the rounds, and 'met' or 'missed'."""
    titles = {case.name: case.title for case in CASES}
    lines = ["skysail against the demands (median of rounds, pair by pair; lowest to highest)"]
    for verdict in verdicts:
        demand = verdict.demand
        spread = f"({min(verdict.figures):.2f} to {max(verdict.figures):.2f})"
        lines.append(
            f"  {'met' if verdict.met else 'missed':6}  {verdict.value:6.2f} {demand.unit:2} {spread:18}"
            f"  demanded {demand.relation} {demand.limit:g} {demand.unit:2}  {demand.text}; {titles[demand.case]}"
        )
    return "\n".join(lines)


def write_results(
    folder: Path, machine: Machine, settings: dict[str, object], rounds: Sequence[Round], verdicts: Sequence[Verdict]
) -> Path:
    """Every round and every verdict as `serving-<time>.json`; the file's path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"serving-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.json"
    document = {
        "format": 1,
        "machine": machine,
        "settings": settings,
        "cases": [asdict(case) for case in CASES],
        "rounds": [asdict(one) for one in rounds],
        "demands": [_verdict_object(verdict) for verdict in verdicts],
    }
    path.write_text(json.dumps(document, indent=1) + "\n")
    return path


def _verdict_object(verdict: Verdict) -> dict[str, object]:
    demand = verdict.demand
    return {
        "text": demand.text,
        "case": demand.case,
        "baseline": demand.baseline,
        "demanded": f"{demand.relation} {demand.limit:g} {demand.unit}",
        "figures": [round(figure, 4) for figure in verdict.figures],
        "median": round(verdict.value, 4),
        "met": verdict.met,
    }
