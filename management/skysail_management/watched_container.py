"""A container while a backend watches it: where it is, what it may take, and what its end means."""

import asyncio
import logging
import time
from contextlib import suppress
from dataclasses import dataclass

from skysail_management.backend import ContainerExited
from skysail_management.container_family import ContainerFamily
from skysail_management.container_log import ContainerLogs
from skysail_management.container_process import ContainerProcess
from skysail_management.exit_reason import exit_reason, is_final
from skysail_management.process_memory import MIB, MemoryWatch
from skysail_management.replica_slot import ReplicaKey

__all__ = ["WatchedContainer"]

logger = logging.getLogger(__name__)

_LOOK_AT_MEMORY_EVERY_S = 0.25
"""A process can take about half a GB in this time."""


@dataclass(slots=True)
class WatchedContainer:
    """`log_offset`: where in the replica's log its output begins; of an adopted one nobody knows."""

    key: ReplicaKey
    process: ContainerProcess
    address: str
    family: ContainerFamily
    memory_limit_bytes: int
    log_offset: int = 0
    end_reason: str = ""
    """Why it was ended from here, if it was."""

    async def limit_memory(self) -> None:
        """End the container when it takes more memory than it may, with all that descends from it; return when it has
        ended.
        """
        watch = MemoryWatch(self.family, self.memory_limit_bytes)
        while not self.process.ended.done():
            used = watch.excess()
            if used is not None:
                limit_mb = self.memory_limit_bytes // MIB
                self.end_reason = f"the container was over its memory limit of {limit_mb} MB (it had {used // MIB} MB)"
                self.process.kill_group()
                return
            await asyncio.wait([self.process.ended], timeout=_LOOK_AT_MEMORY_EVERY_S)

    async def end_family(self, logs: ContainerLogs) -> None:
        """Once the container is gone: end what its model started in sessions of its own as well."""
        n_ended = await asyncio.to_thread(self.family.end)
        if n_ended:
            logger.info("ended %d processes that %s:%s:%d left behind", n_ended, *self.key)
            self._tell(logs, f"ended {n_ended} processes that its model left behind")

    def exit_event(self, status: int | None, logs: ContainerLogs) -> ContainerExited:
        """What its end with this exit status means; the words go into its log as well, unless it was a good end."""
        words = logs.last_words(*self.key, since=self.log_offset)
        reason = self.end_reason or exit_reason(status, words)
        logger.info("process %d of %s:%s:%d is gone: %s", self.process.pid, *self.key, reason)
        if status != 0:
            self._tell(logs, reason)
        return ContainerExited(self.key, f"{reason}\n{words}" if words else reason, is_final(status))

    def _tell(self, logs: ContainerLogs, text: str) -> None:
        with suppress(OSError):  # a full disk; the reason of its end is told in the registry all the same
            logs.append(*self.key, f"{time.strftime('%Y-%m-%d %H:%M:%S')} skysail: {text}")
