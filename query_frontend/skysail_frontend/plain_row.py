"""Rows of numbers: from JSON text into a buffer without a Python object per number.

Only the one common form, ``{"input": [numbers]}``; whatever else comes, faults included, is left to the decoder that
names the field. Where the hot path is compiled that is done in C (row_reader.c), else by simdjson for wide rows: 784
doubles take 11 and 16 µs; decoding them into a list and packing that takes 30.
"""

from collections.abc import Callable
from typing import Any, Final, Literal

import simdjson

from skysail_frontend.decimal_powers import table

__all__ = ["MIN_BODY_BYTES", "PlainRow", "plain_row"]

MIN_BODY_BYTES: Final = 1024
"""Below this the decoder is as fast as simdjson."""

_BUFFER_TYPES: dict[str, Literal["d", "i"]] = {"<f8": "d", "<i8": "i"}


def _row_reader() -> Callable[[bytes, bool], bytes | None] | None:
    try:
        from skysail_frontend.row_reader import read_row, set_powers
    except ImportError:  # nothing is compiled here
        return None
    set_powers(table())
    return read_row


_read_row = _row_reader()


class PlainRow:
    """Reads one row of `dtype`. Keeps the parser and its memory, which grows to the largest body seen."""

    def __init__(self, dtype: str, buffer_type: Literal["d", "i"]) -> None:
        self._are_integers = dtype == "<i8"
        self._buffer_type = buffer_type
        self._parser = simdjson.Parser()
        self.min_body_bytes = MIN_BODY_BYTES if _read_row is None else 0
        """Smaller bodies are not worth asking for."""

    def payload(self, body: bytes) -> bytes | None:
        """The row's packed bytes, little-endian; None when `body` is not a plain row of this dtype."""
        return self._by_simdjson(body) if _read_row is None else _read_row(body, self._are_integers)

    def _by_simdjson(self, body: bytes) -> bytes | None:
        if body[:1] != b"{" or body.find(b"[", body.find(b"[") + 1) != -1:
            return None  # simdjson skips a byte order mark, and its buffers flatten nested arrays
        try:
            document: Any = self._parser.parse(body)
            if len(document) != 1:  # a key given twice means its last value here and its first one there
                return None
            return bytes(document["input"].as_buffer(of_type=self._buffer_type)) or None
        except (ValueError, TypeError, KeyError, AttributeError, RuntimeError):
            return None


def plain_row(dtype: str) -> PlainRow | None:
    """None: nothing reads rows of this dtype faster than the decoder."""
    buffer_type = _BUFFER_TYPES.get(dtype)
    return None if buffer_type is None else PlainRow(dtype, buffer_type)
