"""A container that serves well until SIGUSR1 and breaks the protocol from then on, until SIGUSR2.

It speaks the wire protocol and gives each row's sum at the pace of `Pace()`; every connection has batches of its own
in turn. `--fault wrong-count` gives one output too many, `garbage` sends bytes that are no frame, `silent` nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from typing import cast

import numpy as np

from benchmarks.pace import Pace
from skysail_container.wire import (
    DEFAULT_MAX_FRAME_BYTES,
    Dense,
    FrameDecoder,
    Health,
    HealthReply,
    Hello,
    Predict,
    Result,
    Welcome,
    decode_from_client,
    encode,
)

__all__ = ["FAULTS", "main"]

FAULTS = ("wrong-count", "garbage", "silent")
GARBAGE_BYTES = 256


class _State:
    """What all connections share."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.welcome = Welcome(1, options.name, options.version, "doubles", DEFAULT_MAX_FRAME_BYTES)
        self.fault = options.fault
        self.is_rogue = False
        self.model = asyncio.Lock()  # one batch at a time


class _Peer(asyncio.Protocol):
    """One frontend."""

    def __init__(self, state: _State) -> None:
        self._state = state
        self._decoder = FrameDecoder()
        self._answering: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, _exc: Exception | None) -> None:
        for task in self._answering:
            task.cancel()

    def data_received(self, data: bytes) -> None:
        for body in self._decoder.feed(data):
            match decode_from_client(body):
                case Hello():
                    self._transport.write(encode(self._state.welcome))
                case Health(nonce):
                    self._transport.write(encode(HealthReply(nonce, "ok")))
                case Predict() as batch:
                    task = asyncio.get_running_loop().create_task(self._answer(batch), name="batch")
                    self._answering.add(task)
                    task.add_done_callback(self._answering.discard)

    async def _answer(self, batch: Predict) -> None:
        state, pace = self._state, Pace()
        busy_s = pace.alpha_s + pace.beta_s * batch.rows.n_rows
        async with state.model:
            await asyncio.sleep(busy_s)
        if not state.is_rogue:
            self._transport.write(encode(_result(batch, busy_s, n_more=0)))
        elif state.fault == "wrong-count":
            self._transport.write(encode(_result(batch, busy_s, n_more=1)))
        elif state.fault == "garbage":
            self._transport.write(os.urandom(GARBAGE_BYTES))


def _result(batch: Predict, computed_s: float, n_more: int) -> Result:
    rows = batch.rows
    assert isinstance(rows, Dense)
    sums = np.frombuffer(rows.data, "<f8").reshape(rows.shape).sum(axis=1)
    outputs = np.append(sums, np.zeros(n_more))
    return Result(batch.batch_id, 0, int(1e6 * computed_s), Dense("<f8", outputs.shape, outputs.tobytes()))


async def _serve(options: argparse.Namespace) -> None:
    loop = asyncio.get_running_loop()
    state = _State(options)
    stopped = asyncio.Event()

    def become(is_rogue: bool) -> None:
        state.is_rogue = is_rogue

    loop.add_signal_handler(signal.SIGUSR1, become, True)
    loop.add_signal_handler(signal.SIGUSR2, become, False)
    loop.add_signal_handler(signal.SIGTERM, stopped.set)
    path = options.listen.removeprefix("unix:")
    await loop.create_unix_server(lambda: _Peer(state), path)
    await stopped.wait()


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="A container that breaks the protocol when told to.")
    parser.add_argument("--listen", required=True, help="unix:/path")
    parser.add_argument("--name", required=True, help="model name to announce")
    parser.add_argument("--version", default="1")
    parser.add_argument("--fault", choices=FAULTS, required=True)
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    asyncio.run(_serve(_options(arguments)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
