"""Model outputs: wire rows to one JSON fragment per row, ready to be put into an answer.

A row of numbers becomes a number or nested arrays, one without elements ``[]``; NaN and infinities become null, for
JSON has no word for them; complex numbers become ``[re, im]``. Text that is itself JSON is passed on as JSON (a model
that returns ``{"a":1}`` answers an object), any other text as a string; bytes become base64.
"""

import base64
import struct
from collections.abc import Sequence
from typing import Any

import msgspec

from skysail_container.wire import Arrays, Bytes, Dense, Json, Ragged, Rows, Strings

__all__ = ["json_fragments"]

_encode = msgspec.json.encode
_decode = msgspec.json.decode
_MEMORY_CODES = {"<f8": "d", "<f4": "f", "<i8": "q", "<u8": "Q", "<i4": "i", "<u4": "I", "<i2": "h", "<u2": "H",
                 "|i1": "b", "|u1": "B", "|b1": "?"}  # fmt: skip
_JSON_STARTS = frozenset('{["-0123456789tfn')


def json_fragments(outputs: Rows) -> list[bytes | None]:
    """One fragment per row of `outputs`, in order; None for a row whose JSON text is not JSON."""
    match outputs:
        case Dense():
            return _dense(outputs)
        case Ragged(dtype, lengths, data):
            return _ragged(_numbers(dtype, data), lengths)
        case Arrays(items):
            return [_encode(_nested(_numbers(item.dtype, item.data), item.shape)) for item in items]
        case Strings(items):
            return [_text(item) for item in items]
        case Bytes(items):
            return [_encode(base64.b64encode(item).decode("ascii")) for item in items]
        case Json(items):
            return [_checked(item) for item in items]


def _dense(outputs: Dense) -> list[bytes | None]:
    numbers = _numbers(outputs.dtype, outputs.data)
    shape = outputs.shape
    if not shape or shape[0] == 0:
        return []
    if len(shape) == 1:
        return [_encode(number) for number in numbers]
    row_shape = shape[1:]
    n_row = 1
    for side in row_shape:
        n_row *= side
    rows = (numbers[i * n_row : (i + 1) * n_row] for i in range(shape[0]))
    return [_encode(_nested(row, row_shape)) for row in rows]


def _ragged(numbers: list[Any], lengths: Sequence[int]) -> list[bytes | None]:
    fragments: list[bytes | None] = []
    start = 0
    for length in lengths:
        fragments.append(_encode(numbers[start : start + length]))
        start += length
    return fragments


def _numbers(dtype: str, data: bytes | bytearray | memoryview) -> list[Any]:
    """All numbers of an array as Python numbers, flat, in C order."""
    code = _MEMORY_CODES.get(dtype)
    if code is not None:
        return memoryview(data).cast(code).tolist()  # type: ignore[call-overload, no-any-return]  # code is checked
    if dtype == "<f2":
        return list(struct.unpack(f"<{len(data) // 2}e", data))
    parts: list[Any] = memoryview(data).cast("f" if dtype == "<c8" else "d").tolist()
    return [list(pair) for pair in zip(parts[::2], parts[1::2], strict=True)]


def _nested(flat: list[Any], shape: Sequence[int]) -> Any:
    if not shape:
        return flat[0]
    if not flat:
        return []  # whatever its shape: with one axis of zero the others can be as long as a container likes
    for side in reversed(shape[1:]):
        flat = [flat[i : i + side] for i in range(0, len(flat), side)]
    return flat


def _text(text: str) -> bytes:
    if text and text[0] in _JSON_STARTS:
        raw = text.encode("utf-8", "replace")
        if _checked(raw) is not None:
            return raw
    return _encode(text)


def _checked(text: bytes) -> bytes | None:
    try:
        _decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None
    return text
