"""A container in the test's own event loop that speaks the wire protocol and does what the test says."""

import asyncio
import struct
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Self, cast

from skysail_container.wire import (
    DEFAULT_MAX_FRAME_BYTES,
    Cancel,
    ContainerMessage,
    Dense,
    FrameDecoder,
    Hello,
    Predict,
    Result,
    Welcome,
    decode_from_client,
    encode,
)

__all__ = ["Peer", "ScriptedContainer", "sums"]

WAIT_LIMIT_S = 10.0


def sums(batch: Predict, computed_us: int = 10) -> Result:
    """The result a model gives that adds up each row's doubles."""
    rows = batch.rows
    assert isinstance(rows, Dense)
    width = rows.shape[1]
    numbers = struct.unpack(f"<{rows.shape[0] * width}d", rows.data)
    totals = [sum(numbers[i : i + width]) for i in range(0, len(numbers), width)]
    outputs = Dense("<f8", (len(totals),), struct.pack(f"<{len(totals)}d", *totals))
    return Result(batch.batch_id, 0, computed_us, outputs)


class Peer(asyncio.Protocol):
    """One connection of a frontend."""

    def __init__(self, container: "ScriptedContainer") -> None:
        self._container = container
        self._decoder = FrameDecoder()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._container.peers.append(self)
        self._container.on_connect(self)
        self._container.notify()

    def data_received(self, data: bytes) -> None:
        for body in self._decoder.feed(data):
            self._container.heard(self, body)

    def connection_lost(self, exc: Exception | None) -> None:
        self._container.peers.remove(self)
        self._container.notify()

    def send(self, message: ContainerMessage) -> None:
        self.send_raw(encode(message))

    def send_raw(self, data: bytes) -> None:
        assert self._transport is not None
        self._transport.write(data)

    def close(self) -> None:
        """Ends the connection; the frontend hears it."""
        assert self._transport is not None
        self._transport.abort()


class ScriptedContainer:
    """Listens on a unix socket. `on_connect`, `on_hello` and `on_predict` may be replaced; by default it greets as
    `model`:`version` and answers every batch with its rows' sums."""

    def __init__(self, model: str = "m", version: str = "1", max_frame_bytes: int = DEFAULT_MAX_FRAME_BYTES) -> None:
        self.welcome = Welcome(1, model, version, "doubles", max_frame_bytes)
        self.batches: list[Predict] = []
        self.cancelled: list[int] = []
        self.n_hellos = 0
        self.peers: list[Peer] = []
        self.on_connect: Callable[[Peer], object] = lambda peer: None
        self.on_hello: Callable[[Peer], object] = lambda peer: peer.send(self.welcome)
        self.on_predict: Callable[[Peer, Predict], object] = lambda peer, batch: peer.send(sums(batch))
        self._directory = tempfile.TemporaryDirectory(prefix="skc-", dir="/tmp")
        self.path = Path(self._directory.name) / "c.sock"
        self.address = f"unix:{self.path}"
        self._server: asyncio.Server | None = None
        self._news = asyncio.Event()

    async def __aenter__(self) -> Self:
        await self.listen()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()
        self._directory.cleanup()

    async def listen(self) -> None:
        self._server = await asyncio.get_running_loop().create_unix_server(lambda: Peer(self), str(self.path))

    async def stop(self) -> None:
        """Stops listening and ends every connection."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self.path.unlink(missing_ok=True)
        for peer in list(self.peers):
            peer.close()
        await self.until(lambda: not self.peers)

    def heard(self, peer: Peer, body: bytes) -> None:
        match decode_from_client(body):
            case Hello():
                self.n_hellos += 1
                self.on_hello(peer)
            case Predict() as batch:
                self.batches.append(batch)
                self.on_predict(peer, batch)
            case Cancel(batch_id):
                self.cancelled.append(batch_id)
            case message:
                raise AssertionError(f"a frontend sends no {message}")
        self.notify()

    def notify(self) -> None:
        self._news.set()

    async def until(self, condition: Callable[[], object]) -> None:
        """Returns once the condition holds, which is looked at whenever something was heard."""
        async with asyncio.timeout(WAIT_LIMIT_S):
            while not condition():
                self._news.clear()
                await self._news.wait()

    async def batch(self, number: int = 0) -> Predict:
        """The batch that came as `number`-th (from 0), once it is there."""
        await self.until(lambda: len(self.batches) > number)
        return self.batches[number]
