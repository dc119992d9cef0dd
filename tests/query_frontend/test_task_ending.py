"""Ending tasks: also those that swallow a cancellation."""

import asyncio
import contextlib

from skysail_frontend.task_ending import end_tasks


async def test_nothing_to_end_is_no_wait() -> None:
    await end_tasks([])


async def test_tasks_end_with_whatever_they_end_with() -> None:
    async def fails() -> None:
        raise ValueError

    async def sleeps() -> None:
        await asyncio.Event().wait()

    tasks = [asyncio.create_task(fails()), asyncio.create_task(sleeps())]
    await asyncio.sleep(0)
    await end_tasks(tasks)
    assert isinstance(tasks[0].exception(), ValueError)
    assert tasks[1].cancelled()


async def test_a_task_that_swallows_a_cancellation_is_cancelled_again() -> None:
    n_swallowed = 0

    async def stubborn() -> None:
        nonlocal n_swallowed
        while n_swallowed < 2:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.Event().wait()
            n_swallowed += 1
        await asyncio.Event().wait()

    task = asyncio.create_task(stubborn())
    await asyncio.sleep(0)
    await end_tasks([task])
    assert (n_swallowed, task.cancelled()) == (2, True)
