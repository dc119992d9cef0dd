"""Wire protocol version 1: frames, messages and rows as pure functions and value classes. docs/rpc.md describes it."""

from skysail_container.compiled import FORM

__path__ = FORM.search_path(__path__, "wire")

from skysail_container.errors import FrameTooLargeError, MalformedFrameError, UnsupportedVersionError, WireError
from skysail_container.wire.decoding import decode_from_client, decode_from_container
from skysail_container.wire.encoding import encode, encode_in_parts
from skysail_container.wire.frames import FrameDecoder
from skysail_container.wire.limits import (
    DEFAULT_MAX_FRAME_BYTES,
    MAX_DIMENSIONS,
    MAX_INTEGER,
    MAX_ROWS,
    PROTOCOL_VERSION,
)
from skysail_container.wire.messages import (
    REFUSED_ROW,
    Cancel,
    ClientMessage,
    ContainerMessage,
    Drain,
    Drained,
    Health,
    HealthReply,
    HealthState,
    Hello,
    Message,
    MessageType,
    Predict,
    ProtocolError,
    RefusalCode,
    Refused,
    Result,
    Statistics,
    StatisticsRequest,
    Welcome,
)
from skysail_container.wire.rows import (
    ITEM_BYTES,
    ArrayRow,
    Arrays,
    Bytes,
    Dense,
    Json,
    Ragged,
    RowKind,
    Rows,
    Strings,
)

__all__ = [
    "DEFAULT_MAX_FRAME_BYTES",
    "ITEM_BYTES",
    "MAX_DIMENSIONS",
    "MAX_INTEGER",
    "MAX_ROWS",
    "PROTOCOL_VERSION",
    "REFUSED_ROW",
    "ArrayRow",
    "Arrays",
    "Bytes",
    "Cancel",
    "ClientMessage",
    "ContainerMessage",
    "Dense",
    "Drain",
    "Drained",
    "FrameDecoder",
    "FrameTooLargeError",
    "Health",
    "HealthReply",
    "HealthState",
    "Hello",
    "Json",
    "MalformedFrameError",
    "Message",
    "MessageType",
    "Predict",
    "ProtocolError",
    "Ragged",
    "RefusalCode",
    "Refused",
    "Result",
    "RowKind",
    "Rows",
    "Statistics",
    "StatisticsRequest",
    "Strings",
    "UnsupportedVersionError",
    "Welcome",
    "WireError",
    "decode_from_client",
    "decode_from_container",
    "encode",
    "encode_in_parts",
]
