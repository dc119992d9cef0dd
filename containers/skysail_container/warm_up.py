"""The first batch of a model, before any query: it pays for lazy imports, thread pools and compilation."""

import base64
import json
import logging
from collections.abc import Sequence
from typing import Any

import numpy as np

from skysail_container.batch_execution import run_batch
from skysail_container.errors import ManifestError, ModelLoadError
from skysail_container.input_types import NUMERIC_INPUT_TYPES, InputType
from skysail_container.manifest import Manifest
from skysail_container.model import Model
from skysail_container.wire import ArrayRow, Arrays, Bytes, Json, Ragged, Rows, Strings

__all__ = ["rows_of_json", "warm_up"]

_log = logging.getLogger(__name__)


def warm_up(model: Model, manifest: Manifest, input_type: InputType) -> None:
    """Runs the manifest's warm-up rows, or the model's own example.

    :raises ModelLoadError: the model fails on the manifest's rows. A failure on the example is only logged: nobody
        promised that the model takes it.
    """
    if manifest.warm_up_rows:
        errors = _errors(model, rows_of_json(manifest.warm_up_rows, input_type))
        if errors:
            index, text = next(iter(errors.items()))
            raise ModelLoadError(f"the model fails on its own warm_up_rows, row {index}: {text}")
        return
    example = model.example_rows(input_type)
    if example is not None and (errors := _errors(model, example)):
        _log.warning("the model fails on a row of zeros, so it is not warmed up: %s", errors[0])


def _errors(model: Model, rows: Rows) -> dict[int, str] | None:
    return run_batch(model, rows, lambda: True).errors


def rows_of_json(values: Sequence[Any], input_type: InputType) -> Rows:
    """Rows written as JSON values, bytes as base64, as the rows a batch would bring.

    :raises ManifestError: they are not of `input_type`.
    """
    try:
        return _rows(values, input_type)
    except (TypeError, ValueError, OverflowError) as error:
        raise ManifestError("warm_up_rows", f"not rows of input type {input_type}: {error}") from error


def _rows(values: Sequence[Any], input_type: InputType) -> Rows:
    if input_type == "strings":
        return Strings(tuple([_checked(value, str) for value in values]))
    if input_type == "bytes":
        return Bytes(tuple([base64.b64decode(_checked(value, str), validate=True) for value in values]))
    if input_type == "json":
        return Json(tuple([json.dumps(value).encode() for value in values]))
    if input_type == "tensor":
        return Arrays(tuple([_array_row(value) for value in values]))
    rows = [np.array(_checked(value, list), NUMERIC_INPUT_TYPES[input_type]).reshape(len(value)) for value in values]
    return Ragged(
        NUMERIC_INPUT_TYPES[input_type], tuple([len(row) for row in rows]), b"".join(row.tobytes() for row in rows)
    )


def _array_row(value: object) -> ArrayRow:
    array = np.array(value, "<f8")
    return ArrayRow("<f8", array.shape, array.tobytes())


def _checked(value: Any, expected: type) -> Any:
    if not isinstance(value, expected):
        raise TypeError(f"{value!r} is not of type {expected.__name__}")
    return value
