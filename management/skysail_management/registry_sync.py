"""What the registry has to learn from the fleet: replicas, how versions fare, and what becomes of a next version. Pure.

It takes over with its first ready replica, and is no next version any more when it has failed.
"""

from collections.abc import Mapping

import msgspec

from skysail_management.fleet import Fleet
from skysail_management.records import Entry, Model, Snapshot, Version
from skysail_management.replica_slot import ReplicaKey, ReplicaSlot

__all__ = ["entries_at_rest", "entries_of_fleet"]


def entries_of_fleet(snapshot: Snapshot, fleet: Fleet) -> list[Entry]:
    """The records that differ from what runs. Slots of versions the registry no longer has are not shown."""
    shown = {key: slot for key, slot in fleet.slots.items() if _belongs(snapshot, key, slot)}
    entries = _replica_entries(snapshot, shown)
    for version in snapshot.versions.values():
        changed = _as_it_fares(version, fleet)
        if changed != version:
            entries.append(Entry.put(changed))
    for model in snapshot.models.values():
        if _may_take_over(model, shown):
            entries.append(
                Entry.put(msgspec.structs.replace(model, current_version=model.next_version, next_version=None))
            )
        elif _has_failed_successor(model, snapshot, fleet):
            entries.append(Entry.put(msgspec.structs.replace(model, next_version=None)))
    return entries


def _as_it_fares(version: Version, fleet: Fleet) -> Version:
    outlook = fleet.outlook(version)
    changed = msgspec.structs.replace(version, state=outlook.state, reason=outlook.reason)
    report = fleet.report(version)
    if report is not None:
        changed = msgspec.structs.replace(changed, served_by=report.served_by, notes=report.notes)
    return changed


def _belongs(snapshot: Snapshot, key: ReplicaKey, slot: ReplicaSlot) -> bool:
    version = snapshot.versions.get(key[:2])
    return version is not None and version.created_at == slot.version_created_at


def _replica_entries(snapshot: Snapshot, shown: Mapping[ReplicaKey, ReplicaSlot]) -> list[Entry]:
    entries = [Entry.delete(replica) for key, replica in snapshot.replicas.items() if key not in shown]
    for key, slot in shown.items():
        record = slot.record()
        if snapshot.replicas.get(key) != record:
            entries.append(Entry.put(record))
    return entries


def _may_take_over(model: Model, shown: Mapping[ReplicaKey, ReplicaSlot]) -> bool:
    following = (model.name, model.next_version)
    return any(slot.state == "ready" for key, slot in shown.items() if key[:2] == following)


def _has_failed_successor(model: Model, snapshot: Snapshot, fleet: Fleet) -> bool:
    following = snapshot.versions.get((model.name, model.next_version or ""))
    return following is not None and fleet.outlook(following).state == "failed"


def entries_at_rest(snapshot: Snapshot) -> list[Entry]:
    """No replicas, and every version stopped: management is about to end. What is wanted stays as it is.

    What failed stays failed, so that it is not tried again by every start.
    """
    entries: list[Entry] = [Entry.delete(replica) for replica in snapshot.replicas.values()]
    running = [version for version in snapshot.versions.values() if version.state not in ("stopped", "failed")]
    entries += [Entry.put(_at_rest(version)) for version in running]
    return entries


def _at_rest(version: Version) -> Version:
    return msgspec.structs.replace(version, state="stopped", reason="management is stopped")
