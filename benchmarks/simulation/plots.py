"""Plots of the simulation as PNG files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.simulation.figures import ScenarioFigures
from benchmarks.simulation.scenarios import POLICIES
from benchmarks.simulation.virtual_time import Outcome

__all__ = ["LoadCurves", "plot_classes", "plot_load", "plot_stall"]

LoadCurves = Mapping[str, Mapping[str, Sequence[tuple[float, float]]]]
"""By title of a mix and by policy: offered queries per second and attainment, in order."""

COLOURS = dict(zip(POLICIES, ("#b0b0b0", "#707070", "#d98200", "#0a66c2", "#111111"), strict=True))
STYLES = dict(zip(POLICIES, (":", "--", "-", "-", "-."), strict=True))


def plot_load(curves: LoadCurves, capacity: float, path: Path) -> None:
    """Attainment against offered load, one panel per mix of SLOs."""
    figure = Figure(figsize=(5.2 * len(curves), 4.2), layout="constrained")
    for number, (title, by_policy) in enumerate(curves.items()):
        axes = figure.add_subplot(1, len(curves), number + 1)
        for policy, points in by_policy.items():
            x, y = zip(*points, strict=True)
            axes.plot(x, y, STYLES[policy], color=COLOURS[policy], label=policy, marker=".", linewidth=1.6)
        axes.axvline(capacity, color="#cccccc", linewidth=1.0, zorder=0, label="capacity, SLO 100 ms")
        _label(axes, f"SLO {title}", "offered queries per second", "share predicted in time")
        axes.set_ylim(0.0, 1.02)
        if number == 0:
            axes.legend(loc="lower left", fontsize=8)
    _save(figure, path)


def plot_stall(outcomes: Mapping[str, Outcome], stall: tuple[float, float], path: Path) -> None:
    """Rows per batch over time around a stall, one panel per policy."""
    figure = Figure(figsize=(8.0, 1.7 * len(outcomes)), layout="constrained")
    start_s, end_s = stall
    for number, (policy, outcome) in enumerate(outcomes.items()):
        axes = figure.add_subplot(len(outcomes), 1, number + 1)
        seen = [(at_s, rows) for at_s, rows in outcome.batches if start_s - 0.5 <= at_s <= end_s + 1.5]
        axes.axvspan(start_s, end_s, color="#f3d9d9", zorder=0)
        x, y = zip(*seen, strict=True) if seen else ((), ())
        axes.plot(x, y, ".-", color=COLOURS[policy], markersize=4, linewidth=0.8)
        axes.set_xlim(start_s - 0.5, end_s + 1.5)
        axes.set_ylim(bottom=0)
        is_last = number == len(outcomes) - 1
        _label(axes, policy, "seconds (shaded: the replica stands still)" if is_last else "", "rows per batch")
    _save(figure, path)


def plot_classes(found: Sequence[ScenarioFigures], path: Path) -> None:
    """Attainment per SLO class, a group of bars per scenario and class."""
    groups = [
        (f"{one.scenario.title.split(', ')[-1]}\n{its.title}", [one.by_class(policy, slo) for policy in POLICIES])
        for one in found
        for slo, its in enumerate(one.scenario.classes)
    ]
    figure = Figure(figsize=(2.0 + 1.6 * len(groups), 4.0), layout="constrained")
    axes = figure.add_subplot()
    width = 0.8 / len(POLICIES)
    for column, policy in enumerate(POLICIES):
        x = [group + (column - 0.5 * (len(POLICIES) - 1)) * width for group in range(len(groups))]
        heights = [shares[column] for _, shares in groups]
        axes.bar(x, heights, 0.92 * width, color=COLOURS[policy], label=policy)
    axes.set_xticks(range(len(groups)), [title for title, _ in groups])
    _label(axes, "Attainment by SLO class, half of the queries each", "", "share predicted in time")
    axes.set_ylim(0.0, 1.0)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=len(POLICIES), fontsize=8, frameon=False)
    _save(figure, path)


def _label(axes: Axes, title: str, x: str, y: str) -> None:
    axes.set_title(title, fontsize=10, loc="left")
    axes.set_xlabel(x, fontsize=9)
    axes.set_ylabel(y, fontsize=9)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8)


def _save(figure: Figure, path: Path) -> None:
    figure.savefig(path, dpi=130)
