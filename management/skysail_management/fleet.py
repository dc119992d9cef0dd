"""What to start and stop so that the replicas that run are the replicas that are wanted. Pure: no clock, no processes.

Invariants:
- at most one process per replica key: a slot starts again only after its container's exit was seen;
- a wanted slot is never dropped: it is starting, ready, stopping (and then starts anew) or in backoff with a due time;
- a version is `failed` after FAILED_STARTS failed starts in a row if none of its replicas was ever ready; its slots go
  on trying.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from skysail_management.records import Replica, Version, VersionState
from skysail_management.replica_slot import Moment, ReplicaKey, ReplicaSlot

__all__ = ["FAILED_STARTS", "Action", "Fleet", "Outlook", "Start", "Stop", "VersionKey"]

FAILED_STARTS = 3

VersionKey = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Start:
    """Start a container for this replica of the version."""

    version: Version
    replica_id: int


@dataclass(frozen=True, slots=True)
class Stop:
    """Drain and end the container of this replica."""

    key: ReplicaKey


Action = Start | Stop


@dataclass(frozen=True, slots=True)
class Outlook:
    """How a version fares."""

    state: VersionState
    reason: str = ""


class Fleet:
    """All slots of this management process. Every method is an event; what is to be done comes back as actions."""

    def __init__(self, start_limit_s: float, build_limit_s: float = 0.0) -> None:
        self._start_limit_s = start_limit_s
        self._build_limit_s = build_limit_s
        self._wanted: dict[VersionKey, Version] = {}
        self._slots: dict[ReplicaKey, ReplicaSlot] = {}
        self._failed_starts: Counter[VersionKey] = Counter()
        self._was_ready: set[VersionKey] = set()

    def __repr__(self) -> str:
        states = Counter(slot.state for slot in self._slots.values())
        return f"<Fleet {len(self._wanted)} versions, {dict(states)}>"

    @property
    def slots(self) -> Mapping[ReplicaKey, ReplicaSlot]:
        return self._slots

    def adopt(self, replica: Replica, version: Version, now: Moment) -> None:
        """A container of an earlier management process runs, is watched again, and if it was ready it still is."""
        since = Moment(now.monotonic_s, replica.since)
        slot = ReplicaSlot(version, replica.replica_id, since, replica.state, replica.restarts, reason=replica.reason)
        slot.address, slot.pid = replica.address, replica.pid
        self._slots[slot.key] = slot
        if version.state == "ready":
            self._was_ready.add((version.model, version.version))

    def want(self, versions: Iterable[Version], now: Moment) -> list[Action]:
        """The versions that should run, each with its number of replicas."""
        self._wanted = {(version.model, version.version): version for version in versions}
        for gone in self._failed_starts.keys() - self._wanted.keys():
            del self._failed_starts[gone]
        self._was_ready &= self._wanted.keys()
        actions: list[Action] = []
        for slot in list(self._slots.values()):
            if not self._is_wanted(slot) and slot.state != "stopping":
                actions += self._retire(slot, now)
        return actions + self._fill(now)

    def want_nothing(self, now: Moment) -> list[Action]:
        """Stop everything, wanted or not."""
        return self.want([], now)

    def _is_wanted(self, slot: ReplicaSlot) -> bool:
        wanted = self._wanted.get((slot.version.model, slot.version.version))
        if wanted is None or slot.version_created_at != wanted.created_at:
            return False
        return slot.replica_id < wanted.n_replicas

    def _retire(self, slot: ReplicaSlot, now: Moment) -> list[Action]:
        if slot.state == "backoff":
            del self._slots[slot.key]
            return []
        slot.enter("stopping", now)
        return [Stop(slot.key)]

    def _fill(self, now: Moment) -> list[Action]:
        actions: list[Action] = []
        for (model, name), version in self._wanted.items():
            for replica_id in range(version.n_replicas):
                if (model, name, replica_id) not in self._slots:
                    self._slots[model, name, replica_id] = ReplicaSlot(version, replica_id, now)
                    actions.append(Start(version, replica_id))
        return actions

    def started(self, key: ReplicaKey, address: str, pid: int) -> None:
        """The container's process exists."""
        slot = self._slots[key]
        slot.address, slot.pid = address, pid

    def building(self, key: ReplicaKey, progress: str, now: Moment) -> None:
        """The container's environment is so far; "" when it is built and the model begins to load."""
        slot = self._slots.get(key)
        if slot is not None and slot.state == "starting":
            slot.reason = progress
            slot.is_building = bool(progress)
            if not progress:
                slot.loading_since_s = now.monotonic_s

    def became_ready(self, key: ReplicaKey, now: Moment) -> None:
        """The container can be connected to."""
        slot = self._slots.get(key)
        if slot is not None and slot.state == "starting":
            slot.reason = ""
            slot.enter("ready", now)
            self._failed_starts.pop(key[:2], None)
            self._was_ready.add(key[:2])

    def exited(self, key: ReplicaKey, reason: str, now: Moment) -> list[Action]:
        """The container is gone, or could not be started at all."""
        slot = self._slots.get(key)
        if slot is None:
            return []
        if slot.state == "stopping":
            del self._slots[key]
            return self._fill(now)
        if slot.state == "starting":
            self._failed_starts[key[:2]] += 1
        slot.fail(reason, now)
        return []

    def tick(self, now: Moment) -> list[Action]:
        """Start what waited long enough, end what has been starting for too long."""
        actions: list[Action] = []
        for slot in self._slots.values():
            due_s = self._due_s(slot)
            if due_s is None or due_s > now.monotonic_s:
                continue
            if slot.state == "backoff":
                slot.enter("starting", now)
                actions.append(Start(slot.version, slot.replica_id))
            else:
                limit_s = self._limit_s(slot)
                slot.gave_up = f"not ready within {limit_s:g} s of its start"
                actions.append(Stop(slot.key))
        return actions

    def wake_at_s(self) -> float | None:
        """When `tick` next has something to do, by the monotonic clock."""
        return min((at for slot in self._slots.values() if (at := self._due_s(slot)) is not None), default=None)

    def _due_s(self, slot: ReplicaSlot) -> float | None:
        if slot.state == "starting" and slot.gave_up is None:
            begun_s = slot.since.monotonic_s if slot.loading_since_s is None else slot.loading_since_s
            return begun_s + self._limit_s(slot)
        return slot.due_s

    def _limit_s(self, slot: ReplicaSlot) -> float:
        """A build has its own limit and keeps to it; this one is for what hangs altogether."""
        return self._start_limit_s + (self._build_limit_s if slot.is_building else 0.0)

    def outlook(self, version: Version) -> Outlook:
        """How a wanted version fares."""
        key = (version.model, version.version)
        slots = [self._slots[(*key, n)] for n in range(version.n_replicas) if (*key, n) in self._slots]
        if version.n_replicas == 0:
            return Outlook("stopped")
        if any(slot.state == "ready" for slot in slots):
            return Outlook("ready")
        reason = next((slot.reason for slot in slots if slot.reason), "")
        if self._failed_starts[key] >= FAILED_STARTS and key not in self._was_ready:
            return Outlook("failed", reason)
        return Outlook("starting", reason)
