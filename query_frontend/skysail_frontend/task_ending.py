"""Ending tasks for sure."""

import asyncio
from collections.abc import Iterable
from typing import Any

__all__ = ["end_tasks"]

CANCEL_AGAIN_S = 0.1


async def end_tasks(tasks: Iterable["asyncio.Task[Any]"]) -> None:
    """Cancels tasks and returns when all have ended, whatever they ended with.

    A task is cancelled again when it goes on: `asyncio.wait_for` of Python 3.11 swallows a cancellation that meets the
    result it waits for (cpython #86296), and redis-py sends every command through it.
    """
    open_tasks = set(tasks)
    while open_tasks:
        for task in open_tasks:
            task.cancel()
        _, open_tasks = await asyncio.wait(open_tasks, timeout=CANCEL_AGAIN_S)
