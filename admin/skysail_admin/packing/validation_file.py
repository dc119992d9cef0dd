"""The validation file of a model folder, read when it is packed: its inputs, as JSON values."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from skysail_admin.errors import InvalidRequestError

__all__ = ["MAX_ROWS", "VALIDATION_FILES", "validation_inputs"]

VALIDATION_FILES = ("validation.jsonl", "validation.parquet", "validation.npz")
"""Found by themselves, the first that is there."""

MAX_ROWS = 10_000
"""As many as a container checks; more belong into an evaluation of the model, not into its start."""


def validation_inputs(path: Path, *, is_object: bool) -> list[Any]:
    """The input rows in the file, as a query would bring them.

    :param is_object: rows may be objects: a table's columns are their fields. Else they are lists and single values.
    :raises InvalidRequestError: it is not what its name says, is empty or too long, or a library to read it is missing.
    """
    read = _READERS.get(path.suffix)
    if read is None:
        raise _error(f"{path.name}: validation rows stand in a .jsonl, .parquet or .npz file")
    try:
        rows = read(path, is_object)
    except (InvalidRequestError, OSError):
        raise
    except ModuleNotFoundError as error:
        raise _error(f"{path.name} cannot be read without {error.name}: pip install {error.name}") from error
    except Exception as error:  # the readers of foreign formats raise what they like
        raise _error(f"{path.name} cannot be read: {type(error).__name__}: {error}") from error
    if not 0 < len(rows) <= MAX_ROWS:
        raise _error(f"{path.name} has {len(rows)} rows; from 1 to {MAX_ROWS} are expected")
    return rows


def _error(text: str) -> InvalidRequestError:
    return InvalidRequestError(text, field="model")


def _jsonl(path: Path, is_object: bool) -> list[Any]:
    rows: list[Any] = []
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                entry = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise _error(f"{path.name}, line {number}: not JSON: {error}") from error
            if isinstance(entry, dict) and entry.keys() == {"tolerance"} and not rows:
                continue
            if not isinstance(entry, dict) or "input" not in entry or entry.keys() - {"input", "output"}:
                raise _error(f'{path.name}, line {number}: an object with "input" and perhaps "output" is expected')
            rows.append(entry["input"])
    return rows


def _parquet(path: Path, is_object: bool) -> list[Any]:
    import pyarrow.parquet

    table = pyarrow.parquet.read_table(path)
    return _rows(path, {name: table.column(name).to_pylist() for name in table.column_names}, is_object)


def _npz(path: Path, is_object: bool) -> list[Any]:
    import numpy as np

    with np.load(path, allow_pickle=False) as arrays:
        found = {name: arrays[name] for name in arrays.files}
    columns = {name: array.tolist() for name, array in found.items() if array.ndim or name != "tolerance"}
    return _rows(path, columns, is_object)


_READERS: dict[str, Callable[[Path, bool], list[Any]]] = {".jsonl": _jsonl, ".parquet": _parquet, ".npz": _npz}


def _rows(path: Path, columns: dict[str, Any], is_object: bool) -> list[Any]:
    inputs = {name: values for name, values in columns.items() if name != "output" and not name.startswith("output.")}
    if not inputs:
        raise _error(f"{path.name} has no inputs")
    if not all(isinstance(values, list) for values in inputs.values()):
        raise _error(f"{path.name} holds single values; arrays with the rows on the first axis are expected")
    if len({len(values) for values in inputs.values()}) > 1:
        raise _error(f"{path.name}: its arrays have different numbers of rows")
    if len(inputs) == 1 and (not is_object or "input" in inputs):
        (sole,) = inputs.values()
        return [_plain(value) for value in sole]
    rows: Iterable[tuple[Any, ...]] = zip(*inputs.values(), strict=True)
    if not is_object:
        return [_plain(list(row)) for row in rows]
    return [dict(zip(inputs, map(_plain, row), strict=True)) for row in rows]


def _plain(value: Any) -> Any:
    """As JSON has it: NaN is null; dates, bytes and the like are texts."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    return value if value is None or isinstance(value, str | int) else str(value)
