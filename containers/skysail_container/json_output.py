"""Outputs of any shape as JSON texts."""

import base64
import json
import math
from collections.abc import Mapping
from datetime import date, time
from types import NoneType
from typing import Any

import numpy as np

__all__ = ["to_json"]


def to_json(value: object) -> bytes:
    """`value` as one JSON text in UTF-8.

    NumPy scalars and arrays become numbers and lists, bytes become base64, dates become ISO 8601; NaN and the
    infinities, which JSON has no words for, become null.

    :raises TypeError: it holds something else; RecursionError: it is nested too deeply, or holds itself.
    """
    try:
        text = json.dumps(value, default=_plain, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    except ValueError:
        finite = _without_nan(value)
        text = json.dumps(finite, default=_plain, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "replace")


def _plain(value: object) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, bytes | bytearray | memoryview):
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"a {type(value).__name__} has no form in JSON")


def _without_nan(value: object) -> object:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, str | int | NoneType):
        return value
    if isinstance(value, Mapping):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(item) for item in value]
    return _without_nan(_plain(value))
