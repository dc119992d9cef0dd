"""Messages to frames."""

from typing import Any

import msgpack

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

__all__ = ["encode"]

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


def _fields(message: Message) -> tuple[Any, ...]:
    message_type = _TYPES[type(message)]
    if isinstance(message, Predict):
        rows = message.rows
        return (message_type, message.batch_id, message.time_left_us, (_KINDS[type(rows)], *rows))
    if isinstance(message, Result):
        batch_id, queued_us, computed_us, outputs, errors = message
        return (message_type, batch_id, queued_us, computed_us, (_KINDS[type(outputs)], *outputs), errors)
    return (message_type, *message)
