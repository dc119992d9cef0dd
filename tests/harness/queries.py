"""Queries without HTTP: a sink that remembers, an owner that counts, a clock that stands still."""

import asyncio
import itertools
import json
from typing import Any

from skysail_frontend.query import Query

__all__ = ["FakeClock", "FakeOwner", "FakeSink", "a_query", "queries_of"]

_ids = itertools.count(1)


class FakeClock:
    """Time that moves when a test says so."""

    def __init__(self, now_s: float = 1000.0) -> None:
        self.now_s = now_s

    def __call__(self) -> float:
        return self.now_s

    def advance(self, seconds: float) -> float:
        self.now_s += seconds
        return self.now_s


class FakeSink:
    """Remembers every answer by position; a second one for the same position fails the test."""

    def __init__(self) -> None:
        self.answers: dict[int, dict[str, Any]] = {}
        self._news = asyncio.Event()

    def answered(self, position: int, answer: bytes) -> None:
        assert position not in self.answers, f"answered twice: {position}"
        self.answers[position] = json.loads(answer)
        self._news.set()

    async def wait(self, n_answers: int = 1, timeout_s: float = 10.0) -> dict[str, Any]:
        """Returns the answer at position 0 once there are `n_answers`."""
        async with asyncio.timeout(timeout_s):
            while len(self.answers) < n_answers:
                self._news.clear()
                await self._news.wait()
        return self.answers[min(self.answers)]

    @property
    def answer(self) -> dict[str, Any]:
        """The one answer there is."""
        (answer,) = self.answers.values()
        return answer


class FakeOwner:
    """An application that keeps what it is told."""

    def __init__(self, name: str = "app") -> None:
        self.name = name
        self.predictions_s: list[float] = []
        self.defaults: list[tuple[str, float]] = []
        self.n_fallbacks = 0
        self.refusals: list[tuple[Query, str]] = []

    def observe_prediction(self, seconds: float) -> None:
        self.predictions_s.append(seconds)

    def default_answer(self, query_id: int, reason: str, seconds: float, explanation: str | None = None) -> bytes:
        self.defaults.append((reason, seconds))
        return b'{"query_id":%d,"output":-1,"default":true,"default_reason":"%b"}' % (query_id, reason.encode())

    def count_fallback(self) -> None:
        self.n_fallbacks += 1

    def refused(self, query: Query, reason: str, now_s: float) -> None:
        self.refusals.append((query, reason))
        query.default(reason, now_s)


def a_query(
    deadline_s: float = 1001.0,
    arrival_s: float = 1000.0,
    n_bytes: int = 8,
    payload: Any = b"\0" * 8,
    owner: FakeOwner | None = None,
    sink: FakeSink | None = None,
    position: int = 0,
    weight: float = 1.0,
) -> Query:
    """A query with an owner and a sink of its own unless they are given."""
    owner, sink = owner or FakeOwner(), sink or FakeSink()
    return Query(payload, n_bytes, arrival_s, deadline_s, next(_ids), owner, sink, position, weight)


def queries_of(*deadlines_s: float) -> list[Query]:
    """One query per deadline."""
    return [a_query(deadline_s) for deadline_s in deadlines_s]
