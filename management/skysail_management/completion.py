"""Cancellations that come at a bad moment: neither leave work half done, nor get lost."""

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

__all__ = ["complete", "heeding_cancellation"]

T = TypeVar("T")


async def complete(work: Coroutine[Any, Any, T]) -> T:
    """Await `work`. A cancellation waits until it has finished and is raised then."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise


@contextmanager
def heeding_cancellation() -> Iterator[None]:
    """Raise at the end of the block the cancellation that was asked for within it and got lost there.

    redis-py sends through `asyncio.wait_for`, which up to Python 3.11 drops a cancellation that arrives together with
    the result (https://github.com/python/cpython/issues/86296). A task that is cancelled once would then run for ever.

    :raises CancelledError: see above.
    """
    task = asyncio.current_task()
    n_before = task.cancelling() if task is not None else 0
    yield
    if task is not None and task.cancelling() > n_before:
        raise asyncio.CancelledError
