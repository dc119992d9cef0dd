"""The registry's records, the words they use, and the views of them that travel: snapshot, entries and changes.

Records are immutable; a change is a new record under the same key. In Redis each is one JSON object that carries its
`schema`. This module knows nothing of Redis, clocks or HTTP.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal

import msgspec

from skysail_management.input_schema import InputField, InputSchema, ValueType

__all__ = [
    "LOWEST_FREE_SCHEMA",
    "MAX_BATCH_DELAY_MICROS",
    "MAX_BATCH_ROWS",
    "MAX_LATENCY_SLO_MICROS",
    "NAME_PATTERN",
    "Application",
    "BatchPolicy",
    "Change",
    "Entry",
    "EntryKind",
    "InputField",
    "InputSchema",
    "InputType",
    "Link",
    "LinkRole",
    "Lost",
    "Model",
    "PredictionRecord",
    "Priority",
    "Record",
    "Replica",
    "ReplicaState",
    "Snapshot",
    "ValueType",
    "Version",
    "VersionState",
    "canonical_input_type",
    "is_name",
    "record_key",
]

NAME_PATTERN = r"^[a-z0-9]([a-z0-9._-]{0,62})\Z"
"""What applications, models and versions may be called."""

MAX_LATENCY_SLO_MICROS = 3_600_000_000
"""One hour: longer objectives are mistakes of unit."""

MAX_BATCH_ROWS = 4_096
"""The longest batch a model may be given; what a model does with more rows at once it does no faster."""

MAX_BATCH_DELAY_MICROS = 1_000_000
"""One second: queries that can wait longer for company belong into a job, not behind a server."""

LOWEST_FREE_SCHEMA = 2
"""Records from this schema number on were written by a newer release and are not understood here."""

_NAME = re.compile(NAME_PATTERN)

Name = Annotated[str, msgspec.Meta(pattern=NAME_PATTERN)]
Count = Annotated[int, msgspec.Meta(ge=0)]
Schema = Annotated[int, msgspec.Meta(ge=1, lt=LOWEST_FREE_SCHEMA)]
LinkRole = Literal["primary", "candidate", "shadow"]
Priority = Literal["high", "normal", "low"]
BatchPolicy = Literal["deadline", "aimd", "fixed"]
VersionState = Literal["starting", "ready", "failed", "stopped"]
ReplicaState = Literal["starting", "ready", "backoff", "stopping"]
EntryKind = Literal["application", "model", "version", "replica"]


class InputType(StrEnum):
    """What one input row of an application or a model is."""

    INTEGERS = "integers"
    FLOATS = "floats"
    DOUBLES = "doubles"
    STRINGS = "strings"
    BYTES = "bytes"
    JSON = "json"
    TENSOR = "tensor"


_INPUT_TYPE_ALIASES: dict[str, InputType] = {
    **dict.fromkeys(("ints", "integer", "int", "i"), InputType.INTEGERS),
    **dict.fromkeys(("float", "f"), InputType.FLOATS),
    **dict.fromkeys(("double", "d"), InputType.DOUBLES),
    **dict.fromkeys(("string", "str", "strs", "s"), InputType.STRINGS),
    **dict.fromkeys(("byte", "b"), InputType.BYTES),
    **dict.fromkeys(("record", "dataframe"), InputType.JSON),
    **dict.fromkeys(("ndarray",), InputType.TENSOR),
    **{input_type.value: input_type for input_type in InputType},
}


def canonical_input_type(text: str) -> InputType:
    """The input type meant by `text`: a canonical name or one of the names Clipper accepts.

    :raises ValueError: no input type is called so.
    """
    try:
        return _INPUT_TYPE_ALIASES[text]
    except KeyError:
        raise ValueError(f"expected one of {', '.join(InputType)}, got {text!r}") from None


def is_name(text: str) -> bool:
    """Whether an application, a model or a version may be called `text`."""
    return _NAME.match(text) is not None


class Link(msgspec.Struct, frozen=True):
    """An application's use of a model. `weight` shares traffic between candidates; 0 gives none."""

    model: Name
    role: LinkRole = "primary"
    weight: Annotated[float, msgspec.Meta(ge=0)] = 1.0


class Application(msgspec.Struct, frozen=True, kw_only=True):
    """What a client queries by name. `default_output` is any JSON value.

    `fallback_model` takes, with its current version, the queries that the linked model has no room for. `priority` is
    the application's standing among those that share a model. `cache` False: every query goes to the model.
    """

    name: Name
    input_type: InputType
    default_output: Any
    latency_slo_micros: Annotated[int, msgspec.Meta(gt=0, le=MAX_LATENCY_SLO_MICROS)]
    links: tuple[Link, ...] = ()
    fallback_model: Name | None = None
    priority: Priority = "normal"
    cache: bool = True
    created_at: datetime
    schema: Schema = 1


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """A name for versions. `next_version` becomes current as soon as one of its replicas is ready.

    `batch_policy` says how many rows a batch takes: as many as meet their deadlines, as additive increase and
    multiplicative decrease find (AIMD), or `max_batch_rows`. For the first two `max_batch_rows` is a cap, None no cap.
    A batch waits `batch_delay_micros` at most for more rows.

    Invariant: `fixed` has its `max_batch_rows`.
    """

    name: Name
    input_type: InputType
    current_version: Name | None = None
    next_version: Name | None = None
    batch_policy: BatchPolicy = "deadline"
    max_batch_rows: Annotated[int, msgspec.Meta(ge=1, le=MAX_BATCH_ROWS)] | None = None
    batch_delay_micros: Annotated[int, msgspec.Meta(ge=0, le=MAX_BATCH_DELAY_MICROS)] = 0
    created_at: datetime
    schema: Schema = 1

    def __post_init__(self) -> None:
        if self.batch_policy == "fixed" and self.max_batch_rows is None:
            raise ValueError("max_batch_rows: batch_policy 'fixed' needs it, got none")


