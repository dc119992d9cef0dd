"""Decisions about applications and their links: a snapshot and a wish in, entries to write out. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from skysail_management.errors import ConflictError, IncompatibleError, NotFoundError
from skysail_management.inputs import (
    checked_default_output,
    checked_input_type,
    checked_latency_slo_micros,
    checked_name,
    checked_weight,
)
from skysail_management.records import Application, Entry, Link, LinkRole, Model, Snapshot

__all__ = [
    "NewApplication",
    "NewLink",
    "delete_application",
    "link_models",
    "register_application",
    "unlink_models",
    "update_application",
]


@dataclass(frozen=True, slots=True)
class NewApplication:
    """An application as a client asks for it. `slo_field` names the objective in the client's own words."""

    name: str
    input_type: str
    default_output: Any
    latency_slo_micros: int
    slo_field: str = "latency_slo_ms"


@dataclass(frozen=True, slots=True)
class NewLink:
    """A link as a client asks for it."""

    model: str
    role: LinkRole = "primary"
    weight: float = 1.0


def register_application(snapshot: Snapshot, new: NewApplication, now: datetime) -> Sequence[Entry]:
    """Add an application without links.

    :raises InvalidError: a bad name, input type, default output or objective.
    :raises ConflictError: the name is taken.
    """
    application = Application(
        name=checked_name("application", new.name, "name"),
        input_type=checked_input_type(new.input_type),
        default_output=checked_default_output(new.default_output),
        latency_slo_micros=checked_latency_slo_micros(new.latency_slo_micros, new.slo_field),
        created_at=now,
    )
    if new.name in snapshot.applications:
        raise ConflictError(f"application '{new.name}' already exists", field="name")
    return [Entry.put(application)]


def update_application(
    snapshot: Snapshot, name: str, *, latency_slo_micros: int | None, default_output: tuple[Any] | None
) -> Sequence[Entry]:
    """Change the objective or the default output (in a tuple, since None is a default output too).

    :raises NotFoundError: no such application.
    :raises InvalidError: a bad value.
    """
    application = _existing(snapshot, name, f"Application '{name}' does not exist")
    changes: dict[str, Any] = {}
    if latency_slo_micros is not None:
        changes["latency_slo_micros"] = checked_latency_slo_micros(latency_slo_micros, "latency_slo_ms")
    if default_output is not None:
        changes["default_output"] = checked_default_output(default_output[0])
    changed = msgspec.structs.replace(application, **changes)
    return [] if changed == application else [Entry.put(changed)]


def delete_application(snapshot: Snapshot, name: str) -> Sequence[Entry]:
    """Remove an application; its links go with it, and the store drops its predictions and outcomes.

    :raises NotFoundError: no such application.
    """
    return [Entry.delete(_existing(snapshot, name, f"Application '{name}' does not exist"))]


def link_models(snapshot: Snapshot, name: str, new_links: Sequence[NewLink]) -> Sequence[Entry]:
    """Link models to an application: all of them or, if one cannot be, none.

    :raises NotFoundError: no such application or model.
    :raises IncompatibleError: a model takes another input type than the application.
    :raises ConflictError: a model is linked already.
    """
    application = _existing(snapshot, name, f"No app with name '{name}' exists.")
    links = list(application.links)
    for new in new_links:
        model = snapshot.models.get(new.model)
        if model is None:
            raise NotFoundError(f"No model with name '{new.model}' exists.", field="model")
        _check_compatible(model, application)
        if any(link.model == new.model for link in links):
            raise ConflictError(f"The model with name '{new.model}' is already linked to '{name}'", field="model")
        links.append(Link(new.model, new.role, checked_weight(new.weight)))
    return [Entry.put(msgspec.structs.replace(application, links=tuple(links)))] if new_links else []


def unlink_models(snapshot: Snapshot, name: str, models: Sequence[str]) -> Sequence[Entry]:
    """Remove links: all of them or, if one does not exist, none.

    :raises NotFoundError: no such application, or a model that is not linked to it.
    """
    application = _existing(snapshot, name, f"No app with name '{name}' exists.")
    linked = {link.model for link in application.links}
    for model in models:
        if model not in linked:
            raise NotFoundError(f"The model with name '{model}' is not linked to '{name}'", field="model")
    links = tuple(link for link in application.links if link.model not in models)
    return [Entry.put(msgspec.structs.replace(application, links=links))] if models else []


def _existing(snapshot: Snapshot, name: str, message: str) -> Application:
    application = snapshot.applications.get(name)
    if application is None:
        raise NotFoundError(message, field="name")
    return application


def _check_compatible(model: Model, application: Application) -> None:
    if model.input_type != application.input_type:
        raise IncompatibleError(
            f"Model with name '{model.name}' has incompatible input_type '{model.input_type}'. "
            f"Requested app to link to has input_type '{application.input_type}'.",
            field="model",
        )
