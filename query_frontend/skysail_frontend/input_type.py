"""Input types: how one example of each travels from JSON to the wire.

An `InputType` turns the decoded value of ``input`` into a *payload* (what a query holds while it waits) and a list
of payloads into wire rows. Numeric payloads are packed little-endian bytes, so that a batch is one ``join`` and equal
inputs are equal bytes.
"""

import base64
import binascii
import functools
import math
import struct
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import msgspec

from skysail_container.wire import ITEM_BYTES, ArrayRow, Arrays, Bytes, Dense, Json, Ragged, Rows, Strings

__all__ = ["INPUT_TYPES", "InputError", "InputType", "JsonValue", "Numbers", "Tensor", "is_deeper_than"]

MAX_JSON_DEPTH = 64
"""How deep JSON inputs may nest; deeper ones are refused here so that no container's parser recurses on them."""
ITEM_HEADER_BYTES = 5
"""What msgpack writes before a text or a byte string, at most."""


class InputError(ValueError):
    """An example that is well-formed JSON of the right shape, but not a value of its input type."""


class InputType(Protocol):
    """One example to payload, payloads to wire rows. Stateless; shared by all applications of the type."""

    name: str
    python_type: Any

    def payload(self, value: Any) -> Any:
        """:raises InputError: the value is not of this type; the text says why, without the field's name"""
        ...

    def n_bytes(self, payload: Any) -> int:
        """About what the payload occupies in a frame; at least 1, so that halving a batch's bytes ends."""
        ...

    def rows(self, payloads: list[Any]) -> Rows: ...


@functools.lru_cache(maxsize=4096)
def _packer(code: str, n: int) -> Callable[..., bytes]:
    return struct.Struct(f"<{n}{code}").pack


