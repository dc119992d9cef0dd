"""Records and changes as JSON, as they lie in Redis and travel on the change channel. Pure."""

from collections.abc import Mapping
from typing import Final

import msgspec

from skysail_management.records import (
    Application,
    Change,
    Entry,
    EntryKind,
    Model,
    Record,
    Replica,
    Snapshot,
    Version,
    record_key,
)

__all__ = ["decode_change", "decode_snapshot", "encode_change", "encode_record"]

_DECODERS: Final[dict[EntryKind, msgspec.json.Decoder[Record]]] = {
    "application": msgspec.json.Decoder(Application),
    "model": msgspec.json.Decoder(Model),
    "version": msgspec.json.Decoder(Version),
    "replica": msgspec.json.Decoder(Replica),
}


class _WireEntry(msgspec.Struct):
    kind: EntryKind
    key: str
    record: msgspec.Raw = msgspec.Raw(b"null")


class _WireChange(msgspec.Struct):
    registry_id: str
    revision: int
    entries: list[_WireEntry]


_CHANGE = msgspec.json.Decoder(_WireChange)


def encode_record(record: Record) -> bytes:
    """The JSON of a record as it is stored."""
    return msgspec.json.encode(record)


def encode_change(change: Change) -> bytes:
    """The JSON of a change as it is published."""
    return msgspec.json.encode(
        {
            "registry_id": change.registry_id,
            "revision": change.revision,
            "entries": [{"kind": e.kind, "key": e.key, "record": e.record} for e in change.entries],
        }
    )


def decode_change(body: bytes) -> Change:
    """The change published as `body`.

    :raises ValueError: it is not one (msgspec's errors are ValueErrors), or one of its records is not valid.
    """
    wire = _CHANGE.decode(body)
    return Change(wire.registry_id, wire.revision, tuple(_decode_entry(entry) for entry in wire.entries))


def _decode_entry(wire: _WireEntry) -> Entry:
    body = bytes(wire.record)
    if body == b"null":
        if wire.key.count(":") != {"version": 1, "replica": 2}.get(wire.kind, 0):
            raise ValueError(f"{wire.key!r} is not the key of a {wire.kind}")
        return Entry(wire.kind, wire.key, None)
    return Entry(wire.kind, wire.key, _decode_record(wire.kind, wire.key, body))


def _decode_record(kind: EntryKind, key: str, body: bytes) -> Record:
    record = _DECODERS[kind].decode(body)
    if record_key(record) != key:
        raise ValueError(f"the record under {key!r} says it is {record_key(record)!r}")
    return record


def decode_snapshot(registry_id: str, revision: int, hashes: Mapping[EntryKind, Mapping[bytes, bytes]]) -> Snapshot:
    """The snapshot held in the four hashes; records that cannot be read are named in `corrupt` and left out."""
    entries: list[Entry] = []
    corrupt: list[str] = []
    for kind, fields in hashes.items():
        for raw_key, body in fields.items():
            key = raw_key.decode("utf-8", "backslashreplace")
            try:
                entries.append(Entry(kind, key, _decode_record(kind, key, body)))
            except ValueError as error:
                corrupt.append(f"{kind} {key}: {error}")
    return Snapshot(registry_id, revision, corrupt=sorted(corrupt)).with_entries(entries, revision)
