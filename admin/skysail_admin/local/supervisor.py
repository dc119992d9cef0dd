"""Runs the parts of a stack: brings them up in order, keeps them up, takes them down in the opposite order."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from skysail_admin.local.events import Notify, StackEvent
from skysail_admin.local.keeper import Keeper
from skysail_admin.local.part import Part
from skysail_admin.local.restart_policy import RestartPolicy

__all__ = ["Supervisor"]


class Supervisor:
    """Invariants: a part starts only when those before it were ready once; `run` returns only when no part is left."""

    def __init__(self, parts: Sequence[Part], notify: Notify, policy: RestartPolicy | None = None) -> None:
        self._notify = notify
        self.keepers = [Keeper(part, notify, policy or RestartPolicy()) for part in parts]

    def __repr__(self) -> str:
        return f"Supervisor({self.keepers})"

    async def run(self, stop: asyncio.Event) -> None:
        """Runs the parts until `stop` is set.

        :raises StackError: a part does not come up the first time; the others are stopped again.
        """
        try:
            if await self._bring_up(stop):
                self._notify(StackEvent("up", text="ready"))
                await self._keep(stop)
        finally:
            await self._take_down()

    def kill(self) -> None:
        """Ends all parts at once, without their goodbyes."""
        for keeper in self.keepers:
            keeper.kill()

    async def _bring_up(self, stop: asyncio.Event) -> bool:
        """Whether all parts are up; False if told to stop on the way."""
        coming = asyncio.create_task(self._bring_up_in_order(), name="bring up")
        stopping = asyncio.create_task(stop.wait(), name="stop wanted")
        try:
            await asyncio.wait((coming, stopping), return_when=asyncio.FIRST_COMPLETED)
            if coming.done():
                coming.result()
            return coming.done()
        finally:
            coming.cancel()
            stopping.cancel()
            await asyncio.gather(coming, stopping, return_exceptions=True)

    async def _bring_up_in_order(self) -> None:
        for keeper in self.keepers:
            await keeper.bring_up()

    async def _keep(self, stop: asyncio.Event) -> None:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(keeper.keep(), name=f"keep {keeper.part.name}") for keeper in self.keepers]
            await stop.wait()
            for task in tasks:
                task.cancel()

    async def _take_down(self) -> None:
        for keeper in reversed(self.keepers):
            await keeper.stop()
        self._notify(StackEvent("down", text="everything has stopped"))
