"""What a comparison amounts to: medians of the rounds, as tables for the screen and as one JSON file."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from benchmarks.figures import BUSY_SHARE
from benchmarks.machine import Machine
from benchmarks.peers.measurement import Failure, Measurement

__all__ = [
    "Comparison",
    "Described",
    "Standing",
    "comparison_table",
    "description_table",
    "standings",
    "write_comparison",
]


@dataclass(frozen=True, slots=True)
class Described:
    """What a contestant is."""

    title: str
    versions: Mapping[str, str]
    settings: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """Everything that was measured in one run."""

    contestants: Mapping[str, Described]
    models: Mapping[str, str]
    """Titles by name."""
    measurements: Sequence[Measurement]
    failures: Sequence[Failure]


@dataclass(frozen=True, slots=True)
class Standing:
    """The medians of a contestant's rounds with one model; counts are sums over the rounds."""

    contestant: str
    title: str
    n_rounds: int
    predictions_per_s: float
    p50_ms: float
    p99_ms: float
    n_errors: int
    n_defaults: int
    n_wrong: int
    lone_p50_ms: float
    lone_p99_ms: float
    open_per_s: float
    open_p50_ms: float
    open_p99_ms: float
    kept_up: bool
    """Whether the generator of the open loop came in time in every round."""
    memory_mb: float
    start_s: float


def standings(comparison: Comparison, model: str) -> list[Standing]:
    """Of all contestants that were measured with it, in the order of the contestants."""
    found = []
    for name, described in comparison.contestants.items():
        own = [one for one in comparison.measurements if one.contestant == name and one.model == model]
        if own:
            found.append(_standing(described.title, own))
    return found


def _standing(title: str, own: Sequence[Measurement]) -> Standing:
    def middle(figure: Callable[[Measurement], float]) -> float:
        return median(map(figure, own))

    return Standing(
        contestant=own[0].contestant,
        title=title,
        n_rounds=len(own),
        predictions_per_s=middle(lambda one: one.predictions_per_s),
        p50_ms=middle(lambda one: one.closed.p50_ms),
        p99_ms=middle(lambda one: one.closed.p99_ms),
        n_errors=sum(one.n_errors for one in own),
        n_defaults=sum(one.n_default_outputs for one in own),
        n_wrong=sum(one.n_wrong for one in own),
        lone_p50_ms=middle(lambda one: one.lone.p50_ms),
        lone_p99_ms=middle(lambda one: one.lone.p99_ms),
        open_per_s=middle(lambda one: one.open.offered_per_s),
        open_p50_ms=middle(lambda one: one.open.p50_ms),
        open_p99_ms=middle(lambda one: one.open.p99_ms),
        kept_up=all(one.open.kept_up for one in own),
        memory_mb=middle(lambda one: one.memory_bytes / 1e6),
        start_s=middle(lambda one: one.start_s),
    )


def comparison_table(comparison: Comparison, model: str) -> str:
    """A Markdown table, so that it can go into a document as it is."""
    head = ("", "predictions/s", "p50 ms", "p99 ms", "errors", "default outputs", "wrong", "1 connection: p50, p99 ms",
            "open loop: rate/s, p50, p99 ms", "memory MB", "start s")  # fmt: skip
    rows = [_cells(one) for one in standings(comparison, model)]
    return f"{comparison.models[model]}\n\n{_markdown(head, rows)}"


def _cells(one: Standing) -> tuple[str, ...]:
    return (
        one.title,
        f"{one.predictions_per_s:,.0f}",
        f"{one.p50_ms:.2f}",
        f"{one.p99_ms:.2f}",
        str(one.n_errors),
        str(one.n_defaults),
        str(one.n_wrong),
        f"{one.lone_p50_ms:.2f}, {one.lone_p99_ms:.2f}",
        _open_cell(one),
        f"{one.memory_mb:,.0f}",
        f"{one.start_s:.1f}",
    )


def _open_cell(one: Standing) -> str:
    text = f"{one.open_per_s:,.0f}, {one.open_p50_ms:.2f}, {one.open_p99_ms:.2f}"
    return text + ("" if one.kept_up else " (the load came late)")


def description_table(comparison: Comparison) -> str:
    """Versions and settings, as a Markdown table."""
    rows = [
        (one.title, ", ".join(f"{name} {version}" for name, version in one.versions.items()), one.settings)
        for one in comparison.contestants.values()
    ]
    return _markdown(("", "versions", "settings"), rows)


def _markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def busy_note(comparison: Comparison) -> str:
    """One line about the rounds that shared the machine with other work; empty when none did."""
    n_disturbed = sum(one.foreign_cpu_share > BUSY_SHARE for one in comparison.measurements)
    if not n_disturbed:
        return ""
    return f"{n_disturbed} of {len(comparison.measurements)} rounds shared the machine with other work"


def write_comparison(path: Path, comparison: Comparison, machine: Machine, settings: Mapping[str, object]) -> None:
    """Every round, every failure and the medians, as JSON."""
    document = {
        "format": 1,
        "machine": machine,
        "settings": settings,
        "contestants": {name: asdict(one) for name, one in comparison.contestants.items()},
        "models": comparison.models,
        "measurements": [asdict(one) for one in comparison.measurements],
        "failures": [asdict(one) for one in comparison.failures],
        "medians": {model: [asdict(one) for one in standings(comparison, model)] for model in comparison.models},
    }
    path.write_text(json.dumps(document, indent=1) + "\n")
