"""Small valid records for tests."""

from datetime import UTC, datetime
from typing import Any

from skysail_management.records import Application, InputType, Model, Replica, Version

__all__ = ["NOON", "a_model", "a_replica", "a_version", "an_application"]

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def an_application(name: str = "app", **changes: Any) -> Application:
    facts: dict[str, Any] = {
        "input_type": InputType.DOUBLES,
        "default_output": -1.0,
        "latency_slo_micros": 100_000,
        "created_at": NOON,
    }
    return Application(name=name, **(facts | changes))


def a_model(name: str = "m", **changes: Any) -> Model:
    facts: dict[str, Any] = {"input_type": InputType.DOUBLES, "created_at": NOON}
    return Model(name=name, **(facts | changes))


def a_version(model: str = "m", version: str = "1", **changes: Any) -> Version:
    facts: dict[str, Any] = {"input_type": InputType.DOUBLES, "created_at": NOON}
    return Version(model=model, version=version, **(facts | changes))


def a_replica(model: str = "m", version: str = "1", replica_id: int = 0, **changes: Any) -> Replica:
    facts: dict[str, Any] = {"address": "unix:/nowhere", "state": "ready", "since": NOON}
    return Replica(model=model, version=version, replica_id=replica_id, **(facts | changes))
