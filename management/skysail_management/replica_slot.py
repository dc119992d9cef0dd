"""One place for a container of a version: its state, its failures and when it may be started again. Pure.

starting --ready--> ready
starting, ready --exit--> backoff --time--> starting
any --no longer wanted--> stopping --exit--> gone
"""

from dataclasses import dataclass, field
from datetime import datetime

from skysail_management.records import Replica, ReplicaState, Version

__all__ = ["BACKOFF_FIRST_S", "BACKOFF_LONGEST_S", "STABLE_S", "Moment", "ReplicaKey", "ReplicaSlot"]

BACKOFF_FIRST_S = 0.5
BACKOFF_LONGEST_S = 30.0
STABLE_S = 60.0
"""A replica that was ready for so long has its earlier failures forgotten."""

ReplicaKey = tuple[str, str, int]
"""Model, version, replica id."""


@dataclass(frozen=True, slots=True)
class Moment:
    """One instant by two clocks: the monotonic one measures, the other dates records."""

    monotonic_s: float
    utc: datetime


@dataclass(slots=True)
class ReplicaSlot:
    """Invariants: `due_s` is set exactly in backoff; `pid` is set only while a process may run."""

    version: Version
    replica_id: int
    since: Moment
    state: ReplicaState = "starting"
    restarts: int = 0
    failures: int = 0
    reason: str = ""
    address: str = ""
    pid: int | None = None
    due_s: float | None = None
    is_building: bool = False
    """Its environment is being built; it does not load yet."""

    loading_since_s: float | None = None
    """When its environment was built, by the monotonic clock; None if it had none to wait for."""

    gave_up: str | None = field(default=None)
    """Why this start is being ended although the replica is wanted."""

    @property
    def key(self) -> ReplicaKey:
        return (self.version.model, self.version.version, self.replica_id)

    @property
    def version_created_at(self) -> datetime:
        """Tells apart versions that were deleted and registered again under the same name."""
        return self.version.created_at

    def enter(self, state: ReplicaState, now: Moment) -> None:
        self.state = state
        self.since = now
        self.due_s = None
        self.is_building = False
        self.loading_since_s = None

    def fail(self, reason: str, now: Moment) -> None:
        """The container ended, or could not be started: wait before the next start, longer each time."""
        if self.state == "ready" and now.monotonic_s - self.since.monotonic_s >= STABLE_S:
            self.failures = 0
        self.reason = self.gave_up or reason
        self.gave_up = None
        self.pid = None
        self.failures += 1
        self.restarts += 1
        self.enter("backoff", now)
        exponent = min(self.failures - 1, 16)
        self.due_s = now.monotonic_s + min(BACKOFF_LONGEST_S, BACKOFF_FIRST_S * 2**exponent)

    def record(self) -> Replica:
        """The replica as the registry shows it."""
        return Replica(
            model=self.version.model,
            version=self.version.version,
            replica_id=self.replica_id,
            address=self.address,
            state=self.state,
            restarts=self.restarts,
            reason=self.reason,
            pid=self.pid,
            since=self.since.utc,
        )
