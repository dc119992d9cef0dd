"""The page that Prometheus scrapes: all workers' cells, merged, in the Prometheus text format or Clipper's JSON."""

import operator
from collections.abc import Callable, Iterable, Iterator
from itertools import accumulate
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from skysail_frontend.metric_cells import read_cells
from skysail_frontend.metrics import DESCRIPTIONS, Description

__all__ = ["CELLS_PATTERN", "cells_path", "clipper_json", "prometheus_text"]

CELLS_PATTERN = "worker-*.cells"

Family = CounterMetricFamily | GaugeMetricFamily | HistogramMetricFamily
Merged = dict[str, dict[tuple[tuple[str, str], ...], list[float]]]


def cells_path(run_dir: Path, worker: int) -> Path:
    """Where worker number `worker` of the frontend that runs in `run_dir` counts."""
    return run_dir / f"worker-{worker}.cells"


def prometheus_text(run_dir: Path) -> bytes:
    """The text exposition format 0.0.4 of all workers together."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_CellsCollector(run_dir))
    return generate_latest(registry)


def clipper_json(run_dir: Path) -> dict[str, Any]:
    """Clipper's shape: lists of one-key objects by kind; names carry their labels."""
    page: dict[str, list[dict[str, Any]]] = {"counters": [], "gauges": [], "histograms": []}
    for name, series in _merged(run_dir).items():
        description = DESCRIPTIONS[name]
        for labels, values in series.items():
            key = ":".join([*(value for _, value in labels), name])
            if description.kind == "histogram":
                n = sum(values[:-1])
                value = {"size": n, "sum": values[-1], "mean": values[-1] / n if n else 0.0}
            else:
                value = {"count" if description.kind == "counter" else "value": values[0]}
            page[f"{description.kind}s"].append({key: value})
    return page


class _CellsCollector(Collector):
    def __init__(self, run_dir: Path) -> None:
        self._run_dir = run_dir

    def collect(self) -> Iterable[Family]:
        for name, series in _merged(self._run_dir).items():
            yield _family(name, DESCRIPTIONS[name], series)


def _merged(run_dir: Path) -> Merged:
    merged: Merged = {}
    for name, labels, values in _all_cells(run_dir):
        description = DESCRIPTIONS.get(name)
        if description is None or len(values) != description.n_cells:
            continue  # of another release, whose worker was replaced
        series = merged.setdefault(name, {})
        key = tuple(sorted(labels.items()))
        known = series.get(key)
        series[key] = values if known is None else _merge(description, known, values)
    answered = merged.get("skysail_request_duration_seconds", {})
    merged["skysail_queries"] = {labels: [sum(values[:-1])] for labels, values in answered.items()}
    return {name: merged[name] for name in DESCRIPTIONS if name in merged}


def _all_cells(run_dir: Path) -> Iterator[tuple[str, dict[str, str], list[float]]]:
    for path in sorted(run_dir.glob(CELLS_PATTERN)):
        yield from read_cells(path)


def _merge(description: Description, known: list[float], values: list[float]) -> list[float]:
    combine: dict[str, Callable[[float, float], float]] = {"sum": operator.add, "max": max, "min": min}
    return [combine[description.merge](a, b) for a, b in zip(known, values, strict=True)]


def _family(name: str, description: Description, series: dict[tuple[tuple[str, str], ...], list[float]]) -> Family:
    names = sorted({label for labels in series for label, _ in labels})
    if description.kind == "histogram":
        histogram = HistogramMetricFamily(name, description.help, labels=names)
        for labels, values in series.items():
            uppers = [*(str(float(upper)) for upper in description.buckets), "+Inf"]
            buckets = list(zip(uppers, accumulate(values[:-1]), strict=True))
            histogram.add_metric([value for _, value in labels], buckets, values[-1])
        return histogram
    family_type = CounterMetricFamily if description.kind == "counter" else GaugeMetricFamily
    family = family_type(name, description.help, labels=names)
    for labels, values in series.items():
        family.add_metric([value for _, value in labels], values[0])
    return family
