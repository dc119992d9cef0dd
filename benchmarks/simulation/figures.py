"""What the runs of a scenario come to, and the tables that show it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from benchmarks.simulation.scenarios import POLICIES, SKYSAIL, Scenario
from benchmarks.simulation.virtual_time import Outcome

__all__ = ["Figures", "ScenarioFigures", "attainment_table", "class_table", "figures_of", "goodput_table"]


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one run. ``goodput``: predictions in time per second; ``mean_rows``: of a batch."""

    attainment: float
    by_class: Sequence[float]
    goodput: float
    mean_rows: float


@dataclass(frozen=True, slots=True)
class ScenarioFigures:
    """Runs by policy, one per seed; ``fixed`` by size."""

    scenario: Scenario
    runs: Mapping[str, Sequence[Figures]]
    fixed: Mapping[int, Sequence[Figures]]

    def attainment(self, policy: str) -> float:
        return fmean(one.attainment for one in self.runs[policy])

    def by_class(self, policy: str, slo: int) -> float:
        return fmean(one.by_class[slo] for one in self.runs[policy])

    def goodput(self, policy: str) -> float:
        return fmean(one.goodput for one in self.runs[policy])

    @property
    def best_fixed(self) -> tuple[int, float]:
        """The fixed size of the highest mean goodput, and that goodput."""
        goodputs = {size: fmean(one.goodput for one in runs) for size, runs in self.fixed.items()}
        size = max(goodputs, key=goodputs.__getitem__)
        return size, goodputs[size]


def figures_of(outcome: Outcome, n_classes: int, seconds: float) -> Figures:
    n_rows = [rows for _, rows in outcome.batches]
    by_class = [outcome.attainment_of(slo) for slo in range(n_classes)]
    return Figures(outcome.attainment, by_class, outcome.n_predictions / seconds, fmean(n_rows) if n_rows else 0.0)


def attainment_table(found: Sequence[ScenarioFigures]) -> str:
    """The share of queries with a real prediction in time, and how far the seeds of our policy lie apart."""
    rows = [["", *POLICIES, "its seeds"]]
    for one in found:
        ours = [run.attainment for run in one.runs[SKYSAIL]]
        spread = f"{_share(min(ours))} to {_share(max(ours))}"
        rows.append([one.scenario.title, *(_share(one.attainment(policy)) for policy in POLICIES), spread])
    return _table(rows)


def class_table(found: Sequence[ScenarioFigures]) -> str:
    """The same by SLO class, for scenarios with more than one; empty when there is none."""
    rows = [["", "SLO", *POLICIES]]
    for one in found:
        if len(one.scenario.classes) > 1:
            for slo, its in enumerate(one.scenario.classes):
                shares = [_share(one.by_class(policy, slo)) for policy in POLICIES]
                rows.append([one.scenario.title, its.title, *shares])
    return _table(rows) if len(rows) > 1 else ""


def goodput_table(found: Sequence[ScenarioFigures]) -> str:
    """Predictions in time per second against those of the fixed size that an offline sweep finds best."""
    rows = [["", "best fixed size", "its goodput", SKYSAIL, "ratio", "oracle", "ratio"]]
    for one in found:
        size, best = one.best_fixed
        ours, bound = one.goodput(SKYSAIL), one.goodput("oracle")
        ratios = [f"{value / max(best, 1e-9):.3f}" for value in (ours, bound)]
        row = [one.scenario.title, str(size), f"{best:,.0f}/s", f"{ours:,.0f}/s", ratios[0], f"{bound:,.0f}/s"]
        rows.append([*row, ratios[1]])
    return _table(rows)


def _share(value: float) -> str:
    return f"{value:.3f}".removeprefix("0")


def _table(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for row in rows:
        first, *rest = row
        cells = [first.ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True))]
        lines.append("  " + "  ".join(cells).rstrip())
    return "\n".join(lines)
