"""The registry in Redis: read as a snapshot, followed change by change, written in transactions.

Every write is one MULTI that watches the revision, increments it, writes the records and publishes one change; two
writers never lose each other's work. Management alone writes records; frontends read, lease query ids and log
predictions. Every method raises RegistryUnavailableError when Redis does not answer within the socket timeout.
"""

import asyncio
import logging
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.client import PubSub
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError, WatchError

from skysail_management import keys
from skysail_management.completion import heeding_cancellation
from skysail_management.errors import ManagementError, RegistryEmptyError, RegistryUnavailableError
from skysail_management.prediction_log import OutcomeKind, OutcomeSummary, PredictionLog
from skysail_management.records import Change, Entry, EntryKind, Lost, PredictionRecord, Snapshot
from skysail_management.registry_follow import follow
from skysail_management.registry_json import decode_snapshot, encode_change, encode_record

__all__ = [
    "Change",
    "Entry",
    "Lost",
    "ManagementError",
    "OutcomeKind",
    "OutcomeSummary",
    "PredictionRecord",
    "Registry",
    "RegistryEmptyError",
    "RegistryUnavailableError",
    "Snapshot",
]

logger = logging.getLogger(__name__)

SOCKET_TIMEOUT_S = 2.0
"""How long Redis may take for one answer: a stopped Redis must be told apart from a slow one within seconds."""

_MAX_CONNECTIONS = 32
"""More callers than this wait for a connection, up to the socket timeout."""

_MAX_ATTEMPTS = 64
"""Rounds of optimistic writing before giving up; writers are few, so this is never met but in a fault."""

Position = tuple[str, int]
"""A registry's id and its revision."""

_KINDS: tuple[EntryKind, ...] = ("application", "model", "version", "replica")


