"""How much memory a container and what descends from it take, as the kernel tells. Everything here blocks shortly.

Resident memory is cheap to read but counts pages that parent and children share once for each of them. So it is the
first look; only if it is over a limit, the proportional memory, which costs milliseconds per GB, has the last word.
"""

import os
from contextlib import suppress
from pathlib import Path

from skysail_management.container_family import ContainerFamily

__all__ = ["MIB", "MemoryWatch", "machine_memory_bytes"]

MIB = 1 << 20
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_LOOKS_PER_CENSUS = 4


class MemoryWatch:
    """The memory of a container and of what descends from it, which is counted anew at every fourth look."""

    def __init__(self, family: ContainerFamily, limit_bytes: int) -> None:
        self._family = family
        self._limit_bytes = limit_bytes
        self._pids = [family.pid]
        self._n_looks = 0

    def excess(self) -> int | None:
        """How many bytes they take if that is over the limit."""
        if self._n_looks % _LOOKS_PER_CENSUS == 0:
            self._pids = self._family.look()
        self._n_looks += 1
        used = sum(map(_resident_bytes, self._pids))
        if used > self._limit_bytes and len(self._pids) > 1:
            used = sum(map(_proportional_bytes, self._pids))
        return used if used > self._limit_bytes else None


def _resident_bytes(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_bytes().split()[1]) * _PAGE_BYTES
    except (OSError, IndexError):  # it is gone
        return 0


def _proportional_bytes(pid: int) -> int:
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text("ascii").splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except OSError:  # it is gone, or the kernel does not tell
        return _resident_bytes(pid)
    return 0


def machine_memory_bytes() -> int:
    """What this machine has, or what the cgroup of this process may take if that is less."""
    has = os.sysconf("SC_PHYS_PAGES") * _PAGE_BYTES
    with suppress(OSError, ValueError):  # no cgroup of version 2, or "max"
        return min(has, int(Path("/sys/fs/cgroup/memory.max").read_text("ascii")))
    return has
