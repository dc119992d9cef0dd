"""A model version as the applications of one worker ask it: the prediction cache, then equal queries in flight, then
the dispatcher."""

import time
from collections.abc import Callable
from typing import Any

from skysail_frontend.dispatcher import Dispatcher
from skysail_frontend.payload_key import payload_key
from skysail_frontend.prediction_cache import PredictionShelf
from skysail_frontend.prediction_recorder import PredictionRecorder
from skysail_frontend.query import Query

__all__ = ["MAX_FOLLOWERS", "ServedVersion"]

MAX_FOLLOWERS = 20_000
"""Queries that may follow others; what comes beyond is submitted, to a queue that has a bound of its own."""


class ServedVersion:
    """Asks a dispatcher no more often than needed (single-flight).

    Invariants: ``_leaders`` holds for a payload's key the last query that was submitted with it and is not done. A
    query with the same payload follows it, that is, waits for the same output, if its deadline is not before the
    leader's and its weight not above: then it is answered in time by what wakes the leader, and is not held up by one
    that counts less. A leader that ends without output, whatever the reason, sets its followers free: each is submitted
    on its own, in the same breath, for what ended the leader may be the leader's alone. A prediction that comes too
    late for its leader is kept nevertheless, for whoever asks next.

    :param shelf: None when nothing is cached; then nothing is looked up either
    :param clock: monotonic seconds
    """

    def __init__(
        self,
        dispatcher: Dispatcher,
        shelf: PredictionShelf | None,
        recorder: PredictionRecorder,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.dispatcher = dispatcher
        self._shelf = shelf
        self._recorder = recorder
        self._clock = clock
        self._metrics = dispatcher.metrics
        self._leaders: dict[Any, Query] = {}
        self._n_followers = 0
        self._n_hits = self._n_misses = self._n_followed = 0  # since the metrics were written
        self._closed_reason: str | None = None

    def ask(self, query: Query, uses_cache: bool, now_s: float) -> str | None:
        """None: the query is answered, or will be. Else why the dispatcher refuses it; then it is the caller's."""
        shelf = self._shelf
        if shelf is None or not uses_cache:
            return self.dispatcher.submit(query, now_s)
        payload = query.payload
        key = payload_key(payload)
        output = shelf.get(key, payload, now_s)
        if output is not None:
            self._n_hits += 1
            self._recorder.record(self.dispatcher.model, self.dispatcher.version, (query,), (output,))
            query.predict(output, now_s)
            return None
        self._n_misses += 1
        leader = self._leaders.get(key)
        if leader is not None and (key is payload or leader.payload == payload) and self._follows(query, leader):
            return None
        reason = self.dispatcher.submit(query, now_s)
        if reason is None:
            self._leaders[key] = query
            query.key = key
            query.flight = self
        return reason

    def landed(self, leader: Query, output: bytes, now_s: float) -> None:
        """The output of a leader, in time or not: kept, and given to its followers."""
        self._forget(leader)
        if self._shelf is not None:
            self._shelf.put(leader.key, leader.payload, output, now_s)
        if leader.followers is not None:
            followers = self._take_followers(leader)
            self._recorder.record(self.dispatcher.model, self.dispatcher.version, followers, [output] * len(followers))
            for follower in followers:
                follower.predict(output, now_s)

    def left(self, leader: Query) -> None:
        """A leader is done and has no output: its followers are submitted."""
        self._forget(leader)
        if leader.followers is None:
            return
        now_s = self._clock()
        for follower in self._take_followers(leader):
            if follower.is_done:
                continue
            reason = self._closed_reason or self.dispatcher.submit(follower, now_s)
            if reason is not None:
                follower.owner.refused(follower, reason, now_s)

    def update_gauges(self) -> None:
        """Writes the metrics that are not written per query; called about once a second."""
        self.dispatcher.update_gauges()
        self._metrics.cache_hits.add(self._n_hits)
        self._metrics.cache_misses.add(self._n_misses)
        self._metrics.cache_followers.add(self._n_followed)
        self._n_hits = self._n_misses = self._n_followed = 0
        if self._shelf is not None:
            self._metrics.cache_bytes.set(self._shelf.n_bytes)
            self._metrics.cache_evictions.add(self._shelf.n_evictions)
            self._shelf.n_evictions = 0

    async def close(self, reason: str) -> None:
        """Answers everything taken in with the default output, forgets what is cached and closes all connections."""
        self._closed_reason = reason
        shelf, self._shelf = self._shelf, None
        if shelf is not None:
            shelf.purge()
        await self.dispatcher.close(reason)

    def _follows(self, query: Query, leader: Query) -> bool:
        if query.deadline_s < leader.deadline_s or query.weight > leader.weight:
            return False
        if self._n_followers >= MAX_FOLLOWERS:
            return False
        query.payload = leader.payload  # its own copy is not needed any more
        if leader.followers is None:
            leader.followers = [query]
        else:
            leader.followers.append(query)
        self._n_followers += 1
        self._n_followed += 1
        return True

    def _forget(self, leader: Query) -> None:
        newest = self._leaders.pop(leader.key, None)
        if newest is not None and newest is not leader:
            self._leaders[leader.key] = newest

    def _take_followers(self, leader: Query) -> list[Query]:
        followers, leader.followers = leader.followers, None
        if followers is None:
            return []
        self._n_followers -= len(followers)
        return followers
