"""The messages of protocol version 1 as value classes. What they mean is written down in docs/rpc.md."""

from collections.abc import Mapping
from enum import IntEnum
from typing import Final, Literal, NamedTuple

from skysail_container.wire.rows import Rows

__all__ = [
    "REFUSED_ROW",
    "Cancel",
    "ClientMessage",
    "ContainerMessage",
    "Drain",
    "Drained",
    "Health",
    "HealthReply",
    "HealthState",
    "Hello",
    "Message",
    "MessageType",
    "Predict",
    "ProtocolError",
    "RefusalCode",
    "Refused",
    "Result",
    "Statistics",
    "StatisticsRequest",
    "Welcome",
]

REFUSED_ROW: Final = "refused: "
"""Begins the error of a row that the model refuses with a reason for its sender."""

HealthState = Literal["ok", "draining"]
RefusalCode = Literal["expired", "draining", "overloaded", "cancelled", "bad_rows"]


class MessageType(IntEnum):
    """First element of a frame's body."""

    HELLO = 1
    PREDICT = 2
    RESULT = 3
    CANCEL = 4
    HEALTH = 5
    DRAIN = 6
    STATISTICS = 7
    REFUSED = 8
    ERROR = 9


class Hello(NamedTuple):
    """The client's first frame."""

    protocol_version: int
    client: str


class Welcome(NamedTuple):
    """The container's answer to Hello: what it serves and the longest frame it takes."""

    protocol_version: int
    model: str
    version: str
    input_type: str
    max_frame_bytes: int


class Predict(NamedTuple):
    """A batch. `time_left_us` is relative to its receipt; 0 means that its time is up."""

    batch_id: int
    time_left_us: int
    rows: Rows


class Result(NamedTuple):
    """A batch's outputs, one per row in the rows' order; `errors` maps the index of a failed row to its text.

    A text that begins with `REFUSED_ROW` says what is wrong with the row, and is passed on to whoever sent it.
    """

    batch_id: int
    queued_us: int
    computed_us: int
    outputs: Rows
    errors: dict[int, str] | None = None


class Cancel(NamedTuple):
    """Nobody waits for this batch any more."""

    batch_id: int


class Health(NamedTuple):
    """Asks whether the container lives; `nonce` comes back."""

    nonce: int


class HealthReply(NamedTuple):
    """Answers Health."""

    nonce: int
    state: HealthState


class Drain(NamedTuple):
    """Finish what was taken in, refuse what is new."""


class Drained(NamedTuple):
    """Everything taken in has been answered."""


class StatisticsRequest(NamedTuple):
    """Asks for the container's counters."""


class Statistics(NamedTuple):
    """The container's counters by name."""

    values: Mapping[str, int | float]


class Refused(NamedTuple):
    """A batch that was not run, and why."""

    batch_id: int
    code: RefusalCode
    text: str


class ProtocolError(NamedTuple):
    """The peer broke the protocol; the sender closes the connection after this frame."""

    code: str
    text: str


ClientMessage = Hello | Predict | Cancel | Health | Drain | StatisticsRequest | ProtocolError
ContainerMessage = Welcome | Result | HealthReply | Drained | Statistics | Refused | ProtocolError
Message = ClientMessage | ContainerMessage
