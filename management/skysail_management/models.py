"""Decisions about models and their versions: a snapshot and a wish in, entries to write out. Pure.

A version becomes current only once one of its containers is ready: it has loaded the model, checked it with its
validation rows and warmed it up by then. Here it is only said which is to be, in `next_version`; the reconciler sees it
through. Two kinds need not wait: a version whose client says `at_once`, and one that has no replicas of ours.

A version's input type is its model's. A model goes with its last version, unless an application is linked to it or has
it as its fallback.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import msgspec

from skysail_management.artifact_schema import checked_schema
from skysail_management.batching import BatchingAmendment, amended
from skysail_management.errors import ConflictError, IncompatibleError, InUseError, NotFoundError
from skysail_management.inputs import (
    checked_batch_size,
    checked_input_type,
    checked_labels,
    checked_memory_limit_mb,
    checked_n_replicas,
    checked_name,
    checked_text,
)
from skysail_management.records import Application, Entry, InputSchema, InputType, Model, Snapshot, Version

__all__ = [
    "NewVersion",
    "add_version",
    "delete_model",
    "delete_version",
    "has_ready_replica",
    "set_current_version",
    "set_n_replicas",
]


@dataclass(frozen=True, slots=True)
class NewVersion:
    """A version as a client asks for it. `at_once`: current as soon as it is registered, ready or not.

    `batching` is the model's, so it holds for the model's other versions too.
    """

    model: str
    version: str
    input_type: str
    artifact: str | None = None
    labels: list[str] = field(default_factory=list)
    n_replicas: int = 1
    batch_size: int = -1
    container_image: str | None = None
    model_data_path: str | None = None
    at_once: bool = False
    input_schema: InputSchema | None = None
    memory_limit_mb: int | None = None
    batching: BatchingAmendment = field(default_factory=BatchingAmendment)


def add_version(snapshot: Snapshot, new: NewVersion, now: datetime) -> Sequence[Entry]:
    """Register a version, and the model with its first one.

    The version is current when it has a ready replica; at once if `at_once` says so, or if it has no replicas and the
    model no other version to be current.

    :raises InvalidError: a bad name, input type, label or number, or a schema that is not for the input type.
    :raises ConflictError: the version exists; versions are immutable.
    :raises IncompatibleError: the model takes another input type.
    """
    version = _version(new, now)
    if (new.model, new.version) in snapshot.versions:
        raise ConflictError(
            f"model with name '{new.model}' and version '{new.version}' already exists", field="version"
        )
    model = snapshot.models.get(new.model)
    if model is None:
        model = Model(name=new.model, input_type=version.input_type, created_at=now)
    _check_input_type(model, version.input_type, new.version)
    model = amended(model, new.batching)
    has_none = model.current_version is None and model.next_version is None
    if new.at_once or (has_none and new.n_replicas == 0):
        model = msgspec.structs.replace(model, current_version=new.version, next_version=None)
    elif new.n_replicas > 0:
        model = msgspec.structs.replace(model, next_version=new.version)
    return [Entry.put(model), Entry.put(version)]


def _version(new: NewVersion, now: datetime) -> Version:
    input_type = checked_input_type(new.input_type)
    return Version(
        model=checked_name("model", new.model, "model"),
        version=checked_name("version", new.version, "version"),
        input_type=input_type,
        artifact=new.artifact,
        labels=checked_labels(new.labels),
        container_image=checked_text(new.container_image, "container_image"),
        model_data_path=checked_text(new.model_data_path, "model_data_path"),
        batch_size=checked_batch_size(new.batch_size),
        n_replicas=checked_n_replicas(new.n_replicas),
        state="starting" if new.n_replicas else "stopped",
        input_schema=checked_schema(new.input_schema, input_type),
        memory_limit_mb=checked_memory_limit_mb(new.memory_limit_mb),
        created_at=now,
    )


def _check_input_type(model: Model, input_type: InputType, version: str) -> None:
    if model.input_type != input_type:
        raise IncompatibleError(
            f"Model with name '{model.name}' has input_type '{model.input_type}'. "
            f"Version '{version}' was given the incompatible input_type '{input_type}'.",
            field="input_type",
        )


def set_current_version(snapshot: Snapshot, model: str, version: str, *, at_once: bool) -> Sequence[Entry]:
    """Make a version current: as soon as it has a ready replica; at once if others run its containers, or `at_once`.

    A version without replicas gets one, and one that failed is tried again.

    :raises NotFoundError: no such version.
    """
    wanted = snapshot.versions.get((model, version))
    record = snapshot.models.get(model)
    if wanted is None or record is None:
        raise NotFoundError(
            f"Cannot set non-existent version '{version}' for model with name '{model}'", field="version"
        )
    entries: list[Entry] = []
    if wanted.n_replicas == 0 or wanted.state == "failed":
        n_replicas = max(1, wanted.n_replicas)
        entries.append(Entry.put(msgspec.structs.replace(wanted, n_replicas=n_replicas, state="starting", reason="")))
    is_theirs = wanted.artifact is None and wanted.n_replicas == 0
    if not (at_once or is_theirs or version == record.current_version or has_ready_replica(snapshot, model, version)):
        changed = msgspec.structs.replace(record, next_version=version)
    else:
        changed = msgspec.structs.replace(record, current_version=version, next_version=None)
    return [*entries, Entry.put(changed)] if entries or changed != record else []


def has_ready_replica(snapshot: Snapshot, model: str, version: str) -> bool:
    """Whether any replica of the version may be sent queries."""
    return any(
        replica.state == "ready"
        for replica in snapshot.replicas.values()
        if (replica.model, replica.version) == (model, version)
    )


def set_n_replicas(snapshot: Snapshot, model: str, version: str, n_replicas: int) -> Sequence[Entry]:
    """Wish for another number of replicas; the reconciler starts and stops them.

    :raises NotFoundError: no such version.
    :raises InvalidError: a number out of range.
    """
    record = _existing(snapshot, model, version)
    checked_n_replicas(n_replicas)
    if n_replicas == record.n_replicas:
        return []
    changed = msgspec.structs.replace(record, n_replicas=n_replicas)
    if n_replicas == 0:
        changed = msgspec.structs.replace(changed, state="stopped", reason="")
    elif record.state in ("stopped", "failed"):
        changed = msgspec.structs.replace(changed, state="starting", reason="")
    return [Entry.put(changed)]


def delete_version(snapshot: Snapshot, model: str, version: str, *, force: bool) -> Sequence[Entry]:
    """Remove a version with its replicas, and the model if it was the last and no application uses it.

    :raises NotFoundError: no such version.
    :raises InUseError: it is the current version of a model that an application uses, and `force` is not given.
    """
    record = _existing(snapshot, model, version)
    model_record = snapshot.models.get(model)
    uses = _uses(snapshot, model)
    is_current = model_record is not None and model_record.current_version == version
    if is_current and uses and not force:
        raise InUseError(
            f"Version '{version}' is the current version of model '{model}', which is {uses}. "
            "Set another version, unlink or replace the model there, or force the deletion.",
            field="version",
        )
    entries = _version_entries(snapshot, record)
    others = [key for key in snapshot.versions if key[0] == model and key[1] != version]
    if model_record is not None and not others and not uses:
        return [*entries, Entry.delete(model_record)]
    if model_record is not None and version in (model_record.current_version, model_record.next_version):
        entries.append(Entry.put(_without(model_record, version)))
    return entries


def delete_model(snapshot: Snapshot, name: str, *, force: bool) -> Sequence[Entry]:
    """Remove a model with its versions and replicas; with `force` also the links to it, and it is no fallback any more.

    :raises NotFoundError: no such model.
    :raises InUseError: an application is linked to it or has it as its fallback, and `force` is not given.
    """
    model = snapshot.models.get(name)
    if model is None:
        raise NotFoundError(f"No model with name '{name}' exists.", field="name")
    uses = _uses(snapshot, name)
    if uses and not force:
        raise InUseError(f"Model '{name}' is {uses}. Unlink or replace it there, or force the deletion.", field="name")
    entries = [Entry.delete(model)]
    for application in snapshot.applications.values():
        without = _without_model(application, name)
        if without != application:
            entries.append(Entry.put(without))
    for version in snapshot.versions.values():
        if version.model == name:
            entries += _version_entries(snapshot, version)
    return entries


def _existing(snapshot: Snapshot, model: str, version: str) -> Version:
    record = snapshot.versions.get((model, version))
    if record is None:
        raise NotFoundError(f"Model with name '{model}' and version '{version}' does not exist", field="version")
    return record


def _version_entries(snapshot: Snapshot, version: Version) -> list[Entry]:
    key = (version.model, version.version)
    replicas = [r for r in snapshot.replicas.values() if (r.model, r.version) == key]
    return [Entry.delete(version), *(Entry.delete(replica) for replica in replicas)]


def _without(model: Model, version: str) -> Model:
    """The model once a version is gone. No other version takes its place unasked."""
    current = None if model.current_version == version else model.current_version
    following = None if model.next_version == version else model.next_version
    return msgspec.structs.replace(model, current_version=current, next_version=following)


def _without_model(application: Application, model: str) -> Application:
    links = tuple(link for link in application.links if link.model != model)
    fallback = None if application.fallback_model == model else application.fallback_model
    return msgspec.structs.replace(application, links=links, fallback_model=fallback)


def _uses(snapshot: Snapshot, model: str) -> str:
    """Who needs the model, in words: `linked to 'a', 'b' and the fallback of 'c'`; nothing if nobody does."""
    applications = snapshot.applications.values()
    linked = _quoted(a.name for a in applications if any(link.model == model for link in a.links))
    fallback = _quoted(a.name for a in applications if a.fallback_model == model)
    return " and ".join([f"linked to {linked}"] * bool(linked) + [f"the fallback of {fallback}"] * bool(fallback))


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(f"'{name}'" for name in sorted(names))
