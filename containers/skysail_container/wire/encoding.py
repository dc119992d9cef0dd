"""Messages to frames."""

from struct import Struct
from typing import Any

import msgpack

from skysail_container.errors import FrameTooLargeError
from skysail_container.wire.frames import frame
from skysail_container.wire.limits import DEFAULT_MAX_FRAME_BYTES
from skysail_container.wire.messages import (
    Cancel,
    Drain,
    Drained,
    Health,
    HealthReply,
    Hello,
    Message,
    MessageType,
    Predict,
    ProtocolError,
    Refused,
    Result,
    Statistics,
    StatisticsRequest,
    Welcome,
)
from skysail_container.wire.rows import Arrays, Bytes, Dense, Json, Ragged, RowKind, Strings

__all__ = ["WIDE_BYTES", "encode", "encode_in_parts"]

WIDE_BYTES = 16_384
"""From so much data on, a batch's rows are not copied into its frame."""

_LENGTH = Struct(">I")
_BIN_16, _BIN_32 = Struct(">BH"), Struct(">BI")
_EMPTY_BIN = b"\xc4\x00"

# Plain integers: packing an IntEnum member costs a detour through its Python class.
_TYPES: dict[type, int] = {
    Hello: int(MessageType.HELLO),
    Welcome: int(MessageType.HELLO),
    Predict: int(MessageType.PREDICT),
    Result: int(MessageType.RESULT),
    Cancel: int(MessageType.CANCEL),
    Health: int(MessageType.HEALTH),
    HealthReply: int(MessageType.HEALTH),
    Drain: int(MessageType.DRAIN),
    Drained: int(MessageType.DRAIN),
    StatisticsRequest: int(MessageType.STATISTICS),
    Statistics: int(MessageType.STATISTICS),
    Refused: int(MessageType.REFUSED),
    ProtocolError: int(MessageType.ERROR),
}
_KINDS: dict[type, int] = {
    Dense: int(RowKind.DENSE),
    Ragged: int(RowKind.RAGGED),
    Arrays: int(RowKind.ARRAYS),
    Strings: int(RowKind.STRINGS),
    Bytes: int(RowKind.BYTES),
    Json: int(RowKind.JSON),
}


def encode(message: Message, max_frame_bytes: int = DEFAULT_MAX_FRAME_BYTES) -> bytes:
    """The whole frame of `message`, length prefix included. The value is not validated: the reader does that.

    :raises FrameTooLargeError: the body is longer than `max_frame_bytes`.
    :raises UnicodeEncodeError: a text holds a lone surrogate.
    """
    return frame(msgpack.packb(_fields(message)), max_frame_bytes)


def encode_in_parts(
    message: Message, max_frame_bytes: int = DEFAULT_MAX_FRAME_BYTES
) -> tuple[bytes | bytearray | memoryview, ...]:
    """What `encode` gives, in pieces: the data of a PREDICT's many dense rows stays where it is, which saves three
    copies of it.

    :raises FrameTooLargeError: :raises UnicodeEncodeError: as `encode`
    """
    if not (isinstance(message, Predict) and isinstance(message.rows, Dense) and len(message.rows.data) >= WIDE_BYTES):
        return (encode(message, max_frame_bytes),)
    data = message.rows.data
    n_bytes = len(data)
    head = msgpack.packb(_fields(message._replace(rows=message.rows._replace(data=b"")))).removesuffix(_EMPTY_BIN)
    bin_head = _BIN_16.pack(0xC5, n_bytes) if n_bytes < 1 << 16 else _BIN_32.pack(0xC6, n_bytes)
    n_body_bytes = len(head) + len(bin_head) + n_bytes
    if n_body_bytes > max_frame_bytes:
        raise FrameTooLargeError(n_body_bytes, max_frame_bytes)
    return (_LENGTH.pack(n_body_bytes) + head + bin_head, data)


def _fields(message: Message) -> tuple[Any, ...]:
    message_type = _TYPES[type(message)]
    if isinstance(message, Predict):
        rows = message.rows
        return (message_type, message.batch_id, message.time_left_us, (_KINDS[type(rows)], *rows))
    if isinstance(message, Result):
        batch_id, queued_us, computed_us, outputs, errors = message
        return (message_type, batch_id, queued_us, computed_us, (_KINDS[type(outputs)], *outputs), errors)
    return (message_type, *message)
