"""Pictures of a comparison: throughput and tail latency of every contestant, as PNG files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from matplotlib.figure import Figure

from benchmarks.peers.comparison_table import Comparison, Standing, standings

__all__ = ["plot_comparison"]

SIZE_INCHES = (11.0, 3.8)
DOTS_PER_INCH = 120
OWN_COLOR, PEER_COLOR = "tab:blue", "tab:gray"
OWN_NAME = "skysail"


def plot_comparison(folder: Path, comparison: Comparison) -> None:
    """`throughput.png` and `p99.png` in `folder`, one panel per model."""
    _plot(folder / "throughput.png", comparison, lambda one: one.predictions_per_s, "predictions/s", "{:,.0f}")
    _plot(folder / "p99.png", comparison, lambda one: one.p99_ms, "p99, ms", "{:,.1f}")


def _plot(path: Path, comparison: Comparison, figure_of: Callable[[Standing], float], unit: str, form: str) -> None:
    figure = Figure(figsize=SIZE_INCHES, dpi=DOTS_PER_INCH, layout="constrained")
    panels = figure.subplots(1, len(comparison.models), squeeze=False)[0]
    for axes, (model, title) in zip(panels, comparison.models.items(), strict=True):
        found = standings(comparison, model)[::-1]
        values = [figure_of(one) for one in found]
        colors = [OWN_COLOR if one.contestant.startswith(OWN_NAME) else PEER_COLOR for one in found]
        bars = axes.barh([one.title for one in found], values, color=colors)
        axes.bar_label(bars, [form.format(value) for value in values], padding=3, fontsize=8)
        if any(values):
            axes.set_xscale("log")
        axes.margins(x=0.2)
        axes.set_xlabel(f"{unit} (logarithmic), 64 connections")
        axes.set_title(title, fontsize=10)
        axes.grid(axis="x", alpha=0.3)
    figure.savefig(path)
