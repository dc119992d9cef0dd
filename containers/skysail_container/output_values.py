"""Outputs of a batch in the form of JSON, as an answer shows them, and what is different between two of them."""

import base64
import json
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from skysail_container.wire import ArrayRow, Arrays, Bytes, Dense, Json, Ragged, Rows, Strings

__all__ = ["difference", "json_type", "json_values", "non_finite"]

_JSON_STARTS = frozenset('{["-0123456789tfn')
_MAX_SHOWN = 60


def json_values(outputs: Rows) -> list[Any]:
    """One value per row. NaN and the infinities are kept, text that is itself JSON is what it says, bytes base64."""
    match outputs:
        case Dense(dtype, shape, data):
            return _numbers(dtype, shape, data)
        case Arrays(items):
            return [_array(item) for item in items]
        case Strings(items):
            return [_text(item) for item in items]
        case Bytes(items):
            return [base64.b64encode(item).decode("ascii") for item in items]
        case Json(items):
            return [json.loads(item) for item in items]
        case Ragged():
            raise TypeError("outputs are never ragged")


def json_type(value: Any) -> str:
    """What JSON calls it: number, text, boolean, null, list or object."""
    if value is None or isinstance(value, bool):
        return "null" if value is None else "boolean"
    if isinstance(value, int | float):
        return "number"
    return "text" if isinstance(value, str) else "list" if isinstance(value, list) else "object"


def non_finite(value: Any, path: str = "") -> str | None:
    """Where in `value` NaN or an infinity stands, as `output.price[2] is nan`; None: nowhere."""
    if isinstance(value, float):
        return None if math.isfinite(value) else f"output{path} is {value}"
    found = (non_finite(item, f"{path}{step}") for step, item in _items(value))
    return next((text for text in found if text), None)


def difference(expected: Any, got: Any, tolerance: float, path: str = "") -> str | None:
    """The first thing that is different, as `output[2]: expected 3, got 4`; None when they are as good as equal.

    Numbers are when they are within `tolerance`, absolute or relative to the greater one; everything else is when it is
    equal. What JSON has no number for is null.
    """
    expected, got = _finite_or_none(expected), _finite_or_none(got)
    where = f"output{path}"
    if json_type(expected) != json_type(got):
        return f"{where}: expected {_shown(expected)}, got {_shown(got)}"
    if json_type(expected) == "number":
        if expected == got or math.isclose(expected, got, rel_tol=tolerance, abs_tol=tolerance):
            return None
        return f"{where}: expected {expected}, got {got} (tolerance {tolerance:g})"
    if isinstance(expected, list) and len(expected) != len(got):
        return f"{where}: expected {len(expected)} values, got {len(got)}"
    if isinstance(expected, dict) and expected.keys() != got.keys():
        return f"{where}: expected the fields {_names(expected)}, got {_names(got)}"
    if not isinstance(expected, list | dict):
        return None if expected == got else f"{where}: expected {_shown(expected)}, got {_shown(got)}"
    others = dict(_items(got))
    found = (difference(item, others[step], tolerance, f"{path}{step}") for step, item in _items(expected))
    return next((text for text in found if text), None)


def _items(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, list):
        yield from ((f"[{index}]", item) for index, item in enumerate(value))
    elif isinstance(value, dict):
        yield from ((f".{name}", item) for name, item in value.items())


def _numbers(dtype: str, shape: tuple[int, ...], data: bytes | bytearray | memoryview) -> list[Any]:
    array = np.frombuffer(data, dtype).reshape(shape)
    if array.dtype.kind == "c":
        array = np.stack([array.real, array.imag], axis=-1)
    values: list[Any] = array.tolist()
    return values


def _array(row: ArrayRow) -> Any:
    return _numbers(row.dtype, (1, *row.shape), row.data)[0]


def _text(text: str) -> Any:
    if text[:1] in _JSON_STARTS:
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            return text
    return text


def _finite_or_none(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _names(value: dict[str, Any]) -> str:
    return ", ".join(sorted(value))


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _MAX_SHOWN else f"{text[: _MAX_SHOWN - 3]}..."
