"""What the registry has to learn from the fleet: replicas, how versions fare, and versions that may take over. Pure."""

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
        outlook = fleet.outlook(version)
        changed = msgspec.structs.replace(version, state=outlook.state, reason=outlook.reason)
        if changed != version:
            entries.append(Entry.put(changed))
    for model in snapshot.models.values():
        if _may_take_over(model, shown):
            entries.append(
                Entry.put(msgspec.structs.replace(model, current_version=model.next_version, next_version=None))
            )
    return entries


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


def entries_at_rest(snapshot: Snapshot) -> list[Entry]:
    """No replicas, and every version stopped: management is about to end. What is wanted stays as it is."""
    entries: list[Entry] = [Entry.delete(replica) for replica in snapshot.replicas.values()]
    entries += [Entry.put(_at_rest(version)) for version in snapshot.versions.values() if version.state != "stopped"]
    return entries


def _at_rest(version: Version) -> Version:
    return msgspec.structs.replace(version, state="stopped", reason="management is stopped")
