"""The offline sweep: what one container does with batches of a fixed size, straight over the wire.

Two batches are kept in flight, so that the container never waits; a batch is then in the system as long as a query that
comes just after a batch was sent, waits for that one and is computed in the next. A size is feasible when that takes no
longer than the SLO for 99 of 100 batches, and the best fixed size is the feasible one with the most rows per second.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

import numpy as np

from benchmarks.load_summary import percentile_ms
from skysail_container.wire import Dense, FrameDecoder, Hello, Predict, Result, decode_from_container, encode

__all__ = ["SIZES", "FixedBatch", "SweepError", "best_fixed", "sweep"]

SIZES = (1, 2, 4, 8, 16, 24, 32, 48, 64, 80, 96, 128, 192, 256)
N_IN_FLIGHT = 2
MIN_BATCHES = 6
TIME_LEFT_US = 60_000_000
READ_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class FixedBatch:
    """What one size attained."""

    n_rows: int
    rows_per_s: float
    p99_s: float
    """From sending a batch to its outputs, with another before it."""


class SweepError(Exception):
    """The container did not answer with results."""


def sweep(socket: Path, n_features: int, seconds: float, sizes: Sequence[int]) -> list[FixedBatch]:
    """Blocks for about `seconds` per size, and longer where batches are slow.

    :raises SweepError: the container answers with something else, or goes away.
    """
    return asyncio.run(_sweep(socket, n_features, seconds, sizes))


def best_fixed(measured: Sequence[FixedBatch], slo_s: float) -> FixedBatch:
    """The size with the most rows per second of those that meet the SLO; the quickest one when none does."""
    feasible = [one for one in measured if one.p99_s <= slo_s]
    if not feasible:
        return min(measured, key=lambda one: one.p99_s)
    return max(feasible, key=lambda one: one.rows_per_s)


async def _sweep(socket: Path, n_features: int, seconds: float, sizes: Sequence[int]) -> list[FixedBatch]:
    reader, writer = await asyncio.open_unix_connection(str(socket))
    try:
        peer = _Container(reader, writer)
        writer.write(encode(Hello(1, "sweep")))
        await peer.next()
        return [await _measure(peer, n_rows, n_features, seconds) for n_rows in sizes]
    finally:
        writer.close()


class _Container:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._decoder = FrameDecoder()
        self._bodies: list[bytes] = []

    async def next(self) -> object:
        """The next message."""
        while not self._bodies:
            data = await self._reader.read(READ_BYTES)
            if not data:
                raise SweepError("the container closed the connection")
            self._bodies += self._decoder.feed(data)
        return decode_from_container(self._bodies.pop(0))

    def send(self, batch_id: int, rows: Dense) -> None:
        self._writer.write(encode(Predict(batch_id, TIME_LEFT_US, rows)))


async def _measure(peer: _Container, n_rows: int, n_features: int, seconds: float) -> FixedBatch:
    rows = Dense("<f8", (n_rows, n_features), np.random.default_rng(n_rows).random((n_rows, n_features)).tobytes())
    sent_s: dict[int, float] = {}
    in_system_s: list[float] = []

    def send(batch_id: int) -> None:
        sent_s[batch_id] = monotonic()
        peer.send(batch_id, rows)

    started_s = monotonic()
    for batch_id in range(1, N_IN_FLIGHT + 1):
        send(batch_id)
    last_s = started_s
    while sent_s:
        message = await peer.next()
        if not isinstance(message, Result):
            raise SweepError(f"the container answered {type(message).__name__} to a batch of {n_rows} rows")
        last_s = monotonic()
        in_system_s.append(last_s - sent_s.pop(message.batch_id))
        if last_s - started_s < seconds or len(in_system_s) < MIN_BATCHES:
            send(message.batch_id + N_IN_FLIGHT)
    rows_per_s = n_rows * len(in_system_s) / (last_s - started_s)
    return FixedBatch(n_rows, round(rows_per_s, 1), percentile_ms(np.sort(np.array(in_system_s)), 0.99) / 1e3)