class Registry:
    """One registry in one Redis. Owns the client given to it: `aclose` closes it."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._predictions = PredictionLog(redis)
        self._writing = asyncio.Lock()
        self._reported: set[str] = set()
        self.channel = keys.change_channel(int(redis.connection_pool.connection_kwargs.get("db") or 0))

    @classmethod
    def from_url(cls, url: str, *, socket_timeout_s: float = SOCKET_TIMEOUT_S) -> "Registry":
        """A registry behind `redis://host:port/db`, `rediss://...` or `unix:///path?db=0`. Does not connect yet.

        :raises ValueError: the URL has another form.
        """
        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=_MAX_CONNECTIONS,
            timeout=socket_timeout_s,
            protocol=2,
            socket_timeout=socket_timeout_s,
            socket_connect_timeout=socket_timeout_s,
            retry=Retry(NoBackoff(), 0),  # an EXEC sent twice could report a write as its own conflict
        )
        return cls(Redis.from_pool(pool))

    async def aclose(self) -> None:
        await self._redis.aclose()

    async def initialize(self) -> Snapshot:
        """The registry as it is, made first if this Redis has none."""
        with _translated():
            async with self._redis.pipeline(transaction=True) as pipeline:
                pipeline.setnx(keys.REVISION, 0)
                pipeline.setnx(keys.REGISTRY_ID, secrets.token_hex(8))
                _, is_new = await pipeline.execute()
        snapshot = await self.snapshot()
        if snapshot is None:
            raise RegistryEmptyError("Redis forgot the registry as soon as it was made")
        if is_new:
            logger.info("this Redis was empty: began registry %s", snapshot.registry_id)
        return snapshot

    async def snapshot(self) -> Snapshot | None:
        """The whole registry at one revision; None if this Redis holds none."""
        for _ in range(_MAX_ATTEMPTS):
            before, hashes, after = await self._read_all()
            if before == after:
                break
        else:
            raise RegistryUnavailableError(f"the registry changed during each of {_MAX_ATTEMPTS} attempts to read it")
        if before is None:
            return None
        snapshot = decode_snapshot(*before, hashes)
        self._report_corrupt(snapshot)
        return snapshot

    async def _read_all(self) -> tuple[Position | None, dict[EntryKind, dict[bytes, bytes]], Position | None]:
        """All records, with the position before and after. No MULTI: a Redis that is out of memory refuses that."""
        with _translated():
            async with self._redis.pipeline(transaction=False) as pipeline:
                pipeline.mget(keys.REGISTRY_ID, keys.REVISION)
                for kind in _KINDS:
                    pipeline.hgetall(keys.RECORDS[kind])
                pipeline.mget(keys.REGISTRY_ID, keys.REVISION)
                before, *hashes, after = await pipeline.execute()
        return _position(*before), dict(zip(_KINDS, hashes, strict=True)), _position(*after)

    async def position(self) -> Position | None:
        """The registry's id and revision; None if this Redis holds none."""
        with _translated():
            registry_id, revision = await self._redis.mget(keys.REGISTRY_ID, keys.REVISION)
        return _position(registry_id, revision)

    def change_messages(self) -> PubSub:
        """A subscription to be, for `registry_follow`."""
        return self._redis.pubsub()

    def follow(self) -> AsyncGenerator[Snapshot | Change | Lost, None]:
        """A Snapshot, then every Change in order, a Lost whenever the registry goes out of sight. Never ends."""
        return follow(self)

    async def transact(self, decide: Callable[[Snapshot], Sequence[Entry]]) -> int:
        """Write what `decide` says about the current snapshot, atomically; the revision after it.

        `decide` is pure, may run several times and may raise: nothing is written then. No entries, no write.

        :raises RegistryEmptyError: Redis holds no registry.
        :raises RegistryUnavailableError: Redis does not answer; the write may or may not have happened.
        """
        async with self._turn_to_write():
            for _ in range(_MAX_ATTEMPTS):
                with _translated():
                    revision = await self._attempt(decide)
                if revision is not None:
                    return revision
        raise RegistryUnavailableError(f"{_MAX_ATTEMPTS} attempts to write were overtaken by other writers")

    @asynccontextmanager
    async def _turn_to_write(self) -> AsyncIterator[None]:
        """Writers of this process take turns, but nobody waits long behind those that wait for a stopped Redis."""
        try:
            async with asyncio.timeout(SOCKET_TIMEOUT_S):
                await self._writing.acquire()
        except TimeoutError as error:
            raise RegistryUnavailableError("Redis does not answer: other writes wait for it already") from error
        try:
            yield
        finally:
            self._writing.release()

    async def _attempt(self, decide: Callable[[Snapshot], Sequence[Entry]]) -> int | None:
        async with self._redis.pipeline(transaction=True) as pipeline:
            await pipeline.watch(keys.REVISION, keys.REGISTRY_ID)
            snapshot = await self.snapshot()
            if snapshot is None:
                raise RegistryEmptyError("Redis holds no registry: it lost its data, or it is the wrong Redis")
            entries = tuple(decide(snapshot))
            if not entries:
                return snapshot.revision
            change = Change(snapshot.registry_id, snapshot.revision + 1, entries)
            pipeline.multi()  # type: ignore[no-untyped-call]  # redis-py leaves it without annotations
            pipeline.set(keys.REVISION, change.revision)
            for entry in entries:
                if entry.record is None:
                    pipeline.hdel(keys.RECORDS[entry.kind], entry.key)
                else:
                    pipeline.hset(keys.RECORDS[entry.kind], entry.key, encode_record(entry.record))
            PredictionLog.queue_forget(pipeline, entries)
            pipeline.publish(self.channel, encode_change(change))
            try:
                await pipeline.execute()
            except WatchError:
                return None
            return change.revision

    async def lease_query_ids(self) -> int:
        """The number of a block of query ids that nobody else ever gets: 1, 2, ..."""
        with _translated():
            return int(await self._redis.incr(keys.QUERY_ID_BLOCK))

    async def record_predictions(self, app: str, items: Sequence[PredictionRecord]) -> None:
        """Keep predictions for feedback; the newest 65,536 per application, outputs up to 4 KiB."""
        with _translated():
            await self._predictions.record(app, items)

    async def take_prediction(self, app: str, query_id: int) -> PredictionRecord | None:
        """The prediction of this query, removed; None if unknown, already taken or overwritten by newer ones."""
        with _translated():
            return await self._predictions.take(app, query_id)

    async def record_outcome(self, app: str, model: str, version: str, value: float, kind: OutcomeKind) -> None:
        """Add 1.0 or 0.0 (accuracy) or an absolute error to the rolling window of the newest 1,000."""
        with _translated():
            await self._predictions.record_outcome(app, model, version, value, kind)

    async def outcomes(self) -> dict[tuple[str, str, str], OutcomeSummary]:
        """The rolling quality of every (application, model, version) that has feedback."""
        with _translated():
            return await self._predictions.outcomes()

    def _report_corrupt(self, snapshot: Snapshot) -> None:
        for text in set(snapshot.corrupt) - self._reported:
            logger.error("corrupt record in the registry, left out: %s", text)
        self._reported = set(snapshot.corrupt)


def _position(registry_id: bytes | str | None, revision: bytes | str | None) -> Position | None:
    if not isinstance(registry_id, bytes) or not isinstance(revision, bytes) or not revision.isdigit():
        return None
    return registry_id.decode("utf-8", "backslashreplace"), int(revision)


@contextmanager
def _translated() -> Iterator[None]:
    """Foreign errors of the connection as ours, and no cancellation lost."""
    try:
        with heeding_cancellation():
            yield
    except ResponseError as error:  # out of memory, a read-only replica, a disk that is full
        raise RegistryUnavailableError(f"Redis refuses to serve: {error}") from error
    except (RedisError, OSError) as error:
        raise RegistryUnavailableError(f"Redis does not answer: {error}") from error
