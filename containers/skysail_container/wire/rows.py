"""The rows of a batch, inputs or outputs, as value classes that hold raw bytes: no NumPy is needed to pass them on."""

from enum import IntEnum
from typing import NamedTuple

__all__ = ["ITEM_BYTES", "ArrayRow", "Arrays", "Bytes", "Dense", "Json", "Ragged", "RowKind", "Rows", "Strings"]

ITEM_BYTES: dict[str, int] = {
    "|b1": 1,
    "|i1": 1,
    "|u1": 1,
    "<i2": 2,
    "<u2": 2,
    "<f2": 2,
    "<i4": 4,
    "<u4": 4,
    "<f4": 4,
    "<i8": 8,
    "<u8": 8,
    "<f8": 8,
    "<c8": 8,
    "<c16": 16,
}
"""Every dtype of the wire with the bytes of one element: NumPy's type strings, always little-endian."""


class RowKind(IntEnum):
    """First element of a rows value."""

    DENSE = 0
    RAGGED = 1
    ARRAYS = 2
    STRINGS = 3
    BYTES = 4
    JSON = 5


class Dense(NamedTuple):
    """Rows of one shape and dtype: `shape[0]` rows; `data` in C order, little-endian."""

    dtype: str
    shape: tuple[int, ...]
    data: bytes | bytearray | memoryview

    @property
    def n_rows(self) -> int:
        return self.shape[0]


class Ragged(NamedTuple):
    """One-dimensional rows of different lengths, one after the other in `data`."""

    dtype: str
    lengths: tuple[int, ...]
    data: bytes | bytearray | memoryview

    @property
    def n_rows(self) -> int:
        return len(self.lengths)


class ArrayRow(NamedTuple):
    """One row that is an array of its own shape and dtype; an empty shape is a scalar."""

    dtype: str
    shape: tuple[int, ...]
    data: bytes | bytearray | memoryview


class Arrays(NamedTuple):
    """Rows that are arrays, each with its own shape and dtype."""

    items: tuple[ArrayRow, ...]

    @property
    def n_rows(self) -> int:
        return len(self.items)


class Strings(NamedTuple):
    """Rows that are texts."""

    items: tuple[str, ...]

    @property
    def n_rows(self) -> int:
        return len(self.items)


class Bytes(NamedTuple):
    """Rows that are byte strings."""

    items: tuple[bytes, ...]

    @property
    def n_rows(self) -> int:
        return len(self.items)


class Json(NamedTuple):
    """Rows that are JSON texts in UTF-8, one value each; the codec does not parse them."""

    items: tuple[bytes, ...]

    @property
    def n_rows(self) -> int:
        return len(self.items)


Rows = Dense | Ragged | Arrays | Strings | Bytes | Json
