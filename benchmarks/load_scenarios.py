"""Rows of the table that need no fault: overload, mixed SLOs, a stall."""

from __future__ import annotations

from time import monotonic

from benchmarks.lab import SLO, Lab, RunningLoad
from benchmarks.load_summary import summarize
from benchmarks.pace import Pace
from benchmarks.plots import LoadPoint, plot_batch_sizes, plot_goodput, plot_latencies, plot_shares
from benchmarks.recovery import seconds_until_normal
from benchmarks.serving_stack import ServedApplication

__all__ = ["mixed", "overload", "stall"]

FACTORS = (0.5, 0.8, 1.0, 1.25, 1.5, 2.0, 3.0)
QUICK_FACTORS = (0.5, 3.0)
MIXED_FACTORS = (0.95, 1.2)
TIGHT, LOOSE = ServedApplication("tight", 0.040), ServedApplication("loose", 0.250)
STALL_S = 0.5
STALL_LOAD = 0.8


def overload(lab: Lab) -> None:
    """One replica, one SLO, offered load from half to three times the capacity of the best fixed batch size."""
    row = "overload"
    runs: dict[float, RunningLoad] = {}
    with lab.stack(1, [SLO]) as stack:
        capacity_per_s = lab.capacity_per_s(stack)
        best = lab.best_fixed(SLO.slo_s)
        lab.find(row, f"capacity of the best fixed batch size ({best.n_rows} rows), rows/s", capacity_per_s)
        for factor in QUICK_FACTORS if lab.is_quick else FACTORS:
            with lab.load(f"overload-{factor:g}x", stack, [factor * capacity_per_s], lab.seconds) as load:
                pass
            runs[factor] = load
            _find_overload(lab, row, factor, load, capacity_per_s)
    points = [LoadPoint(load.summary, factor) for factor, load in runs.items()]
    plot_goodput(lab.results / "goodput.png", points, capacity_per_s, f"{lab.model.name} model, SLO 100 ms")
    records = {f"{factor:g}x capacity": load.record for factor, load in runs.items()}
    plot_latencies(lab.results / "overload-latency.png", records, {SLO.name: SLO.slo_s})
    plot_batch_sizes(lab.results / "overload-batch-size.png", {f"{f:g}x": load.samples for f, load in runs.items()})


def _find_overload(lab: Lab, row: str, factor: float, load: RunningLoad, capacity_per_s: float) -> None:
    seen = load.summary
    lab.find(row, f"{factor:g}x: goodput / capacity", round(seen.goodput_per_s / capacity_per_s, 4), load)
    lab.find(row, f"{factor:g}x: p99 of answered queries / SLO", round(seen.p99_ms / (1e3 * SLO.slo_s), 4), load)
    lab.find(row, f"{factor:g}x: share answered by SLO + 5 ms", seen.in_time_share, load)
    lab.find(row, f"{factor:g}x: every query exactly one answer", seen.one_answer_each and not seen.http_errors, load)


def mixed(lab: Lab) -> None:
    """One replica, half of the load with an SLO of 40 ms, half with 250 ms."""
    row = "mixed SLOs"
    records = {}
    with lab.stack(1, [TIGHT, LOOSE]) as stack:
        capacity_per_s = lab.capacity_per_s(stack)
        for factor in MIXED_FACTORS:
            rate_per_s = factor * capacity_per_s / 2.0
            with lab.load(f"mixed-{factor:g}x", stack, [rate_per_s, rate_per_s], lab.seconds) as load:
                pass
            for one in stack.applications:
                record = load.record.of_stream(one.name)
                seen = summarize(record)
                text = f"{factor:g}x: {one.name} ({1e3 * one.slo_s:.0f} ms): share predicted in time"
                lab.find(row, text, seen.predicted_share, load)
                lab.find(row, f"{factor:g}x: {one.name}: share answered by SLO + 5 ms", seen.in_time_share, load)
                records[f"{one.name}, {factor:g}x"] = record
    plot_latencies(lab.results / "mixed-latency.png", records, {one.name: one.slo_s for one in (TIGHT, LOOSE)})


def stall(lab: Lab) -> None:
    """One replica at 80 % load whose model stands still for half a second."""
    row = "stall of 500 ms"
    with lab.stack(1, [SLO]) as stack:
        rate_per_s = STALL_LOAD * lab.capacity_per_s(stack)
        with lab.load("stall", stack, [rate_per_s], lab.seconds) as load:
            begins_s = load.wait_until(lab.seconds / 3.0)
            stack.replicas[0].set_pace(Pace(stalled_until_s=monotonic() + STALL_S))
        seen = load.summary
    ends_s = begins_s + STALL_S
    lab.find(row, "seconds from its end until normal", seconds_until_normal(load.record, ends_s, begins_s), load)
    lab.find(row, "share predicted in time over the run", seen.predicted_share, load)
    lab.find(row, "share answered by SLO + 5 ms", seen.in_time_share, load)
    plot_shares(lab.results / "stall.png", load.record, {"stall": begins_s, "its end": ends_s})
    plot_batch_sizes(lab.results / "stall-batch-size.png", {"80 % load": load.samples})
