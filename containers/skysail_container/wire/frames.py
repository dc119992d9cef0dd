"""Frames: a big-endian u32 with the length of the body, then the body."""

from struct import Struct

from skysail_container.errors import FrameTooLargeError
from skysail_container.wire.limits import DEFAULT_MAX_FRAME_BYTES

__all__ = ["FrameDecoder", "frame"]

_LENGTH = Struct(">I")
_PREFIX_BYTES = _LENGTH.size


def frame(body: bytes, max_frame_bytes: int = DEFAULT_MAX_FRAME_BYTES) -> bytes:
    """`body` with its length before it.

    :raises FrameTooLargeError: the body is longer than `max_frame_bytes`.
    """
    if len(body) > max_frame_bytes:
        raise FrameTooLargeError(len(body), max_frame_bytes)
    return _LENGTH.pack(len(body)) + body


class FrameDecoder:
    """Cuts a byte stream into frame bodies, without I/O.

    Invariant: it holds at most one incomplete frame, and never more bytes than have been fed: an announced length
    reserves nothing. Feeding is linear in the bytes fed, however they are cut.
    """

    __slots__ = ("_max_frame_bytes", "_n_needed", "_partial")

    def __init__(self, max_frame_bytes: int = DEFAULT_MAX_FRAME_BYTES) -> None:
        self._max_frame_bytes = max_frame_bytes
        self._partial = bytearray()
        self._n_needed = 0

    @property
    def n_buffered_bytes(self) -> int:
        """Bytes of the incomplete frame received so far; 0 between frames."""
        return len(self._partial)

    def feed(self, data: bytes | bytearray | memoryview) -> list[bytes]:
        """The bodies that `data` completes, in order.

        :raises FrameTooLargeError: a length over the limit was announced; do not feed this decoder again.
        """
        if not self._partial:
            return self._cut(data)
        self._partial += data
        if len(self._partial) < self._n_needed:
            return []
        joined, self._partial = self._partial, bytearray()
        return self._cut(memoryview(joined))

    def _cut(self, data: bytes | bytearray | memoryview) -> list[bytes]:
        bodies: list[bytes] = []
        start, n_bytes, n_needed = 0, len(data), _PREFIX_BYTES
        while n_bytes - start >= _PREFIX_BYTES:
            (length,) = _LENGTH.unpack_from(data, start)
            if length > self._max_frame_bytes:
                raise FrameTooLargeError(length, self._max_frame_bytes)
            n_needed = _PREFIX_BYTES + length
            if n_bytes - start < n_needed:
                break
            bodies.append(bytes(data[start + _PREFIX_BYTES : start + n_needed]))
            start += n_needed
            n_needed = _PREFIX_BYTES
        if start < n_bytes:
            self._partial += data[start:]
            self._n_needed = n_needed
        return bodies
