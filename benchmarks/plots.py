"""Pictures of what was measured, as PNG files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.arrivals import Times
from benchmarks.lab import Sample
from benchmarks.load_record import LoadRecord
from benchmarks.load_summary import LoadSummary
from benchmarks.recovery import bin_edges, predicted_shares

__all__ = [
    "LoadPoint",
    "plot_batch_sizes",
    "plot_goodput",
    "plot_latencies",
    "plot_memory",
    "plot_shares",
]

SIZE_INCHES = (8.0, 4.5)
DOTS_PER_INCH = 120
MIN_LATENCY_MS = 1.0


@dataclass(frozen=True, slots=True)
class LoadPoint:
    """One offered load, as a multiple of the capacity, and what was seen."""

    seen: LoadSummary
    factor: float


def plot_latencies(path: Path, records: Mapping[str, LoadRecord], slos_s: Mapping[str, float]) -> None:
    """The share of requests answered within a time (CDF), from the intended time of sending. What was never answered
    keeps a curve below 1."""
    figure, axes = _new("answered within, ms", "share of requests")
    for name, record in records.items():
        ordered_ms = np.sort(1e3 * record.latency_s[~np.isnan(record.latency_s)])
        shares = np.arange(1, len(ordered_ms) + 1) / max(1, record.n)
        axes.step(np.maximum(MIN_LATENCY_MS, ordered_ms), shares, where="post", label=name)
    for name, slo_s in slos_s.items():
        axes.axvline(1e3 * slo_s, color="black", linestyle="--", linewidth=0.8)
        axes.annotate(f" SLO of {name}", (1e3 * slo_s, 0.02), fontsize=8)
    axes.set_xscale("log")
    axes.set_xlim(MIN_LATENCY_MS, 1e4 * max(slos_s.values()))
    axes.set_ylim(0.0, 1.02)
    axes.set_title("Latency from the intended time, default outputs included")
    _save(figure, axes, path)


def plot_goodput(path: Path, points: Sequence[LoadPoint], capacity_per_s: float, title: str) -> None:
    """Predictions in time per second against the load offered, with the capacity of the best fixed batch size."""
    figure, axes = _new("offered, queries/s", "per second")
    offered = [point.seen.offered_per_s for point in points]
    most = max(offered)
    axes.plot([0.0, most], [0.0, most], color="grey", linewidth=0.8, linestyle=":", label="all that is offered")
    axes.axhline(capacity_per_s, color="black", linewidth=0.8, linestyle="--", label="best fixed batch size, offline")
    axes.plot(offered, [point.seen.goodput_per_s for point in points], marker="o", label="predicted in time")
    in_time = [point.seen.in_time_share * point.seen.offered_per_s for point in points]
    axes.plot(offered, in_time, marker=".", label="answered in time, defaults too")
    axes.set_xlim(0.0, 1.05 * most)
    axes.set_ylim(0.0, 1.05 * most)
    axes.set_title(f"Goodput against offered load: {title}")
    _save(figure, axes, path)


def plot_batch_sizes(path: Path, runs: Mapping[str, Sequence[Sample]]) -> None:
    """Mean rows per batch between one look at the frontend's metrics and the next."""
    figure, axes = _new("seconds", "rows per batch")
    for name, samples in runs.items():
        times_s = np.array([sample.at_s for sample in samples])
        n_batches = np.diff([sample.n_batches for sample in samples])
        n_rows = np.diff([sample.n_rows for sample in samples])
        ran = n_batches > 0
        axes.plot(times_s[1:][ran], (n_rows[ran] / n_batches[ran]), marker=".", label=name)
    axes.set_ylim(bottom=0.0)
    axes.set_title("Batch size over time")
    _save(figure, axes, path)


def plot_shares(
    path: Path,
    record: LoadRecord,
    marks: Mapping[str, float],
    others: Mapping[str, tuple[Times, Times]] | None = None,
) -> None:
    """The share of requests predicted in time by the moment they were due, with events marked; `others` are further
    shares as (edges of bins, values)."""
    figure, axes = _new("seconds", "share")
    edges_s = bin_edges(record.duration_s)
    axes.stairs(predicted_shares(record, edges_s), edges_s, baseline=None, label="predicted in time")
    for name, (edges, values) in (others or {}).items():
        axes.stairs(values, edges, baseline=None, label=name)
    for name, at_s in marks.items():
        axes.axvline(at_s, color="black", linestyle="--", linewidth=0.8)
        axes.annotate(f" {name}", (at_s, 0.02), fontsize=8)
    axes.set_ylim(0.0, 1.02)
    axes.set_title("Predicted in time, by the intended time of sending")
    _save(figure, axes, path)


def plot_memory(path: Path, samples: Sequence[Sample]) -> None:
    """The frontend's resident memory over time."""
    figure, axes = _new("seconds", "MiB")
    axes.plot(
        [sample.at_s for sample in samples], [sample.resident_bytes / 2**20 for sample in samples], label="frontend"
    )
    axes.set_ylim(bottom=0.0)
    axes.set_title("Resident memory")
    _save(figure, axes, path)


def _new(x: str, y: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=SIZE_INCHES, dpi=DOTS_PER_INCH, layout="constrained")
    axes = figure.add_subplot()
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.grid(alpha=0.3)
    return figure, axes


def _save(figure: Figure, axes: Axes, path: Path) -> None:
    axes.legend(fontsize=8)
    figure.savefig(path)
