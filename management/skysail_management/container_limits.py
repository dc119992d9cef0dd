"""What a container may take of its machine and of its clients' time."""

from dataclasses import dataclass

from skysail_management.process_memory import MIB, machine_memory_bytes
from skysail_management.records import Version

__all__ = ["ContainerLimits"]

_SHARE_OF_MACHINE = 0.8


@dataclass(frozen=True, slots=True)
class ContainerLimits:
    """`memory_limit_mb` holds for versions that have none of their own; None: four fifths of the machine's memory, so
    that a model which takes all it can get ends before the machine's own killer looks for somebody.

    `batch_limit_s`: how long one batch may keep a model busy, or until its deadline if that is later.
    """

    memory_limit_mb: int | None = None
    batch_limit_s: float = 60.0

    def memory_limit_bytes(self, version: Version) -> int:
        """For each container of the version, with all it forks."""
        limit_mb = version.memory_limit_mb or self.memory_limit_mb
        return limit_mb * MIB if limit_mb else int(machine_memory_bytes() * _SHARE_OF_MACHINE)
