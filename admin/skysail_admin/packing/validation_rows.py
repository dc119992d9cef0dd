"""Validation rows that are handed over with a model, since it is no folder that could have a file of them."""

from __future__ import annotations

import base64
import json
import math
import os
from collections.abc import Iterator, Mapping
from datetime import date, time
from pathlib import Path
from typing import Any

from skysail_admin.errors import InvalidRequestError
from skysail_admin.packing.validation_file import MAX_ROWS, VALIDATION_FILES, validation_inputs

__all__ = ["as_validation_file", "inputs_given"]

_SUFFIXES = tuple(Path(name).suffix for name in VALIDATION_FILES)
_JSON_STARTS = frozenset('{["-0123456789tfn')
_MISSING = frozenset({"NAType", "NaTType"})
"""What pandas has for missing, besides NaN."""


def inputs_given(validation: Any, *, is_object: bool) -> list[Any]:
    """The input rows, as a query would bring them.

    :param validation: the path of a .jsonl, .parquet or .npz file, rows, or a tuple of rows and their outputs.
    :param is_object: rows may be objects: those of a DataFrame have its columns as fields. Else they are lists.
    :raises InvalidRequestError: there is no such file, it is not what its name says, or there are too few or too many.
    """
    if isinstance(validation, str | os.PathLike):
        try:
            return validation_inputs(_existing(validation), is_object=is_object)
        except InvalidRequestError as error:
            raise _error(error.message) from error
    rows, outputs = _parts(validation)
    found = list(_values(rows, is_object=is_object))
    if not 0 < len(found) <= MAX_ROWS:
        raise _error(f"there are {len(found)} validation rows; from 1 to {MAX_ROWS} are expected")
    if outputs is not None and len(expected := list(_values(outputs, is_object=True))) != len(found):
        raise _error(f"there are {len(found)} validation rows and {len(expected)} outputs")
    return found


def as_validation_file(validation: Any, staging: Path, *, is_object: bool) -> Path:
    """The file to be packed: the one that is given, or one in `staging` with the rows and outputs.

    :raises InvalidRequestError: as `inputs_given`.
    """
    if isinstance(validation, str | os.PathLike):
        return _existing(validation)
    inputs = inputs_given(validation, is_object=is_object)
    outputs = _parts(validation)[1]
    entries: list[dict[str, Any]] = [{"input": row} for row in inputs]
    if outputs is not None:
        for entry, output in zip(entries, _values(outputs, is_object=True), strict=True):
            entry["output"] = _as_answered(output)
    path = staging / VALIDATION_FILES[0]
    path.write_text("".join(json.dumps(entry, allow_nan=False) + "\n" for entry in entries))
    return path


def _existing(validation: str | os.PathLike[str]) -> Path:
    path = Path(validation).expanduser()
    if path.suffix not in _SUFFIXES:
        raise _error(f"{path}: validation rows stand in a .jsonl, .parquet or .npz file")
    if not path.is_file():
        raise _error(f"there is no file {path}")
    return path


def _parts(validation: Any) -> tuple[Any, Any]:
    """Rows and outputs; None where only rows are given."""
    return validation if isinstance(validation, tuple) and len(validation) == 2 else (validation, None)


def _values(rows: Any, *, is_object: bool) -> Iterator[Any]:
    """One value in the form of JSON per row of a list, array, sparse matrix, Series or DataFrame."""
    if hasattr(rows, "columns") and hasattr(rows, "iloc"):
        names = [str(name) for name in rows.columns]
        columns = [rows.iloc[:, index].tolist() for index in range(len(names))]
        for row in zip(*columns, strict=True):
            values = [_plain(value) for value in row]
            yield dict(zip(names, values, strict=True)) if is_object else values
        return
    if hasattr(rows, "toarray"):
        rows = rows.toarray()
    plain = rows.tolist() if hasattr(rows, "tolist") else rows
    if not isinstance(plain, list | tuple):
        raise _error(f"validation rows are a file, a list, an array or a DataFrame, not a {type(rows).__name__}")
    yield from map(_plain, plain)


def _plain(value: Any) -> Any:
    """As the container has it: NaN and the infinities are null, bytes base64, dates ISO 8601."""
    if value is None or type(value).__name__ in _MISSING:
        return None
    if hasattr(value, "tolist"):
        return _plain(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, str | int):
        return value
    if isinstance(value, bytes | bytearray):
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    raise _error(f"a {type(value).__name__} among the validation rows has no form in JSON")


def _as_answered(output: Any) -> Any:
    """A text that is itself JSON is answered as what it says: the label "1" as 1."""
    if isinstance(output, str) and output[:1] in _JSON_STARTS:
        try:
            return json.loads(output)
        except (ValueError, RecursionError):
            return output
    return output


def _error(text: str) -> InvalidRequestError:
    return InvalidRequestError(text, field="validation")
