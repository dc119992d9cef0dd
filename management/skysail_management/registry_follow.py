"""Following the registry: one snapshot, then every change in order, for as long as the follower cares.

Invariants, whatever Redis does:
- the first thing a follower gets is a Snapshot or a Lost, and after a Lost always a Snapshot;
- a Change's revision is the revision of what came before it plus one, under the same registry id;
- a Redis without a registry is never a Snapshot, and neither is a new registry with nothing in it once another was
  known: both are a Lost, so that nobody deletes everything because Redis lost its data.
A Redis that is gone, hangs or was replaced is noticed within HEARTBEAT_S plus the client's socket timeout.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing, suppress
from typing import Protocol

from redis.asyncio.client import PubSub
from redis.exceptions import RedisError

from skysail_management.completion import heeding_cancellation
from skysail_management.errors import RegistryUnavailableError
from skysail_management.records import Change, Lost, Snapshot
from skysail_management.registry_json import decode_change

__all__ = ["HEARTBEAT_S", "FollowedRegistry", "follow"]

logger = logging.getLogger(__name__)

HEARTBEAT_S = 1.0
"""After so long without a message the revision is read, to notice a Redis that hangs, was emptied or dropped one."""

_RETRY_FIRST_S = 0.1
_RETRY_LONGEST_S = 2.0


class FollowedRegistry(Protocol):
    """What following needs of the registry."""

    def change_messages(self) -> PubSub: ...

    @property
    def channel(self) -> str: ...

    async def snapshot(self) -> Snapshot | None: ...

    async def position(self) -> tuple[str, int] | None: ...


class _ResyncError(Exception):
    """The thread of changes was lost; a new subscription and snapshot are needed."""


Known = tuple[str, int]


async def follow(
    registry: FollowedRegistry, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
) -> AsyncGenerator[Snapshot | Change | Lost, None]:
    """Give the registry as a Snapshot and then its Changes; Lost once each time it goes out of sight. Never ends."""
    registry_id: str | None = None
    is_lost = False
    retry_s = _RETRY_FIRST_S
    while True:
        lost: Lost | None = None
        try:
            async with aclosing(_follow_until_trouble(registry, registry_id)) as events:
                async for event in events:
                    if isinstance(event, Snapshot):
                        registry_id, is_lost, retry_s = event.registry_id, False, _RETRY_FIRST_S
                    if isinstance(event, Lost):
                        lost = event
                        break
                    yield event
        except _ResyncError as error:
            logger.info("taking a new snapshot of the registry: %s", error)
            continue
        except (RedisError, OSError, RegistryUnavailableError) as error:
            lost = Lost(
                str(error) if isinstance(error, RegistryUnavailableError) else f"Redis does not answer: {error}"
            )
        if lost is not None and not is_lost:
            is_lost = True
            logger.warning("the registry is out of sight: %s", lost.reason)
            yield lost
        await sleep(retry_s)
        retry_s = min(retry_s * 2, _RETRY_LONGEST_S)


async def _follow_until_trouble(
    registry: FollowedRegistry, registry_id: str | None
) -> AsyncGenerator[Snapshot | Change | Lost, None]:
    messages = registry.change_messages()
    try:
        await _subscribe(messages, registry.channel)
        snapshot = await registry.snapshot()
        lost = _refuse_empty(snapshot, registry_id)
        if lost is not None or snapshot is None:
            yield lost or Lost("Redis holds no registry")
            return
        yield snapshot
        async with aclosing(_changes(registry, messages, (snapshot.registry_id, snapshot.revision))) as changes:
            async for change in changes:
                yield change
    finally:
        with suppress(RedisError, OSError):
            await messages.aclose()  # type: ignore[no-untyped-call]  # redis-py leaves it without annotations


async def _subscribe(messages: PubSub, channel: str) -> None:
    """Return once Redis has confirmed: what is published from now on will be heard.

    :raises RegistryUnavailableError: no confirmation came.
    """
    with heeding_cancellation():
        await messages.subscribe(channel)
        confirmation = await messages.get_message(timeout=HEARTBEAT_S)
    if confirmation is None or confirmation["type"] != "subscribe":
        raise RegistryUnavailableError("no answer to a subscription")


def _refuse_empty(snapshot: Snapshot | None, known_id: str | None) -> Lost | None:
    if snapshot is None:
        return Lost("Redis holds no registry")
    if known_id not in (None, snapshot.registry_id) and snapshot.is_empty:
        return Lost(f"Redis holds another, empty registry ({snapshot.registry_id})")
    return None


async def _changes(registry: FollowedRegistry, messages: PubSub, known: Known) -> AsyncGenerator[Change, None]:
    while True:
        with heeding_cancellation():
            message = await messages.get_message(timeout=HEARTBEAT_S)
        if message is None:
            await _check_position(registry, known)
        elif message["type"] == "message":
            change = _next_change(message["data"], known)
            if change is not None:
                known = (change.registry_id, change.revision)
                yield change


async def _check_position(registry: FollowedRegistry, known: Known) -> None:
    position = await registry.position()
    if position != known:
        raise _ResyncError(f"it stands at {position}, this copy at {known}")


def _next_change(body: bytes, known: Known) -> Change | None:
    """The change if it is the next one, None if the snapshot already held it.

    :raises _ResyncError: it is not readable, of another registry, or not the next one.
    """
    try:
        change = decode_change(body)
    except ValueError as error:
        raise _ResyncError(f"unreadable change: {error}") from error
    if change.registry_id != known[0]:
        raise _ResyncError(f"a change of another registry ({change.registry_id})")
    if change.revision > known[1] + 1:
        raise _ResyncError(f"changes after revision {known[1]} were missed")
    return change if change.revision == known[1] + 1 else None
