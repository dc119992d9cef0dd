"""`--check FILE`: everything a container does before it serves, how long batches then take, and an end."""

import json
import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from skysail_container.batch_execution import run_batch
from skysail_container.errors import ModelLoadError, ValidationError
from skysail_container.input_types import InputType
from skysail_container.load_report import report
from skysail_container.loading import CheckedModel, agreed_input_type, load_checked
from skysail_container.manifest import Manifest, read_manifest
from skysail_container.settings import Settings
from skysail_container.validation import MAX_LISTED, wire_rows
from skysail_container.warm_up import rows_of_json
from skysail_container.wire import Dense, Json, Ragged, Rows

__all__ = ["check"]

BATCH_SIZES = (1, 8, 64)
MAX_RUNS = 200
TIMING_S = 1.0
"""Each batch size is run until it had so long or `MAX_RUNS` runs, at least three times."""

_log = logging.getLogger(__name__)


def check(settings: Settings, path: Path) -> bool:
    """Loads, validates and warms up the model of `settings`, times its batches and writes what was found to `path`,
    as JSON. Whether the model may be served.

    :raises OSError: `path` cannot be written.
    """
    found: dict[str, Any] = {"ok": False, "error": None, "differences": [], "n_differences": 0, "batches": []}
    try:
        with ThreadPoolExecutor(1, "model") as thread:  # as when it serves: some code works on the main thread only
            found |= thread.submit(_checked, settings).result()
    except ModelLoadError as error:
        if error.__cause__ is not None:
            _log.error("this is where the model failed:", exc_info=error.__cause__)
        found["error"] = str(error)
        if isinstance(error, ValidationError):
            found["differences"] = list(error.differences[:MAX_LISTED])
            found["n_differences"] = len(error.differences)
    found |= {"served_by": report.served_by, "notes": report.notes}
    path.write_text(json.dumps(found))
    return bool(found["ok"])


def _checked(settings: Settings) -> dict[str, Any]:
    manifest = read_manifest(settings.model)
    input_type = agreed_input_type(settings.input_type, manifest)
    started_s = time.monotonic()
    checked = load_checked(settings.model, manifest, input_type)
    load_s = time.monotonic() - started_s
    validation = checked.validation
    return {
        "ok": True,
        "input_type": input_type,
        "load_s": round(load_s, 3),
        "validation_file": validation.file if validation else None,
        "n_validation_rows": len(validation.rows) if validation else 0,
        "n_expected": sum(row.is_expected for row in validation.rows) if validation else 0,
        "batches": _timed(checked, manifest, input_type),
    }


def _timed(checked: CheckedModel, manifest: Manifest, input_type: InputType) -> list[dict[str, Any]]:
    """Times of batches made of the validation rows, else of the warm-up rows, else of the model's own example."""
    rows_of = _batches(checked, manifest, input_type)
    return [] if rows_of is None else [_times(checked, rows_of(size), size) for size in BATCH_SIZES]


def _batches(checked: CheckedModel, manifest: Manifest, input_type: InputType) -> Callable[[int], Rows] | None:
    validation = checked.validation
    if validation is not None:
        return lambda size: _dense(wire_rows(validation, _repeated(validation.rows, size), input_type))
    if manifest.warm_up_rows:
        return lambda size: _dense(rows_of_json(_repeated(manifest.warm_up_rows, size), input_type))
    example = checked.model.example_rows(input_type)
    if isinstance(example, Dense):
        return lambda size: Dense(example.dtype, (size, *example.shape[1:]), bytes(example.data) * size)
    if isinstance(example, Json):
        return lambda size: Json(example.items * size)
    return None


def _repeated(rows: Sequence[Any], size: int) -> list[Any]:
    return [rows[index % len(rows)] for index in range(size)]


def _dense(rows: Rows) -> Rows:
    """Rows of equally many numbers as a frontend sends them."""
    if isinstance(rows, Ragged) and len(set(rows.lengths)) == 1:
        return Dense(rows.dtype, (rows.n_rows, rows.lengths[0]), rows.data)
    return rows


def _times(checked: CheckedModel, rows: Rows, size: int) -> dict[str, Any]:
    times_s: list[float] = []
    end_s = time.monotonic() + TIMING_S
    while len(times_s) < 3 or (len(times_s) < MAX_RUNS and time.monotonic() < end_s):
        started_s = time.perf_counter()
        run_batch(checked.model, rows, lambda: True)
        times_s.append(time.perf_counter() - started_s)
    times_s.sort()
    return {
        "n_rows": size,
        "n_runs": len(times_s),
        "p50_ms": round(1000 * times_s[len(times_s) // 2], 4),
        "p99_ms": round(1000 * times_s[min(len(times_s) - 1, int(0.99 * len(times_s)))], 4),
        "max_ms": round(1000 * times_s[-1], 4),
    }
