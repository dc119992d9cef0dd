"""Frame bodies to messages: everything is checked, the field that is wrong is named."""

from collections.abc import Callable, Mapping
from typing import TypeVar, get_args

from skysail_container.errors import MalformedFrameError, UnsupportedVersionError
from skysail_container.wire.body_reader import BodyReader
from skysail_container.wire.dense_messages import read_dense_predict, read_dense_result
from skysail_container.wire.limits import MAX_ROWS, MAX_STATISTICS, PROTOCOL_VERSION
from skysail_container.wire.messages import (
    Cancel,
    ClientMessage,
    ContainerMessage,
    Drain,
    Drained,
    Health,
    HealthReply,
    HealthState,
    Hello,
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
from skysail_container.wire.rows_reader import read_rows

__all__ = ["decode_from_client", "decode_from_container"]

_MAX_FIELDS = 64
_HELLO = int(MessageType.HELLO)
_M = TypeVar("_M")
_C = TypeVar("_C", bound=str)


def decode_from_client(body: bytes) -> ClientMessage:
    """The message a client sent.

    :raises MalformedFrameError: the body is not a client's message; UnsupportedVersionError for a Hello of another
        protocol version, whose further fields are not looked at.
    """
    return read_dense_predict(body) or _decode(body, _FROM_CLIENT)


def decode_from_container(body: bytes) -> ContainerMessage:
    """The message a container sent.

    :raises MalformedFrameError: the body is not a container's message.
    """
    return read_dense_result(body) or _decode(body, _FROM_CONTAINER)


def _decode(body: bytes, readers: Mapping[int, tuple[int, Callable[[BodyReader], _M]]]) -> _M:
    reader = BodyReader(body)
    n_fields = reader.array("frame", _MAX_FIELDS)
    if not n_fields:
        raise MalformedFrameError("frame", "an array that begins with the message's type is expected")
    message_type = reader.integer("type")
    known = readers.get(message_type)
    if known is None:
        raise MalformedFrameError("type", f"{message_type} is not a message of this direction")
    if message_type == _HELLO and n_fields > 1:
        _check_version(reader.integer("protocol_version"))
    n_expected, read = known
    if n_fields != n_expected:
        raise MalformedFrameError("frame", f"message {message_type} has {n_expected} fields, not {n_fields}")
    message = read(reader)
    reader.end()
    return message


def _check_version(asked: int) -> None:
    if asked != PROTOCOL_VERSION:
        raise UnsupportedVersionError(asked, PROTOCOL_VERSION)


def _read_hello(reader: BodyReader) -> Hello:
    return Hello(PROTOCOL_VERSION, reader.text("client"))


def _read_welcome(reader: BodyReader) -> Welcome:
    return Welcome(
        PROTOCOL_VERSION,
        reader.text("model"),
        reader.text("version"),
        reader.text("input_type"),
        reader.integer("max_frame_bytes"),
    )


def _read_predict(reader: BodyReader) -> Predict:
    return Predict(reader.integer("batch_id"), reader.integer("time_left_us"), read_rows(reader))


def _read_result(reader: BodyReader) -> Result:
    batch_id = reader.integer("batch_id")
    queued_us = reader.integer("queued_us")
    computed_us = reader.integer("computed_us")
    outputs = read_rows(reader)
    return Result(batch_id, queued_us, computed_us, outputs, _read_errors(reader, outputs.n_rows))


def _read_errors(reader: BodyReader, n_rows: int) -> dict[int, str] | None:
    n_errors = reader.optional_mapping("errors", MAX_ROWS)
    if n_errors is None:
        return None
    errors = {reader.integer("errors", n_rows - 1): reader.text("errors") for _ in range(n_errors)}
    if len(errors) != n_errors:
        raise MalformedFrameError("errors", "a row is named twice")
    return errors


def _read_cancel(reader: BodyReader) -> Cancel:
    return Cancel(reader.integer("batch_id"))


def _read_health(reader: BodyReader) -> Health:
    return Health(reader.integer("nonce"))


def _read_health_reply(reader: BodyReader) -> HealthReply:
    return HealthReply(reader.integer("nonce"), _read_choice(reader, "state", _HEALTH_STATES))


def _read_drain(_: BodyReader) -> Drain:
    return Drain()


def _read_drained(_: BodyReader) -> Drained:
    return Drained()


def _read_statistics_request(_: BodyReader) -> StatisticsRequest:
    return StatisticsRequest()


def _read_statistics(reader: BodyReader) -> Statistics:
    n_values = reader.mapping("statistics", MAX_STATISTICS)
    return Statistics({reader.text("statistics"): reader.number("statistics") for _ in range(n_values)})


def _read_refused(reader: BodyReader) -> Refused:
    return Refused(reader.integer("batch_id"), _read_choice(reader, "code", _REFUSAL_CODES), reader.text("text"))


def _read_protocol_error(reader: BodyReader) -> ProtocolError:
    return ProtocolError(reader.text("code"), reader.text("text"))


def _read_choice(reader: BodyReader, field: str, choices: Mapping[str, _C]) -> _C:
    text = reader.text(field)
    choice = choices.get(text)
    if choice is None:
        raise MalformedFrameError(field, f"{text[:40]!r} is not one of {', '.join(choices)}")
    return choice


_HEALTH_STATES: dict[str, HealthState] = {state: state for state in get_args(HealthState)}
_REFUSAL_CODES: dict[str, RefusalCode] = {code: code for code in get_args(RefusalCode)}

_FROM_CLIENT: dict[int, tuple[int, Callable[[BodyReader], ClientMessage]]] = {
    MessageType.HELLO: (3, _read_hello),
    MessageType.PREDICT: (4, _read_predict),
    MessageType.CANCEL: (2, _read_cancel),
    MessageType.HEALTH: (2, _read_health),
    MessageType.DRAIN: (1, _read_drain),
    MessageType.STATISTICS: (1, _read_statistics_request),
    MessageType.ERROR: (3, _read_protocol_error),
}
_FROM_CONTAINER: dict[int, tuple[int, Callable[[BodyReader], ContainerMessage]]] = {
    MessageType.HELLO: (6, _read_welcome),
    MessageType.RESULT: (6, _read_result),
    MessageType.HEALTH: (3, _read_health_reply),
    MessageType.DRAIN: (1, _read_drained),
    MessageType.STATISTICS: (2, _read_statistics),
    MessageType.REFUSED: (4, _read_refused),
    MessageType.ERROR: (3, _read_protocol_error),
}
