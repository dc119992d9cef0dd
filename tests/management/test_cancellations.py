"""Cancellations at bad moments: nothing half done, nothing lost."""

import asyncio

import pytest

from harness.redis_server import RedisServer
from skysail_management.completion import complete, heeding_cancellation
from skysail_management.reconciler import RegistryCopy
from skysail_management.registry_follow import HEARTBEAT_S
from skysail_management.store import Registry


async def test_a_cancellation_that_comes_with_the_result_is_not_lost() -> None:
    answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    went_on = False

    async def work() -> None:
        nonlocal went_on
        with heeding_cancellation():
            await asyncio.wait_for(answer, 10)
        went_on = True

    task = asyncio.ensure_future(work())
    await asyncio.sleep(0)
    answer.set_result(None)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not went_on


async def test_a_cancellation_from_before_does_not_stop_the_cleaning_up() -> None:
    cleaned = False

    async def work() -> None:
        nonlocal cleaned
        try:
            await asyncio.Event().wait()
        finally:
            with heeding_cancellation():
                await asyncio.sleep(0)
            cleaned = True

    task = asyncio.ensure_future(work())
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    assert cleaned


async def test_what_must_be_completed_is_completed_before_the_cancellation_goes_on() -> None:
    may_end = asyncio.Event()
    steps: list[str] = []

    async def work() -> None:
        await may_end.wait()
        steps.append("completed")

    async def worker() -> None:
        try:
            await complete(work())
        finally:
            steps.append("cancelled")

    task = asyncio.ensure_future(worker())
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.sleep(0)
    assert steps == []
    may_end.set()
    await asyncio.wait([task])
    assert steps == ["completed", "cancelled"]
    assert task.cancelled()


async def test_followers_end_whenever_they_are_cancelled(registry: Registry, redis_server: RedisServer) -> None:
    """At the heartbeat redis-py is busy sending, which is when it may lose a cancellation."""
    followers = [Registry.from_url(redis_server.url) for _ in range(40)]
    tasks = [asyncio.ensure_future(RegistryCopy(follower).run()) for follower in followers]
    loop = asyncio.get_running_loop()
    for n, task in enumerate(tasks):
        loop.call_later(HEARTBEAT_S + n * 0.002, task.cancel)
    _, pending = await asyncio.wait(tasks, timeout=10)
    assert not pending
    for follower in followers:
        await follower.aclose()
