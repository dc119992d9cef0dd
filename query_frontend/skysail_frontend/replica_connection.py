"""One RPC connection to one replica: frames out, messages in."""

import asyncio
import logging
from typing import Protocol, cast

from skysail_container.wire import (
    DEFAULT_MAX_FRAME_BYTES,
    PROTOCOL_VERSION,
    Cancel,
    FrameDecoder,
    Hello,
    Predict,
    ProtocolError,
    Refused,
    Result,
    Rows,
    Welcome,
    WireError,
    decode_from_container,
    encode,
    encode_in_parts,
)

__all__ = ["ConnectionEvents", "ReplicaConnection"]

logger = logging.getLogger(__name__)


class ConnectionEvents(Protocol):
    """What the owner of a connection hears. All are called from the loop, `lost` exactly once and last."""

    def welcomed(self, connection: "ReplicaConnection", welcome: Welcome) -> None: ...

    def result(self, connection: "ReplicaConnection", result: Result) -> None: ...

    def refused(self, connection: "ReplicaConnection", refused: Refused) -> None: ...

    def lost(self, connection: "ReplicaConnection", reason: str) -> None: ...


class ReplicaConnection(asyncio.Protocol):
    """Speaks the client's half of wire protocol 1. A frame that does not belong there ends the connection.

    Invariants: the owner hears `welcomed` once and first, and nothing but `lost` after `close`; bytes waiting to be
    sent are bounded by the scheduler, which keeps at most two batches on a replica.
    """

    def __init__(self, events: ConnectionEvents, client_name: str) -> None:
        self._events = events
        self._client_name = client_name
        self._decoder = FrameDecoder(DEFAULT_MAX_FRAME_BYTES)
        self._transport: asyncio.Transport | None = None
        self._max_frame_bytes = DEFAULT_MAX_FRAME_BYTES
        self._reason = "the container closed the connection"
        self._is_welcomed = False
        self._is_closing = False

    def send_batch(self, batch_id: int, time_left_s: float, rows: Rows) -> None:
        """:raises FrameTooLargeError: the rows make a frame larger than the container takes"""
        predict = Predict(batch_id, max(0, int(time_left_s * 1e6)), rows)
        parts = encode_in_parts(predict, self._max_frame_bytes)
        if len(parts) == 1:
            self._write(parts[0])
        elif self._transport is not None:
            self._transport.writelines(parts)

    def cancel_batch(self, batch_id: int) -> None:
        self._write(encode(Cancel(batch_id)))

    def close(self, reason: str) -> None:
        """Closes at once; the owner hears `lost` with `reason`."""
        self._reason = reason
        self._is_closing = True
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's transports do not derive from asyncio's
        self._write(encode(Hello(PROTOCOL_VERSION, self._client_name)))

    def data_received(self, data: bytes) -> None:
        try:
            for body in self._decoder.feed(data):
                if not self._is_closing:
                    self._handle(body)
        except WireError as error:
            logger.warning("a container sent a frame that is not protocol %d: %s", PROTOCOL_VERSION, error)
            self.close(f"the container sent a malformed frame: {error}")

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._events.lost(self, f"{self._reason}: {exc}" if exc else self._reason)

    def _handle(self, body: bytes) -> None:
        message = decode_from_container(body)
        match message:
            case Result() if self._is_welcomed:
                self._events.result(self, message)
            case Refused() if self._is_welcomed:
                self._events.refused(self, message)
            case Welcome() if not self._is_welcomed:
                self._is_welcomed = True
                self._max_frame_bytes = min(DEFAULT_MAX_FRAME_BYTES, message.max_frame_bytes)
                self._events.welcomed(self, message)
            case ProtocolError(code, text):
                self.close(f"the container refused to go on: {code}: {text}")
            case Result() | Refused() | Welcome():
                when = "twice" if self._is_welcomed else "before its hello"
                self.close(f"the container sent a {type(message).__name__} {when}")
            case _:
                logger.debug("a container sent %s unasked", type(message).__name__)

    def _write(self, frame: bytes | bytearray | memoryview) -> None:
        if self._transport is not None:
            self._transport.write(frame)
