"""How much memory this container may take, for loaders that start something of a size to be chosen."""

from contextlib import suppress
from pathlib import Path

__all__ = ["ContainerMemory", "container_memory"]

_MIB = 1 << 20


class ContainerMemory:
    """The limit that the container was told, or that of its cgroup. Set once, before the model is loaded."""

    def __init__(self, cgroup: Path = Path("/sys/fs/cgroup/memory.max")) -> None:
        self._cgroup = cgroup
        self.told_mib: int | None = None
        """What whoever started the container will end it for."""

    def limit_mib(self) -> int | None:
        """The lesser of both; None: as much as there is."""
        limits = [] if self.told_mib is None else [self.told_mib]
        with suppress(OSError, ValueError):  # there is no cgroup of version 2, or it says "max"
            limits.append(int(self._cgroup.read_text("ascii")) // _MIB)
        return min(limits, default=None)


container_memory = ContainerMemory()
"""The process's own."""
