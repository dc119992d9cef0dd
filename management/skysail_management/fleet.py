"""What to start and stop so that the replicas that run are the replicas that are wanted. Pure: no clock, no processes.

Invariants:
- at most one process per replica key: a slot starts again only after its container's exit was seen;
- a wanted slot is never dropped: it is starting, ready, stopping (and then starts anew) or in backoff with a due time;
- a version that was never ready is `failed` after FAILED_STARTS failed starts in a row, or after one whose container
  said itself that no other would go better. A failed version is given up: it has no slots, and is tried again when
  somebody asks for it anew. Only a current version is never given up: it has nothing to be replaced by.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from skysail_management.load_report import LoadReport
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


@dataclass(slots=True)
class _GivenUp:
    """A version as it was when it was given up. `is_recorded`: the registry knows of it."""

    version: Version
    reason: str
    is_recorded: bool = False

    def is_answered_by(self, version: Version) -> bool:
        """Whether this later record of the version asks for another try."""
        if version.created_at != self.version.created_at or version.n_replicas != self.version.n_replicas:
            return True
        return self.is_recorded and version.state != "failed"


def _last_reason(slots: Iterable[ReplicaSlot]) -> str:
    """That of a replica that is not ready if there is one, else of the one that became ready last."""
    told = [slot for slot in slots if slot.reason]
    latest = max(told, key=lambda slot: (slot.state != "ready", slot.since.monotonic_s), default=None)
    return "" if latest is None else latest.reason


class Fleet:
    """All slots of this management process. Every method is an event; what is to be done comes back as actions."""

    def __init__(self, start_limit_s: float, build_limit_s: float = 0.0) -> None:
        self._start_limit_s = start_limit_s
        self._build_limit_s = build_limit_s
        self._wanted: dict[VersionKey, Version] = {}
        self._slots: dict[ReplicaKey, ReplicaSlot] = {}
        self._failed_starts: Counter[VersionKey] = Counter()
        self._was_ready: set[VersionKey] = set()
        self._given_up: dict[VersionKey, _GivenUp] = {}
        self._current: frozenset[VersionKey] = frozenset()
        self._reports: dict[VersionKey, LoadReport] = {}

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

    def want(
        self, versions: Iterable[Version], now: Moment, current: frozenset[VersionKey] = frozenset()
    ) -> list[Action]:
        """The versions that should run, each with its number of replicas; `current` ones are never given up."""
        self._wanted = {(version.model, version.version): version for version in versions}
        self._current = current
        for known in (self._failed_starts, self._given_up, self._reports):
            for gone in known.keys() - self._wanted.keys():
                del known[gone]
        self._was_ready &= self._wanted.keys()
        for key, version in self._wanted.items():
            self._heed_failure(key, version)
        actions: list[Action] = []
        for slot in list(self._slots.values()):
            if not self._is_wanted(slot) and slot.state != "stopping":
                actions += self._retire(slot, now)
        return actions + self._fill(now)

    def want_nothing(self, now: Moment) -> list[Action]:
        """Stop everything, wanted or not. What is known of failures stays known."""
        self._wanted = {}
        running = [slot for slot in self._slots.values() if slot.state != "stopping"]
        return [action for slot in running for action in self._retire(slot, now)]

    def _heed_failure(self, key: VersionKey, version: Version) -> None:
        """What the registry says of failures: one of an earlier process holds, one that it forgot is to be retried."""
        given_up = self._given_up.get(key)
        if given_up is None:
            if version.state == "failed" and not self._has_life(key):
                self._given_up[key] = _GivenUp(version, version.reason, is_recorded=True)
        elif key in self._current or given_up.is_answered_by(version):
            del self._given_up[key]
            self._failed_starts.pop(key, None)
        elif version.state == "failed":
            given_up.is_recorded = True

    def _has_life(self, key: VersionKey) -> bool:
        return key in self._current or key in self._was_ready or any(slot[:2] == key for slot in self._slots)

    def _is_wanted(self, slot: ReplicaSlot) -> bool:
        wanted = self._wanted.get((slot.version.model, slot.version.version))
        if wanted is None or slot.version_created_at != wanted.created_at or slot.key[:2] in self._given_up:
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
            if (model, name) in self._given_up:
                continue
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

    def became_ready(self, key: ReplicaKey, now: Moment, report: LoadReport | None = None) -> None:
        """The container can be connected to; `report` is what it had to tell of its model."""
        slot = self._slots.get(key)
        if slot is not None and slot.state == "starting":
            slot.enter("ready", now)
            if report is not None:
                self._reports[key[:2]] = report
            self._failed_starts.pop(key[:2], None)
            self._was_ready.add(key[:2])

    def exited(self, key: ReplicaKey, reason: str, now: Moment, *, is_final: bool = False) -> list[Action]:
        """The container is gone, or could not be started at all; `is_final`: no other start would go better."""
        slot = self._slots.get(key)
        if slot is None:
            return []
        if slot.state == "stopping":
            del self._slots[key]
            return self._fill(now)
        if slot.state == "starting":
            self._failed_starts[key[:2]] += FAILED_STARTS if is_final else 1
        slot.fail(reason, now)
        return self._give_up(slot, now) if self._is_hopeless(key[:2]) else []

    def _is_hopeless(self, key: VersionKey) -> bool:
        has_failed = self._failed_starts[key] >= FAILED_STARTS and key not in self._was_ready
        return has_failed and key not in self._current and key in self._wanted

    def _give_up(self, last: ReplicaSlot, now: Moment) -> list[Action]:
        key = last.key[:2]
        self._given_up[key] = _GivenUp(self._wanted[key], last.reason)
        slots = [slot for slot in self._slots.values() if slot.key[:2] == key and slot.state != "stopping"]
        return [action for slot in slots for action in self._retire(slot, now)]

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

    def report(self, version: Version) -> LoadReport | None:
        """What the last container of the version that became ready had to tell."""
        return self._reports.get((version.model, version.version))

    def outlook(self, version: Version) -> Outlook:
        """How a wanted version fares. `reason` of a ready one: why a replica of it was lost last."""
        key = (version.model, version.version)
        given_up = self._given_up.get(key)
        if given_up is not None and version.n_replicas > 0:
            if given_up.is_answered_by(version):  # asked for anew, which `want` will learn of
                return Outlook(version.state, version.reason)
            return Outlook("failed", given_up.reason)
        slots = [self._slots[(*key, n)] for n in range(version.n_replicas) if (*key, n) in self._slots]
        if version.n_replicas == 0:
            return Outlook("stopped")
        if any(slot.state == "ready" for slot in slots):
            return Outlook("ready", _last_reason(slots))
        reason = _last_reason(slots)
        if self._failed_starts[key] >= FAILED_STARTS and key not in self._was_ready:
            return Outlook("failed", reason)
        return Outlook("starting", reason)
