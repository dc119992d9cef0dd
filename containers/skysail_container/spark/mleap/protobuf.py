"""The few messages of Bundle.ML that are read, in Protobuf's wire format, without a library for it.

Source: protobuf.dev/programming-guides/encoding; ml.bundle.{Model, Node, Value, Tensor}, ml.bundle.dtree.Node.
"""

import struct
from collections.abc import Iterator
from typing import Final

__all__ = ["Message", "framed_messages"]

_VARINT: Final = 0
_FIXED_64: Final = 1
_BYTES: Final = 2
_FIXED_32: Final = 5


class Message:
    """The fields of one message, by number. What a field is, its reader says; what is missing is zero or empty."""

    def __init__(self, content: bytes) -> None:
        """
        :raises ValueError: it is cut off or no message.
        """
        self._fields: dict[int, list[tuple[int, int | bytes]]] = {}
        for number, kind, value in _fields(content):
            self._fields.setdefault(number, []).append((kind, value))

    def __contains__(self, number: object) -> bool:
        return number in self._fields

    def messages(self, number: int) -> list["Message"]:
        return [Message(_bytes(value)) for _, value in self._fields.get(number, [])]

    def message(self, number: int) -> "Message":
        """The last one of that number; an empty one if there is none."""
        found = self._fields.get(number)
        return Message(_bytes(found[-1][1])) if found else Message(b"")

    def blob(self, number: int) -> bytes:
        found = self._fields.get(number)
        return _bytes(found[-1][1]) if found else b""

    def text(self, number: int) -> str:
        return self.blob(number).decode()

    def texts(self, number: int) -> list[str]:
        return [_bytes(value).decode() for _, value in self._fields.get(number, [])]

    def integer(self, number: int) -> int:
        found = self.integers(number)
        return found[-1] if found else 0

    def integers(self, number: int) -> list[int]:
        """Signed ones, packed or not."""
        found: list[int] = []
        for kind, value in self._fields.get(number, []):
            if kind == _BYTES:
                content, at = _bytes(value), 0
                while at < len(content):
                    one, at = _varint(content, at)
                    found.append(_signed(one))
            elif isinstance(value, int):
                found.append(_signed(value))
        return found

    def number(self, number: int) -> float:
        found = self.numbers(number)
        return found[-1] if found else 0.0

    def numbers(self, number: int) -> list[float]:
        """Doubles, packed or not."""
        return self._packed(number, "d", 8)

    def float_number(self, number: int) -> float:
        found = self.float_numbers(number)
        return found[-1] if found else 0.0

    def float_numbers(self, number: int) -> list[float]:
        """Of single precision, packed or not."""
        return self._packed(number, "f", 4)

    def _packed(self, number: int, kind: str, size: int) -> list[float]:
        found: list[float] = []
        for _, value in self._fields.get(number, []):
            content = _bytes(value)
            if len(content) % size:
                raise ValueError(f"field {number} holds no numbers of {size} bytes")
            found.extend(struct.unpack(f"<{len(content) // size}{kind}", content))
        return found


def framed_messages(content: bytes) -> Iterator[Message]:
    """Messages one after another, each after its length in four bytes.

    :raises ValueError: one is cut off or no message.
    """
    at = 0
    while at < len(content):
        length = int.from_bytes(content[at : at + 4], "big")
        at += 4
        if at + length > len(content):
            raise ValueError("it is cut off")
        yield Message(content[at : at + length])
        at += length


def _fields(content: bytes) -> Iterator[tuple[int, int, int | bytes]]:
    at = 0
    while at < len(content):
        key, at = _varint(content, at)
        number, kind = key >> 3, key & 7
        if kind == _VARINT:
            value, at = _varint(content, at)
            yield number, kind, value
            continue
        if kind == _BYTES:
            length, at = _varint(content, at)
        elif kind in (_FIXED_32, _FIXED_64):
            length = 8 if kind == _FIXED_64 else 4
        else:
            raise ValueError(f"field {number} is of the unknown wire type {kind}")
        if at + length > len(content):
            raise ValueError("a message is cut off")
        yield number, kind, content[at : at + length]
        at += length


def _varint(content: bytes, at: int) -> tuple[int, int]:
    """A number and where the next begins."""
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(content):
            raise ValueError("a message is cut off")
        byte = content[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise ValueError("a number has more than 64 bits")


def _signed(value: int) -> int:
    value &= (1 << 64) - 1
    return value - (1 << 64) if value >> 63 else value


def _bytes(value: int | bytes) -> bytes:
    if isinstance(value, int):
        raise ValueError("a number where bytes are expected")  # noqa: TRY004 - as all damage is told
    return value
