"""What an open loop is to do: streams of requests with their schedules, and how the clients behave."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.arrivals import Arrivals, Times
from benchmarks.replies import Form

__all__ = ["LoadPlan", "PlanError", "Script", "Stream", "make_script", "write_queries"]

TAB = b"\t"
"""Between a body and the output that is expected for it; JSON has no bare tab within a text."""


class PlanError(Exception):
    """The plan cannot be carried out as it is."""


@dataclass(frozen=True, slots=True)
class Stream:
    """Requests of one kind: to one path, with one SLO, on one schedule."""

    name: str
    path: str
    slo_s: float
    arrivals: Arrivals
    queries: str
    """A file: one request body per line and, behind a tab, the output expected (JSON). Taken in turn, then again from
    the first; write as many as there will be requests if none may repeat."""


@dataclass(frozen=True, slots=True)
class LoadPlan:
    """One run of the open loop."""

    port: int
    streams: tuple[Stream, ...]
    duration_s: float
    result: str
    """The file that the raw results go to."""
    host: str = "127.0.0.1"
    ready_connections: int = 64
    """Opened before the clock starts, and kept."""
    max_connections: int = 2000
    """More are opened up to here while requests wait; beyond it they wait, and their latency counts that."""
    takes_turns: bool = False
    """Send each request on the connection that has been idle longest, so that all are used; else on the latest."""
    patience_s: float = 5.0
    """How long after the last request answers are waited for."""
    cancelled_share: float = 0.0
    """Share of requests whose client closes the connection at a random moment within `cancelled_within_s`."""
    cancelled_within_s: float = 0.05
    slow_readers: int = 0
    """Connections that send requests for `slow_path` without end and never read an answer."""
    slow_path: str = ""
    seed: int = 1
    form: Form = "predict"
    """Of the answers."""


@dataclass(frozen=True, slots=True, eq=False)
class Script:
    """Every request of a run, encoded, in the order in which they are due."""

    due_s: Times
    requests: list[bytes]
    expected: list[object]
    stream: NDArray[np.uint8]
    leaves_after_s: dict[int, float]
    """Requests whose client leaves, and how long after sending."""
    form: Form
    """Of the answers."""


def write_queries(path: Path, queries: Iterable[tuple[str, object]]) -> Path:
    """Write (body, expected output) pairs as a stream's `queries`; None expects anything. Returns `path`."""
    with path.open("w") as file:
        for body, output in queries:
            file.write(body + ("\n" if output is None else f"\t{json.dumps(output)}\n"))
    return path


def make_script(plan: LoadPlan) -> Script:
    """All requests of `plan`, merged by time. The same plan gives the same script.

    :raises PlanError: a file without queries, or no request at all.
    """
    times_s = [stream.arrivals.times_s(plan.duration_s) for stream in plan.streams]
    due_s = np.concatenate(times_s)
    if not len(due_s):
        raise PlanError("the schedule holds no request")
    order = np.argsort(due_s, kind="stable")
    stream = np.repeat(np.arange(len(times_s), dtype=np.uint8), [len(times) for times in times_s])
    requests: list[bytes] = []
    expected: list[object] = []
    for one, times in zip(plan.streams, times_s, strict=True):
        pairs = _queries(Path(one.queries))
        taken = list(islice(cycle(pairs), len(times)))
        requests += [_request(plan, one.path, body) for body, _ in taken]
        expected += [output for _, output in taken]
    leaves_after_s = _leaving(plan, len(order))
    in_order = [requests[i] for i in order], [expected[i] for i in order]
    return Script(due_s[order], *in_order, stream[order], leaves_after_s, plan.form)


def _leaving(plan: LoadPlan, n_requests: int) -> dict[int, float]:
    random = np.random.default_rng(plan.seed)
    leaving = np.flatnonzero(random.random(n_requests) < plan.cancelled_share)
    after_s = random.random(len(leaving)) * plan.cancelled_within_s
    return dict(zip(leaving.tolist(), after_s.tolist(), strict=True))


def _queries(path: Path) -> Sequence[tuple[bytes, object]]:
    pairs = []
    for line in path.read_bytes().splitlines():
        body, _, output = line.partition(TAB)
        pairs.append((body, json.loads(output) if output else None))
    if not pairs:
        raise PlanError(f"{path} holds no query (one per line)")
    return pairs


def _request(plan: LoadPlan, path: str, body: bytes) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: {plan.host}:{plan.port}\r\nContent-Type: application/json\r\n"
    return b"%bContent-Length: %d\r\n\r\n%b" % (head.encode(), len(body), body)
