"""The raw results of an open loop: one line per request, in arrays, kept in a compressed file."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.arrivals import Times
from benchmarks.replies import Outcome

__all__ = ["LoadRecord"]

FORMAT = 1
PER_REQUEST = ("due_s", "picked_s", "sent_s", "done_s", "outcome", "reason", "stream", "connection", "query_id")


@dataclass(frozen=True, slots=True, eq=False)
class LoadRecord:
    """What became of every request. Arrays have one element per request, in the order in which requests were due.

    Times are seconds after `started_s`. Latency runs from `due_s`, never from `sent_s`: what waits because the server
    holds up the load is the server's delay (no coordinated omission).
    """

    due_s: Times
    """When the request was intended to be sent."""
    picked_s: Times
    """When the generator came to it. Later than due by the generator's own lag."""
    sent_s: Times
    """When it was written to a connection; later than picked when no connection was free. NaN: never."""
    done_s: Times
    """When its answer was there. NaN: no answer."""
    outcome: NDArray[np.uint8]
    """`Outcome` of each."""
    reason: NDArray[np.uint8]
    """Index into `reasons` of a default output's reason; 0 is no default."""
    stream: NDArray[np.uint8]
    """Index into `streams`."""
    connection: NDArray[np.int32]
    """Number of the connection it was sent on; -1: never sent."""
    query_id: NDArray[np.int64]
    """-1: none."""
    streams: tuple[str, ...]
    slos_s: tuple[float, ...]
    """The SLO of each stream."""
    reasons: tuple[str, ...]
    started_s: float
    """`time.monotonic` at the start, the same clock in all processes of a machine."""
    n_surplus: int = 0
    """Answers that nobody had asked for."""
    cpu_s: float = 0.0
    """CPU seconds of the generator while it ran."""
    duration_s: float = 0.0
    """Seconds over which requests were due."""

    @property
    def n(self) -> int:
        return len(self.due_s)

    @property
    def latency_s(self) -> Times:
        """From the intended time to the answer; NaN without an answer."""
        return self.done_s - self.due_s

    def count(self, outcome: Outcome) -> int:
        return int((self.outcome == outcome).sum())

    def between(self, from_s: float, to_s: float) -> LoadRecord:
        """The requests due from `from_s` on and before `to_s`."""
        picked = self._only((self.due_s >= from_s) & (self.due_s < to_s))
        return replace(picked, duration_s=min(to_s, self.duration_s) - max(0.0, from_s))

    def of_stream(self, name: str) -> LoadRecord:
        return self._only(self.stream == self.streams.index(name))

    def _only(self, chosen: NDArray[np.bool_]) -> LoadRecord:
        return replace(self, **{name: getattr(self, name)[chosen] for name in PER_REQUEST})

    def save(self, path: Path) -> None:
        """Write a compressed `.npz`: an array per field of a request, and `facts`, a JSON text with the rest."""
        facts = {name: getattr(self, name) for name in self.__slots__ if name not in PER_REQUEST}
        arrays: dict[str, Any] = {name: getattr(self, name) for name in PER_REQUEST}
        np.savez_compressed(path, facts=np.array(json.dumps({"format": FORMAT, **facts})), **arrays)

    @classmethod
    def load(cls, path: Path) -> LoadRecord:
        """Read what `save` wrote.

        :raises ValueError: another format.
        """
        with np.load(path, allow_pickle=False) as file:
            facts = json.loads(str(file["facts"]))
            if (written := facts.pop("format")) != FORMAT:
                raise ValueError(f"{path} has format {written}; {FORMAT} was expected")
            lists = {name: tuple(value) for name, value in facts.items() if isinstance(value, list)}
            return cls(**(facts | lists), **{name: file[name] for name in PER_REQUEST})
