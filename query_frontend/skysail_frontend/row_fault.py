"""What is wrong with a row that its schema refuses, in one sentence: where, what came, what was expected.

The decoder only says yes or no as far as this is concerned; it is looked for after a body was refused.
"""

import base64
import binascii
from collections.abc import Iterator
from typing import Any

import msgspec

from skysail_management.records import InputSchema, ValueType

__all__ = ["MAX_ROW_BYTES", "row_fault"]

MAX_ROW_BYTES = 64 * 1024
"""Longer rows get the decoder's error alone: looking twice costs some 25 ns a byte."""

MAX_LISTED = 8
"""Fields that a sentence names."""

MAX_SHOWN_CHARACTERS = 60

_NAMES: dict[ValueType, tuple[str, str]] = {
    "integer": ("an integer", "integers"),
    "number": ("a number", "numbers"),
    "string": ("a string", "strings"),
    "boolean": ("true or false", "booleans"),
    "bytes": ("base64", "base64 texts"),
    "any": ("a value", "values"),
}

_UNSET = msgspec.UNSET


class _Envelope(msgspec.Struct):
    input: msgspec.Raw | msgspec.UnsetType = _UNSET
    input_batch: list[msgspec.Raw] | msgspec.UnsetType = _UNSET


_ENVELOPE = msgspec.json.Decoder(_Envelope)


def row_fault(body: bytes, schema: InputSchema, row_type: Any) -> str | None:
    """The fault of the first row in `body` that is not of `schema`; None when that is not what is wrong.

    :param row_type: what rows of the schema are decoded into
    """
    try:
        envelope = _ENVELOPE.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None
    decode = msgspec.json.Decoder(row_type).decode
    for field, row in _rows(envelope):
        try:
            decode(row)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            return _fault(row, field, schema)
    return None


def _rows(envelope: _Envelope) -> Iterator[tuple[str, msgspec.Raw]]:
    if envelope.input is not _UNSET:
        yield "input", envelope.input
    elif envelope.input_batch is not _UNSET:
        for i, row in enumerate(envelope.input_batch):
            yield f"input_batch[{i}]", row


def _fault(row: msgspec.Raw, field: str, schema: InputSchema) -> str | None:
    if memoryview(row).nbytes > MAX_ROW_BYTES:
        return None
    try:
        value = msgspec.json.decode(row)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None
    return next(_complaints(value, field, schema), None)


def _complaints(row: Any, path: str, schema: InputSchema) -> Iterator[str]:
    """In the order in which the row is written; what is missing comes last."""
    if schema.fields is None:
        yield from _of_value(row, path, schema.type or "any", schema.shape)
        return
    fields = {field.name: field for field in schema.fields}
    if not isinstance(row, dict):
        yield f"`{path}` is {_shown(row)}; an object of {_listed(list(fields))} was expected"
        return
    for name, value in row.items():
        field = fields.get(name)
        if field is None:
            yield f"`{path}.{_cut(name)}` is unknown; the fields are {_listed(list(fields))}"
        elif not (field.optional and value is None):
            yield from _of_value(value, f"{path}.{_cut(name)}", field.type, field.shape)
    for name, field in fields.items():
        if not field.optional and name not in row:
            yield f"`{path}.{_cut(name)}` is missing; {_expected(field.type, field.shape)} was expected"


def _of_value(value: Any, path: str, kind: ValueType, shape: tuple[int, ...]) -> Iterator[str]:
    if not shape:
        if not _is_of(value, kind):
            yield f"`{path}` is {_shown(value)}; {_expected(kind, shape)} was expected"
    elif not isinstance(value, list):
        yield f"`{path}` is {_shown(value)}; {_expected(kind, shape)} was expected"
    elif shape[0] not in (-1, len(value)):
        yield f"`{path}` is an array of {len(value)}; {_expected(kind, shape)} was expected"
    else:
        for i, item in enumerate(value):
            yield from _of_value(item, f"{path}[{i}]", kind, shape[1:])


def _is_of(value: Any, kind: ValueType) -> bool:
    match kind:
        case "integer":
            return type(value) is int
        case "number":
            return type(value) in (int, float)
        case "string":
            return isinstance(value, str)
        case "boolean":
            return isinstance(value, bool)
        case "bytes":
            return isinstance(value, str) and _is_base64(value)
        case "any":
            return True


def _is_base64(text: str) -> bool:
    try:
        base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return False
    return True


def _expected(kind: ValueType, shape: tuple[int, ...]) -> str:
    """`an integer`, `an array of strings`, `an array of 3 x n numbers`"""
    one, many = _NAMES[kind]
    if not shape:
        return one
    if shape == (-1,):
        return f"an array of {many}"
    return f"an array of {' x '.join('n' if side < 0 else str(side) for side in shape)} {many}"


def _listed(names: list[str]) -> str:
    if not names:
        return "none"
    shown = ", ".join(f"`{_cut(name)}`" for name in names[:MAX_LISTED])
    more = f" and {len(names) - MAX_LISTED} more" if len(names) > MAX_LISTED else ""
    return shown + more


def _shown(value: Any) -> str:
    match value:
        case dict():
            return "an object"
        case list():
            return "an array"
        case str():
            return f"the string {_cut(value)!a}"
        case _:
            return _cut(msgspec.json.encode(value).decode())


def _cut(text: str) -> str:
    return text if len(text) <= MAX_SHOWN_CHARACTERS else f"{text[:MAX_SHOWN_CHARACTERS]}..."
