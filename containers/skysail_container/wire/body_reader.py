"""Reads a frame's body value by value, so that nothing is allocated on an announcement's word."""

from itertools import islice
from typing import TypeVar

import msgpack

from skysail_container.errors import MalformedFrameError
from skysail_container.wire.limits import MAX_INTEGER

__all__ = ["BodyReader"]

_NIL = b"\xc0"
_ENDS_WITHIN = "the body ends within it"
_S = TypeVar("_S", str, bytes, int)


class BodyReader:
    """A cursor over one body.

    Containers are entered by their header alone and scalars are read with a limit of zero elements: an array where a
    scalar belongs fails before anything is allocated for it, however deep or long it claims to be. Every method
    raises MalformedFrameError with the field it was asked to read.
    """

    __slots__ = ("_body", "_unpack", "_unpacker")

    def __init__(self, body: bytes) -> None:
        self._body = body
        if not body:
            raise MalformedFrameError("frame", "its body is empty")
        self._unpacker = msgpack.Unpacker(
            read_size=len(body),
            max_buffer_size=len(body),
            use_list=False,
            max_array_len=0,
            max_map_len=0,
            max_ext_len=0,
        )
        self._unpacker.feed(body)
        self._unpack = self._unpacker.unpack

    def array(self, field: str, maximum: int) -> int:
        """Enters an array; the number of elements it announces: read them one by one, reserve nothing for them."""
        try:
            n_elements: int = self._unpacker.read_array_header()
        except (ValueError, msgpack.UnpackException) as error:
            raise MalformedFrameError(field, "an array is expected") from error
        if n_elements > maximum:
            raise _too_many(field, n_elements, maximum)
        return n_elements

    def mapping(self, field: str, maximum: int) -> int:
        """Enters a map; its number of entries."""
        try:
            n_entries: int = self._unpacker.read_map_header()
        except (ValueError, msgpack.UnpackException) as error:
            raise MalformedFrameError(field, "a map is expected") from error
        if n_entries > maximum:
            raise _too_many(field, n_entries, maximum)
        return n_entries

    def optional_mapping(self, field: str, maximum: int) -> int | None:
        """Enters a map, or reads a nil and gives None."""
        position = self._unpacker.tell()
        if self._body[position : position + 1] == _NIL:
            self._unpack()
            return None
        return self.mapping(field, maximum)

    def scalar(self, field: str) -> object:
        """The next value, which must not be an array, a map or an extension."""
        try:
            return self._unpack()
        except (ValueError, msgpack.UnpackException) as error:
            raise MalformedFrameError(field, _problem(error)) from error

    def integer(self, field: str, maximum: int = MAX_INTEGER) -> int:
        value = self.scalar(field)
        if type(value) is int and 0 <= value <= maximum:
            return value
        raise MalformedFrameError(field, f"an integer from 0 to {maximum} is expected, not {_described(value)}")

    def text(self, field: str) -> str:
        value = self.scalar(field)
        if type(value) is str:
            return value
        raise MalformedFrameError(field, f"a text is expected, not {_described(value)}")

    def binary(self, field: str) -> bytes:
        value = self.scalar(field)
        if type(value) is bytes:
            return value
        raise MalformedFrameError(field, f"bytes are expected, not {_described(value)}")

    def integers(self, field: str, n: int) -> tuple[int, ...]:
        """The next `n` values, all of them integers of at least 0."""
        values = self._same(field, n, int)
        if values and not (min(values) >= 0 and max(values) <= MAX_INTEGER):
            raise MalformedFrameError(field, f"integers from 0 to {MAX_INTEGER} are expected")
        return values

    def texts(self, field: str, n: int) -> tuple[str, ...]:
        """The next `n` values, all of them texts."""
        return self._same(field, n, str)

    def binaries(self, field: str, n: int) -> tuple[bytes, ...]:
        """The next `n` values, all of them bytes."""
        return self._same(field, n, bytes)

    def number(self, field: str) -> int | float:
        value = self.scalar(field)
        if type(value) is int or type(value) is float:
            return value
        raise MalformedFrameError(field, f"a number is expected, not {_described(value)}")

    def end(self) -> None:
        """Checks that the body ends here."""
        n_left = len(self._body) - self._unpacker.tell()
        if n_left:
            raise MalformedFrameError("frame", f"{n_left} bytes follow the message")

    def _same(self, field: str, n: int, expected: type[_S]) -> tuple[_S, ...]:
        try:
            values: tuple[_S, ...] = tuple(islice(self._unpacker, n))
        except (ValueError, msgpack.UnpackException) as error:
            raise MalformedFrameError(field, _problem(error)) from error
        if len(values) != n:
            raise MalformedFrameError(field, _ENDS_WITHIN)
        if n and set(map(type, values)) != {expected}:
            raise MalformedFrameError(field, f"every element must be of type {expected.__name__}")
        return values


def _too_many(field: str, n: int, maximum: int) -> MalformedFrameError:
    return MalformedFrameError(field, f"at most {maximum} elements are allowed, {n} are announced")


def _problem(error: Exception) -> str:
    if isinstance(error, msgpack.OutOfData):
        return _ENDS_WITHIN
    if isinstance(error, UnicodeDecodeError):
        return "a text that is not UTF-8"
    return str(error) or "not a msgpack value"


def _described(value: object) -> str:
    if isinstance(value, str | bytes) and len(value) > 40:
        return f"{type(value).__name__} of {len(value)} elements"
    return repr(value)
