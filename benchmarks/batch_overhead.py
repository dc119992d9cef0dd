"""What a container adds to a model's own time, batch by batch, as a client on its unix socket sees it.

One batch after another, never two in flight. A batch takes from before its frame is sent until the last byte of its
result is read; encoding before and decoding after it are the client's. The model's own time is what its code says it
took for that same batch (`benchmarks.own_time`).
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter_ns
from typing import Any

import numpy as np

from skysail_container.wire import (
    ContainerMessage,
    Dense,
    FrameDecoder,
    Hello,
    Predict,
    Result,
    Welcome,
    decode_from_container,
    encode,
)

__all__ = ["ECHO_SOURCE", "BatchClient", "BatchTimes", "OverheadError", "bare_socket_us"]

TIME_LEFT_US = 60_000_000
READ_BYTES = 1 << 16
N_FRAMES = 16
"""Batches of different numbers, sent in turns."""

ECHO_SOURCE = """
import socket, sys
path, n_request, n_answer = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
listener = socket.socket(socket.AF_UNIX)
listener.bind(path)
listener.listen()
while True:
    connection, _ = listener.accept()
    n_read = 0
    while data := connection.recv(65536):
        n_read += len(data)
        if n_read >= n_request:
            n_read -= n_request
            connection.sendall(bytes(n_answer))
"""
"""The bare socket: reads as many bytes as a batch has, sends as many as its result has, and does nothing else."""


class OverheadError(Exception):
    """The container did not answer with results."""


@dataclass(slots=True)
class BatchTimes:
    """Microseconds of each batch, in the order sent."""

    round_trip_us: list[float] = field(default_factory=list)
    own_us: list[float] = field(default_factory=list)
    queued_us: list[int] = field(default_factory=list)
    computed_us: list[int] = field(default_factory=list)

    def figures(self, cpu_s: float) -> dict[str, float]:
        """Medians, and the p99 of the overhead: all of it, and its three parts.

        :param cpu_s: the container's, for all these batches

        `around_model`: converting rows and outputs, which `Result.computed_us` has beside the model's own time.
        `queued`: `Result.queued_us`. `wire`: the rest, that is sockets, frames, and waking both processes. `cpu`: what
        the container computed for a batch beside the model's own time, on average: all of its work from frame to frame,
        without the time in which a core woke up or the client worked.
        """
        whole, own = np.array(self.round_trip_us), np.array(self.own_us)
        queued, computed = np.array(self.queued_us), np.array(self.computed_us)
        overhead = whole - own
        parts = {
            "round_trip_p50_us": np.median(whole),
            "own_p50_us": np.median(own),
            "overhead_p50_us": np.median(overhead),
            "overhead_p99_us": np.percentile(overhead, 99),
            "around_model_p50_us": np.median(computed - own),
            "queued_p50_us": np.median(queued),
            "wire_p50_us": np.median(whole - queued - computed),
            "cpu_mean_us": cpu_s / len(whole) * 1e6 - np.mean(own),
        }
        return {name: round(float(value), 1) for name, value in parts.items()}


class BatchClient:
    """A blocking connection to one container. `own_ns` is called after each batch, with its rows."""

    def __init__(self, path: Path, n_rows: int, n_features: int, own_ns: Callable[[Any], int]) -> None:
        """:raises OverheadError: the container does not welcome it."""
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(str(path))
        self._decoder = FrameDecoder()
        self._own_ns = own_ns
        self._n_sent = 0
        batches = np.random.default_rng(0).random((N_FRAMES, n_rows, n_features))
        self._batches = [(batch, Dense("<f8", batch.shape, batch.tobytes())) for batch in batches]
        self._socket.sendall(encode(Hello(1, "overhead")))
        if not isinstance(welcome := self._next(), Welcome):
            raise OverheadError(f"the container answered {type(welcome).__name__} to the hello")

    def close(self) -> None:
        self._socket.close()

    def measure(self, n_batches: int, into: BatchTimes) -> None:
        """Blocks for `n_batches`, one after another.

        :raises OverheadError: one of them is not answered with a result, or some of its rows failed.
        """
        for _ in range(n_batches):
            self._n_sent += 1
            array, rows = self._batches[self._n_sent % N_FRAMES]
            frame = encode(Predict(self._n_sent, TIME_LEFT_US, rows))
            started_ns = perf_counter_ns()
            self._socket.sendall(frame)
            body = self._next_body()
            ended_ns = perf_counter_ns()
            result = decode_from_container(body)
            if not isinstance(result, Result) or result.errors:
                raise OverheadError(f"the container did not answer batch {self._n_sent} with a result: {result!r:.200}")
            into.round_trip_us.append((ended_ns - started_ns) / 1e3)
            into.own_us.append(self._own_ns(array) / 1e3)
            into.queued_us.append(result.queued_us)
            into.computed_us.append(result.computed_us)

    def _next(self) -> ContainerMessage:
        return decode_from_container(self._next_body())

    def _next_body(self) -> bytes:
        """The only message under way."""
        while True:
            data = self._socket.recv(READ_BYTES)
            if not data:
                raise OverheadError("the container closed the connection")
            if bodies := self._decoder.feed(data):
                return bodies[0]


def bare_socket_us(path: Path, n_request_bytes: int, n_answer_bytes: int, n_batches: int) -> list[float]:
    """Microseconds that each of `n_batches` takes between two processes that do nothing with it."""
    times_us = []
    request = bytes(n_request_bytes)
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(path))
        for _ in range(n_batches):
            started_ns = perf_counter_ns()
            connection.sendall(request)
            n_read = 0
            while n_read < n_answer_bytes:
                n_read += len(connection.recv(READ_BYTES))
            times_us.append((perf_counter_ns() - started_ns) / 1e3)
    return times_us
