"""`skysail metrics`"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Annotated, Any

import typer

from skysail_admin.cli.session import session_of
from skysail_admin.prometheus_text import Sample, quantile_s

__all__ = ["metrics"]


def metrics(
    context: typer.Context,
    raw: Annotated[bool, typer.Option("--raw", help="The services' Prometheus text as it is.")] = False,
) -> None:
    """Show what the query frontend and management count and measure."""
    session = session_of(context)
    with session.client() as client:
        if raw and not session.output.as_json:
            sys.stdout.write(client.metrics_text())
            return
        samples = client.metrics()
    apps, models = _applications(samples), _models(samples)
    session.output.result([sample._asdict() for sample in samples], lambda: _show(context, apps, models))


def _show(context: typer.Context, apps: list[list[Any]], models: list[list[Any]]) -> None:
    output = session_of(context).output
    if not apps and not models:
        output.say("[dim]nothing counted yet; more in: skysail metrics --raw[/]")
    if apps:
        output.table(("APPLICATION", "QUERIES", "DEFAULTS", "ERRORS", "P50 MS", "P99 MS"), apps)
    if models:
        columns = (
            "MODEL",
            "REPLICAS",
            "QUEUED",
            "BATCHES",
            "ROWS PER BATCH",
            "MODEL P50 MS",
            "MODEL P99 MS",
            "ROW ERRORS",
        )
        output.table(columns, models)


def _applications(samples: list[Sample]) -> list[list[Any]]:
    rows = []
    for app in _values(samples, "skysail_request_duration_seconds_count", "app"):
        own = [sample for sample in samples if sample.labels.get("app") == app]
        rows.append(
            [
                app,
                f"{_total(own, 'skysail_request_duration_seconds_count'):g}",
                f"{_total(own, 'skysail_defaults_total'):g}",
                f"{_total(own, 'skysail_request_errors_total'):g}",
                _quantile_ms(own, "skysail_request_duration_seconds", 0.5),
                _quantile_ms(own, "skysail_request_duration_seconds", 0.99),
            ]
        )
    return rows


def _models(samples: list[Sample]) -> list[list[Any]]:
    rows = []
    known = [sample for sample in samples if sample.name == "skysail_batch_rows_count"]
    for model, version in sorted({(s.labels.get("model", ""), s.labels.get("version", "")) for s in known}):
        own = [s for s in samples if (s.labels.get("model"), s.labels.get("version")) == (model, version)]
        n_batches = _total(own, "skysail_batch_rows_count")
        rows.append(
            [
                f"{model}:{version}",
                f"{_total(own, 'skysail_replicas'):g}",
                f"{_total(own, 'skysail_queue_rows'):g}",
                f"{n_batches:g}",
                f"{_total(own, 'skysail_batch_rows_sum') / n_batches:.1f}" if n_batches else None,
                _quantile_ms(own, "skysail_model_duration_seconds", 0.5),
                _quantile_ms(own, "skysail_model_duration_seconds", 0.99),
                f"{_total(own, 'skysail_row_errors_total'):g}",
            ]
        )
    return rows


def _values(samples: Iterable[Sample], name: str, label: str) -> list[str]:
    return sorted({sample.labels[label] for sample in samples if sample.name == name and label in sample.labels})


def _total(samples: Iterable[Sample], name: str) -> float:
    return sum(sample.value for sample in samples if sample.name == name)


def _quantile_ms(samples: Iterable[Sample], name: str, quantile: float) -> str | None:
    """Of a histogram whose series (of several label sets) are added up."""
    buckets: dict[float, float] = {}
    for sample in samples:
        if sample.name == f"{name}_bucket":
            upper = float(sample.labels["le"])
            buckets[upper] = buckets.get(upper, 0.0) + sample.value
    found_s = quantile_s(buckets.items(), quantile)
    return None if found_s is None else f"{found_s * 1000:.2f}"