class Numbers:
    """1-D rows of one dtype. A payload is the row's little-endian bytes.

    ``row_bytes`` is what every row has, or None when rows may differ.
    """

    def __init__(self, name: str, python_type: Any, code: str, dtype: str) -> None:
        self.name = name
        self.python_type = python_type
        self.code = code
        self.dtype = dtype
        self.item_bytes = struct.calcsize(f"<{code}")
        self.row_bytes: int | None = None

    def payload(self, value: Sequence[float]) -> bytes:
        if not value:
            raise InputError("is an empty array; at least one number was expected")
        try:
            return _packer(self.code, len(value))(*value)
        except (struct.error, OverflowError) as error:
            raise InputError(f"holds a number outside the range of {self.dtype[1:]} values ({error})") from error

    def n_bytes(self, payload: bytes) -> int:
        return len(payload)

    def rows(self, payloads: list[bytes]) -> Rows:
        width_bytes = len(payloads[0])
        data = b"".join(payloads)
        if len(data) == width_bytes * len(payloads) and all(len(row) == width_bytes for row in payloads):
            return Dense(self.dtype, (len(payloads), width_bytes // self.item_bytes), data)
        return Ragged(self.dtype, tuple(len(row) // self.item_bytes for row in payloads), data)


class Text:
    """Strings, passed on as they are; the empty string is a string."""

    name = "strings"
    python_type: Any = str

    def payload(self, value: str) -> str:
        return value

    def n_bytes(self, payload: str) -> int:
        return ITEM_HEADER_BYTES + (len(payload) if payload.isascii() else len(payload.encode("utf-8")))

    def rows(self, payloads: list[str]) -> Rows:
        return Strings(tuple(payloads))


class Binary:
    """Bytes, base64 in JSON (RFC 4648, section 4)."""

    name = "bytes"
    python_type: Any = str

    def payload(self, value: str) -> bytes:
        return _decode_base64(value)

    def n_bytes(self, payload: bytes) -> int:
        return ITEM_HEADER_BYTES + len(payload)

    def rows(self, payloads: list[bytes]) -> Rows:
        return Bytes(tuple(payloads))


class JsonValue:
    """Any JSON value. A payload is its canonical JSON text."""

    name = "json"
    python_type: Any = Any

    def payload(self, value: Any) -> bytes:
        if is_deeper_than(value, MAX_JSON_DEPTH):
            raise InputError(f"nests deeper than {MAX_JSON_DEPTH} levels")
        return msgspec.json.encode(value)

    def n_bytes(self, payload: bytes) -> int:
        return len(payload)

    def rows(self, payloads: list[bytes]) -> Rows:
        return Json(tuple(payloads))


class Tensor:
    """n-dimensional arrays: nested arrays of numbers, or ``{"data": base64, "dtype": "<f4", "shape": [2, 3]}``.

    A payload is ``(dtype, shape, little-endian bytes)``. Nested arrays become int64 when all numbers are integers,
    float64 otherwise.
    """

    name = "tensor"
    python_type: Any = Any

    def payload(self, value: Any) -> tuple[str, tuple[int, ...], bytes]:
        if isinstance(value, dict):
            return self._packed(value)
        if not isinstance(value, list):
            raise InputError(
                f"is a {_json_kind(value)}; nested arrays or an object with data, dtype and shape was expected"
            )
        shape, flat = _flatten(value)
        if not flat:
            raise InputError("is an empty array; at least one number was expected")
        code, dtype = ("q", "<i8") if all(type(number) is int for number in flat) else ("d", "<f8")
        try:
            return dtype, shape, struct.pack(f"<{len(flat)}{code}", *flat)
        except (struct.error, OverflowError) as error:
            raise InputError(f"holds a number outside the range of {dtype[1:]} values ({error})") from error

    def _packed(self, value: dict[str, Any]) -> tuple[str, tuple[int, ...], bytes]:
        dtype, shape, data = value.get("dtype"), value.get("shape"), value.get("data")
        if not isinstance(dtype, str) or dtype not in ITEM_BYTES:
            raise InputError(f"has dtype {dtype!r}; one of {', '.join(ITEM_BYTES)} was expected")
        if not isinstance(shape, list) or not all(type(side) is int and 0 < side < 2**31 for side in shape):
            raise InputError(f"has shape {shape!r}; an array of positive integers was expected")
        if len(shape) > 32:
            raise InputError(f"has {len(shape)} dimensions; at most 32 were expected")
        if not isinstance(data, str):
            raise InputError(f"has data of type {_json_kind(data)}; a base64 string was expected")
        raw = _decode_base64(data)
        n_expected = math.prod(shape) * ITEM_BYTES[dtype]
        if len(raw) != n_expected:
            raise InputError(f"has {len(raw)} bytes of data; its dtype and shape ask for {n_expected}")
        return dtype, tuple(shape), raw

    def n_bytes(self, payload: tuple[str, tuple[int, ...], bytes]) -> int:
        return len(payload[2])

    def rows(self, payloads: list[tuple[str, tuple[int, ...], bytes]]) -> Rows:
        dtype, shape, _ = payloads[0]
        if all(other[0] == dtype and other[1] == shape for other in payloads):
            return Dense(dtype, (len(payloads), *shape), b"".join(data for _, _, data in payloads))
        return Arrays(tuple(ArrayRow(*payload) for payload in payloads))


def _decode_base64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InputError(f"is not base64 ({error})") from error


def _json_kind(value: Any) -> str:
    kinds = {dict: "object", list: "array", str: "string", bool: "boolean", int: "number", float: "number"}
    return kinds.get(type(value), "null")


def is_deeper_than(value: Any, limit: int) -> bool:
    level = [value]
    for _ in range(limit):
        level = [
            child
            for node in level
            if isinstance(node, dict | list)
            for child in (node.values() if isinstance(node, dict) else node)
            if isinstance(child, dict | list)
        ]
        if not level:
            return False
    return True


def _flatten(value: list[Any]) -> tuple[tuple[int, ...], list[Any]]:
    """Shape and numbers of nested arrays in C order. :raises InputError: ragged, too deep, or not numbers"""
    shape: list[int] = []
    level: list[Any] = value
    shape.append(len(level))
    while level and isinstance(level[0], list):
        if len(shape) == 32:
            raise InputError("has more than 32 dimensions")
        n_side = len(level[0])
        if not all(isinstance(child, list) and len(child) == n_side for child in level):
            raise InputError(f"is ragged: arrays at depth {len(shape) + 1} differ in length")
        shape.append(n_side)
        level = [number for child in level for number in child]
    wrong = next((item for item in level if type(item) not in (int, float)), None)
    if wrong is not None or any(item is None for item in level):
        raise InputError(f"holds a {_json_kind(wrong)} where a number was expected")
    return tuple(shape), level


INPUT_TYPES: dict[str, InputType] = {
    "integers": Numbers("integers", list[int], "q", "<i8"),
    "floats": Numbers("floats", list[float], "f", "<f4"),
    "doubles": Numbers("doubles", list[float], "d", "<f8"),
    "strings": Text(),
    "bytes": Binary(),
    "json": JsonValue(),
    "tensor": Tensor(),
}
"""The canonical input types by name (aliases are resolved by management before a record is written)."""
