"""Keeps one part running."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Literal

from skysail_admin.errors import PortInUseError, StackError
from skysail_admin.local.child import Child, log_tail, rotate
from skysail_admin.local.events import Notify, StackEvent
from skysail_admin.local.part import PORT_IN_USE_EXIT_CODE, Part
from skysail_admin.local.ports import in_use_text
from skysail_admin.local.restart_policy import RestartPolicy

__all__ = ["Keeper", "PartState"]

logger = logging.getLogger(__name__)

PartState = Literal["stopped", "starting", "ready", "backoff"]

_READY_POLL_S = 0.05
_ALIVE_POLLS = 10
"""How often a part is asked before it counts as hung."""


class Keeper:
    """Starts a part, starts it again whenever it ends or stops answering, and stops it when told to.

    Invariants: at most one process of the part exists at any time; `state` is ready only between a probe that said so
    and the process's end; after `stop` no process is left.
    """

    def __init__(self, part: Part, notify: Notify, policy: RestartPolicy) -> None:
        self.part = part
        self.state: PartState = "stopped"
        self.restarts = 0
        self.since_s = time.time()
        self._notify = notify
        self._policy = policy
        self._child: Child | None = None

    def __repr__(self) -> str:
        return f"Keeper({self.part.name}, {self.state}, {self.restarts} restarts)"

    @property
    def pid(self) -> int | None:
        return self._child.pid if self._child is not None and self._child.returncode is None else None

    async def bring_up(self) -> None:
        """The first start: returns when the part is ready.

        :raises StackError: it ended, or is not ready in time; carries the last lines of its log.
        """
        child = await self._start()
        try:
            async with asyncio.timeout(self.part.start_timeout_s):
                is_ready = await self._ready_or_gone(child)
        except TimeoutError as error:
            raise self._failure(f"is not ready after {self.part.start_timeout_s:g} s") from error
        if not is_ready:
            raise self._first_end(child)

    async def keep(self) -> None:
        """Never returns; cancel it, then `stop`."""
        failures = 0
        while True:
            ran_s, how = await self._run_once()
            failures = self._policy.failures_after(failures, ran_s)
            delay_s = self._policy.delay_s(failures)
            self._child = None
            self._become("backoff")
            self._say("died", f"{self.part.title} ended ({how}); starting again in {delay_s:g} s")
            await asyncio.sleep(delay_s)
            self.restarts += 1

    async def _run_once(self) -> tuple[float, str]:
        """Runs the part (on, if it runs) until it ends: how long it ran, and how it ended."""
        try:
            child = self._child or await self._start()
        except (StackError, OSError) as error:  # no memory, no disk: tried again like any other end
            return 0.0, str(error)
        if self.state == "ready" or await self._ready_or_gone(child):
            await self._until_gone(child)
        return child.ran_s, child.how_it_ended()

    async def stop(self) -> None:
        """Ends the part's process, if there is one."""
        child, self._child = self._child, None
        if child is not None:
            self._say("stopping", f"stopping {self.part.title}")
            await child.stop()
            if self.part.after_stop is not None:
                await self.part.after_stop()
            self._say("stopped", f"{self.part.title} has stopped")
        self._become("stopped")

    def kill(self) -> None:
        if self._child is not None:
            self._child.kill()

    async def _start(self) -> Child:
        self._become("starting")
        self._child = await Child.start(self.part)
        self._say("starting", f"starting {self.part.title}")
        return self._child

    async def _ready_or_gone(self, child: Child) -> bool:
        """Whether it became ready; False once it has ended."""
        while child.returncode is None:
            if await self.part.ready():
                self._become("ready")
                self._say("ready", f"{self.part.title} answers at {self.part.address}")
                return True
            await asyncio.sleep(_READY_POLL_S)
        return False

    async def _until_gone(self, child: Child) -> None:
        """Returns when the process has ended, by itself or because it stopped answering and was killed."""
        watch = asyncio.create_task(self._kill_if_hung(child), name=f"watch {self.part.name}")
        try:
            await child.wait()
        finally:
            watch.cancel()

    async def _kill_if_hung(self, child: Child) -> None:
        answered_s = time.monotonic()
        while time.monotonic() - answered_s < self.part.hung_after_s:
            await asyncio.sleep(self.part.hung_after_s / _ALIVE_POLLS)
            rotate(self.part.log_path)
            if await self.part.alive():
                answered_s = time.monotonic()
        logger.warning("%s has not answered for %.0f s: ending it", self.part.title, self.part.hung_after_s)
        child.kill()

    def _become(self, state: PartState) -> None:
        self.state, self.since_s = state, time.time()

    def _say(self, kind: Literal["starting", "ready", "died", "stopping", "stopped"], text: str) -> None:
        self._notify(StackEvent(kind, self.part.name, text))

    def _first_end(self, child: Child) -> StackError:
        if child.returncode == PORT_IN_USE_EXIT_CODE and self.part.port is not None:
            return PortInUseError(in_use_text(self.part.port, self.part.port_flag), port=self.part.port)
        return self._failure(f"ended while starting ({child.how_it_ended()})")

    def _failure(self, what: str) -> StackError:
        return StackError(
            f"{self.part.title} {what}; its log: {self.part.log_path}", log_tail=log_tail(self.part.log_path)
        )