class Version(msgspec.Struct, frozen=True, kw_only=True):
    """One immutable deployed version; only `n_replicas`, `state`, `reason`, `notes` and `served_by` ever change.

    `artifact` is the sha256 of its archive; without one, nothing here can start its containers.
    `batch_size` -1 means chosen by the scheduler. `input_schema` None: its rows reach the model unchecked.
    `memory_limit_mb`, of each of its containers, None: as management is set. `served_by` and `notes` are what the last
    container that became ready had to tell of its model.
    """

    model: Name
    version: Name
    input_type: InputType
    artifact: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")] | None = None
    labels: tuple[str, ...] = ()
    container_image: str | None = None
    model_data_path: str | None = None
    batch_size: Annotated[int, msgspec.Meta(ge=-1)] = -1
    n_replicas: Count = 1
    state: VersionState = "starting"
    reason: str = ""
    input_schema: InputSchema | None = None
    memory_limit_mb: Annotated[int, msgspec.Meta(ge=1)] | None = None
    served_by: str = ""
    notes: tuple[str, ...] = ()
    created_at: datetime
    schema: Schema = 1


class Replica(msgspec.Struct, frozen=True, kw_only=True):
    """One running container of a version. `address` is `unix:/path` or `tcp:host:port`; `since` dates the state."""

    model: Name
    version: Name
    replica_id: Count
    address: str
    state: ReplicaState
    restarts: Count = 0
    reason: str = ""
    pid: int | None = None
    since: datetime
    schema: Schema = 1


Record = Application | Model | Version | Replica


def record_key(record: Record) -> str:
    """The key of a record among its kind: `name`, `name`, `model:version` or `model:version:replica`."""
    match record:
        case Application() | Model():
            return record.name
        case Version():
            return f"{record.model}:{record.version}"
        case Replica():
            return f"{record.model}:{record.version}:{record.replica_id}"


_KIND_OF: dict[type[Record], EntryKind] = {
    Application: "application",
    Model: "model",
    Version: "version",
    Replica: "replica",
}


@dataclass(frozen=True, slots=True)
class Entry:
    """A record as it stands after a change; `record` None means that it is gone."""

    kind: EntryKind
    key: str
    record: Record | None

    @classmethod
    def put(cls, record: Record) -> "Entry":
        return cls(_KIND_OF[type(record)], record_key(record), record)

    @classmethod
    def delete(cls, record: Record) -> "Entry":
        return cls(_KIND_OF[type(record)], record_key(record), None)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The whole registry at one revision. `corrupt` names the records that could not be read, with the reason.

    The dictionaries belong to whoever holds the snapshot; functions that decide must not change them.
    """

    registry_id: str
    revision: int
    applications: dict[str, Application] = field(default_factory=dict)
    models: dict[str, Model] = field(default_factory=dict)
    versions: dict[tuple[str, str], Version] = field(default_factory=dict)
    replicas: dict[tuple[str, str, int], Replica] = field(default_factory=dict)
    corrupt: list[str] = field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to serve: no application and no model."""
        return not self.applications and not self.models and not self.corrupt

    def with_entries(self, entries: Iterable["Entry"], revision: int) -> "Snapshot":
        """The snapshot after a change; this one is not touched."""
        after = replace(
            self,
            revision=revision,
            applications=dict(self.applications),
            models=dict(self.models),
            versions=dict(self.versions),
            replicas=dict(self.replicas),
        )
        for entry in entries:
            _apply(after, entry)
        return after


def _apply(snapshot: Snapshot, entry: Entry) -> None:
    match entry.record:
        case Application() as application:
            snapshot.applications[application.name] = application
        case Model() as model:
            snapshot.models[model.name] = model
        case Version() as version:
            snapshot.versions[version.model, version.version] = version
        case Replica() as replica:
            snapshot.replicas[replica.model, replica.version, replica.replica_id] = replica
        case None:
            _remove(snapshot, entry)


def _remove(snapshot: Snapshot, entry: Entry) -> None:
    parts = entry.key.split(":")
    match entry.kind:
        case "application":
            snapshot.applications.pop(entry.key, None)
        case "model":
            snapshot.models.pop(entry.key, None)
        case "version":
            snapshot.versions.pop((parts[0], parts[1]), None)
        case "replica":
            snapshot.replicas.pop((parts[0], parts[1], int(parts[2])), None)


@dataclass(frozen=True, slots=True)
class Change:
    """Everything one transaction wrote. Revisions are contiguous: a follower that misses one takes a new snapshot."""

    registry_id: str
    revision: int
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class Lost:
    """The registry is out of sight; keep serving from the last known copy."""

    reason: str


class PredictionRecord(msgspec.Struct, frozen=True, array_like=True):
    """A served prediction as feedback needs it. `output_json` is the output as it went to the client."""

    query_id: int
    model: str
    version: str
    output_json: bytes
    is_default: bool
