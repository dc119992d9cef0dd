"""What the server says about applications, models, versions and replicas, as frozen values.

Fields that a newer server adds are ignored, so an older client keeps working.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, TypeVar

__all__ = ["Application", "Deployment", "Link", "Model", "Prediction", "Replica", "Version", "from_json"]

Record = TypeVar("Record")


def from_json(kind: type[Record], data: dict[str, Any]) -> Record:
    """The dataclass `kind` from a JSON object; keys it does not know are left out."""
    known = {field.name for field in fields(kind)}  # type: ignore[arg-type]  # a dataclass, by contract
    return kind(**{key: value for key, value in data.items() if key in known})


@dataclass(frozen=True)
class Link:
    """An application asks this model, in this role: primary, candidate (with a weight) or shadow."""

    model: str
    role: str = "primary"
    weight: float = 1.0


@dataclass(frozen=True)
class Application:
    """`fallback_model` is asked when the linked model has no room; `priority` is high, normal or low; without `cache`
    every query goes to the model."""

    name: str
    input_type: str
    default_output: Any
    latency_slo_ms: float
    links: tuple[Link, ...] = ()
    fallback_model: str | None = None
    priority: str = "normal"
    cache: bool = True
    created_at: Any = None

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Application:
        links = tuple(from_json(Link, link) for link in data.get("links", ()))
        return from_json(cls, {**data, "links": links})

    @property
    def slo_micros(self) -> int:
        return round(self.latency_slo_ms * 1000)


@dataclass(frozen=True)
class Replica:
    """One running container of a version. `state`: starting, ready, backoff (to be tried again), stopping."""

    model: str
    version: str
    replica_id: int
    state: str
    address: str = ""
    restarts: int = 0
    reason: str | None = None
    pid: int | None = None
    since: Any = None

    @property
    def key(self) -> str:
        return f"{self.model}:{self.version}:{self.replica_id}"


@dataclass(frozen=True)
class Version:
    """A deployed artifact. `state`: starting, ready, failed (with the `reason`), stopped (no replicas wanted).

    `input_schema` is what queries are checked by: `{"fields": [{"name", "type", "shape", "optional"}, ...]}` for JSON
    objects, `{"type", "shape"}` for any other rows, None when they are not checked. `served_by` and `notes` are what a
    container that was ready told of the model.
    """

    model: str
    version: str
    input_type: str
    state: str
    n_replicas: int
    is_current: bool = False
    artifact: str | None = None
    reason: str | None = None
    batch_size: int = -1
    labels: tuple[str, ...] = ()
    container_image: str | None = None
    model_data_path: str | None = None
    input_schema: dict[str, Any] | None = None
    memory_limit_mb: int | None = None
    served_by: str = ""
    notes: tuple[str, ...] = ()
    created_at: Any = None
    replicas: tuple[Replica, ...] = ()

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Version:
        replicas = tuple(from_json(Replica, replica) for replica in data.get("replicas") or ())
        texts = {name: tuple(data.get(name) or ()) for name in ("labels", "notes")}
        return from_json(cls, {**data, "replicas": replicas, **texts})

    @property
    def key(self) -> str:
        return f"{self.model}:{self.version}"

    @property
    def n_ready(self) -> int:
        return sum(replica.state == "ready" for replica in self.replicas)


@dataclass(frozen=True)
class Model:
    """`batch_policy` is deadline, aimd or fixed; `max_batch_rows` is the size for fixed, for the others a cap."""

    name: str
    input_type: str
    current_version: str | None = None
    next_version: str | None = None
    versions: tuple[str, ...] = ()
    batch_policy: str = "deadline"
    max_batch_rows: int | None = None
    batch_delay_micros: int = 0
    created_at: Any = None

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Model:
        return from_json(cls, {**data, "versions": tuple(data.get("versions") or ())})


@dataclass(frozen=True)
class Deployment:
    """What `deploy_model` did. `already_deployed`: this very artifact was there under this version before."""

    version: Version
    already_deployed: bool
    artifact: str
    size_bytes: int


@dataclass(frozen=True)
class Prediction:
    """One answer. When `default` is true, `output` is the application's default output and the rest says why; when
    `fallback` is true, it is the fallback model's prediction."""

    query_id: int
    output: Any
    default: bool
    default_reason: str | None = None
    default_explanation: str | None = None
    fallback: bool = False
