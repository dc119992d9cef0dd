"""Where containers run. The reconciler decides, a backend does."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from skysail_management.load_report import LoadReport
from skysail_management.records import Replica, Version
from skysail_management.replica_slot import ReplicaKey

__all__ = ["Backend", "BackendEvent", "ContainerBuilding", "ContainerExited", "ContainerReady", "Launched"]


@dataclass(frozen=True, slots=True)
class Launched:
    """A container that was started and may be dialled at `address` once it is ready."""

    address: str
    pid: int


@dataclass(frozen=True, slots=True)
class ContainerBuilding:
    """A container's environment is being built, `progress` says how far; "" when it is built and the model loads."""

    key: ReplicaKey
    progress: str


@dataclass(frozen=True, slots=True)
class ContainerReady:
    """A container takes connections; `report` is what it had to tell of its model."""

    key: ReplicaKey
    report: LoadReport | None = None


@dataclass(frozen=True, slots=True)
class ContainerExited:
    """A container is gone; `reason` is its end in words, and its own last words.

    `is_final`: it said itself that it cannot serve its model, and another start would end like this one.
    """

    key: ReplicaKey
    reason: str
    is_final: bool = False


BackendEvent = ContainerBuilding | ContainerReady | ContainerExited


class Backend(Protocol):
    """One container per replica key at a time. Nothing here decides what should run."""

    async def start(self, version: Version, replica_id: int) -> Launched:
        """Start a container; ContainerReady or ContainerExited follow, ContainerBuilding any number of times before.

        :raises ManagementError: it cannot be started.
        """
        ...

    async def adopt(self, containers: Sequence[tuple[Replica, Version]], *, end_strays: bool) -> set[ReplicaKey]:
        """Watch the starting and ready containers of these records that still run, from before this process.

        The left-overs that no record tells of are ended if `end_strays`. For the adopted, ContainerReady or
        ContainerExited follow.
        """
        ...

    def stop(self, key: ReplicaKey) -> None:
        """Begin to drain and end a container, by force after a limit; ContainerExited follows. Does not block."""
        ...

    async def next_event(self) -> BackendEvent:
        """Wait for the next thing that happens to a container."""
        ...
