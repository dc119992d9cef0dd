"""Decisions about applications and their links: a snapshot and a wish in, entries to write out. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Final

import msgspec
from msgspec import UNSET, UnsetType

from skysail_management.errors import ConflictError, IncompatibleError, InUseError, NotFoundError
from skysail_management.inputs import (
    checked_default_output,
    checked_input_type,
    checked_latency_slo_micros,
    checked_name,
    checked_weight,
)
from skysail_management.records import Application, Entry, Link, LinkRole, Model, Priority, Snapshot

__all__ = [
    "ApplicationAmendment",
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
    fallback_model: str | None = None
    priority: Priority = "normal"
    cache: bool = True


@dataclass(frozen=True, slots=True)
class ApplicationAmendment:
    """What to change of an application; what is UNSET stays. `fallback_model` None takes the fallback away."""

    latency_slo_micros: int | UnsetType = UNSET
    default_output: Any = UNSET
    fallback_model: str | UnsetType | None = UNSET
    priority: Priority | UnsetType = UNSET
    cache: bool | UnsetType = UNSET


@dataclass(frozen=True, slots=True)
class NewLink:
    """A link as a client asks for it."""

    model: str
    role: LinkRole = "primary"
    weight: float = 1.0


_AMENDABLE: Final = tuple(field.name for field in fields(ApplicationAmendment))


def register_application(snapshot: Snapshot, new: NewApplication, now: datetime) -> Sequence[Entry]:
    """Add an application without links.

    :raises InvalidError: a bad name, input type, default output or objective.
    :raises ConflictError: the name is taken.
    :raises NotFoundError: the fallback does not exist.
    :raises IncompatibleError: the fallback takes another input type.
    """
    application = Application(
        name=checked_name("application", new.name, "name"),
        input_type=checked_input_type(new.input_type),
        default_output=checked_default_output(new.default_output),
        latency_slo_micros=checked_latency_slo_micros(new.latency_slo_micros, new.slo_field),
        fallback_model=new.fallback_model,
        priority=new.priority,
        cache=new.cache,
        created_at=now,
    )
    if new.name in snapshot.applications:
        raise ConflictError(f"application '{new.name}' already exists", field="name")
    _check_fallback(snapshot, application)
    return [Entry.put(application)]


def update_application(snapshot: Snapshot, name: str, amendment: ApplicationAmendment) -> Sequence[Entry]:
    """Change what the amendment says and nothing else.

    :raises NotFoundError: no such application, or no such fallback.
    :raises InvalidError: a bad value.
    :raises IncompatibleError: the fallback takes another input type than the application.
    :raises InUseError: the fallback is the model that the application asks anyway.
    """
    application = _existing(snapshot, name, f"Application '{name}' does not exist")
    changes = {field: value for field in _AMENDABLE if (value := getattr(amendment, field)) is not UNSET}
    if "latency_slo_micros" in changes:
        checked_latency_slo_micros(changes["latency_slo_micros"], "latency_slo_ms")
    if "default_output" in changes:
        checked_default_output(changes["default_output"])
    changed = msgspec.structs.replace(application, **changes)
    if changed == application:
        return []
    if "fallback_model" in changes:
        _check_fallback(snapshot, changed)
    return [Entry.put(changed)]


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
    :raises InUseError: the application's fallback would become the model that it asks.
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
    linked = msgspec.structs.replace(application, links=tuple(links))
    if _asked_model(linked) != _asked_model(application):
        _check_asked_is_not_fallback(linked, "model")
    return [Entry.put(linked)] if new_links else []


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


def _check_fallback(snapshot: Snapshot, application: Application) -> None:
    """The application's fallback, if there is one, exists, takes the same input and is another model than the first."""
    if application.fallback_model is None:
        return
    name = checked_name("model", application.fallback_model, "fallback_model")
    model = snapshot.models.get(name)
    if model is None:
        raise NotFoundError(f"No model with name '{name}' exists.", field="fallback_model")
    if model.input_type != application.input_type:
        raise IncompatibleError(
            f"fallback_model: expected a model with the application's input_type '{application.input_type}', "
            f"got '{model.name}' with '{model.input_type}'",
            field="fallback_model",
        )
    _check_asked_is_not_fallback(application, "fallback_model")


def _check_asked_is_not_fallback(application: Application, field: str) -> None:
    asked = _asked_model(application)
    if asked is not None and asked == application.fallback_model:
        raise InUseError(
            f"{field}: '{asked}' cannot both be asked first by application '{application.name}' and be its fallback",
            field=field,
        )


def _asked_model(application: Application) -> str | None:
    """The model the frontend asks: the first primary link or, without one, the first candidate with a weight."""
    primary = [link.model for link in application.links if link.role == "primary"]
    candidates = [link.model for link in application.links if link.role == "candidate" and link.weight > 0]
    return next(iter(primary + candidates), None)
