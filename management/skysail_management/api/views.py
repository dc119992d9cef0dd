"""What /api/v1 shows: the registry's records as JSON objects."""

from datetime import datetime
from typing import Any, Generic, Self, TypeVar

from pydantic import BaseModel, Field

from skysail_management.artifacts import Artifact
from skysail_management.records import (
    Application,
    BatchPolicy,
    InputSchema,
    LinkRole,
    Model,
    Priority,
    Replica,
    ReplicaState,
    Snapshot,
    ValueType,
    Version,
    VersionState,
)

__all__ = ["ApplicationView", "ArtifactView", "Items", "LinkView", "ModelView", "ReplicaView", "VersionView"]

T = TypeVar("T")


class Items(BaseModel, Generic[T]):
    """A list."""

    items: list[T]


class LinkView(BaseModel):
    """A link of an application to a model."""

    model: str
    role: LinkRole
    weight: float


class ApplicationView(BaseModel):
    """An application."""

    name: str
    input_type: str
    default_output: Any
    latency_slo_ms: float
    links: list[LinkView]
    fallback_model: str | None
    priority: Priority
    cache: bool
    created_at: datetime

    @classmethod
    def of(cls, application: Application) -> Self:
        return cls(
            name=application.name,
            input_type=application.input_type.value,
            default_output=application.default_output,
            latency_slo_ms=application.latency_slo_micros / 1000,
            links=[LinkView(model=link.model, role=link.role, weight=link.weight) for link in application.links],
            fallback_model=application.fallback_model,
            priority=application.priority,
            cache=application.cache,
            created_at=application.created_at,
        )


class ModelView(BaseModel):
    """A model. `next_version` becomes current when its first replica is ready."""

    name: str
    input_type: str
    current_version: str | None
    next_version: str | None
    versions: list[str]
    batch_policy: BatchPolicy
    max_batch_rows: int | None
    batch_delay_micros: int
    created_at: datetime

    @classmethod
    def of(cls, snapshot: Snapshot, model: Model) -> Self:
        versions = [version for version in snapshot.versions.values() if version.model == model.name]
        return cls(
            name=model.name,
            input_type=model.input_type.value,
            current_version=model.current_version,
            next_version=model.next_version,
            versions=[version.version for version in sorted(versions, key=lambda v: (v.created_at, v.version))],
            batch_policy=model.batch_policy,
            max_batch_rows=model.max_batch_rows,
            batch_delay_micros=model.batch_delay_micros,
            created_at=model.created_at,
        )


class ReplicaView(BaseModel):
    """A replica."""

    model: str
    version: str
    replica_id: int
    address: str
    state: ReplicaState
    restarts: int
    reason: str = Field(description="why the last container ended, with its last words")
    pid: int | None
    since: datetime = Field(description="of this state")

    @classmethod
    def of(cls, replica: Replica) -> Self:
        return cls(
            model=replica.model,
            version=replica.version,
            replica_id=replica.replica_id,
            address=replica.address,
            state=replica.state,
            restarts=replica.restarts,
            reason=replica.reason,
            pid=replica.pid,
            since=replica.since,
        )


class InputFieldView(BaseModel):
    """A field of a row that is a JSON object."""

    name: str
    type: ValueType
    shape: list[int] = Field(description="[]: one value; [-1]: a list of any length; [2, 3]: two lists of three")
    optional: bool = Field(description="it may be null or missing")


class ObjectSchemaView(BaseModel):
    """Rows are JSON objects of these fields."""

    fields_: list[InputFieldView] = Field(alias="fields")


class RowSchemaView(BaseModel):
    """Rows are lists, tensors or single values."""

    type: ValueType
    shape: list[int] = Field(description="as of a field")


def _schema_view(schema: InputSchema | None) -> ObjectSchemaView | RowSchemaView | None:
    if schema is None:
        return None
    if schema.fields is None:
        return RowSchemaView(type=schema.type or "any", shape=list(schema.shape))
    views = [
        InputFieldView(name=field.name, type=field.type, shape=list(field.shape), optional=field.optional)
        for field in schema.fields
    ]
    return ObjectSchemaView(fields=views)


class VersionView(BaseModel):
    """A version of a model."""

    model: str
    version: str
    input_type: str
    artifact: str | None
    labels: list[str]
    container_image: str | None
    model_data_path: str | None
    n_replicas: int
    batch_size: int
    state: VersionState
    reason: str
    is_current: bool
    input_schema: ObjectSchemaView | RowSchemaView | None = Field(
        description="by which queries are checked; null: by the input type alone"
    )
    memory_limit_mb: int | None = Field(description="of each container, in MiB; null: as management is set")
    served_by: str = Field(description="what computes the outputs, as a container that was ready told it")
    notes: list[str] = Field(description="what that container had to tell of the model")
    created_at: datetime
    replicas: list[ReplicaView]

    @classmethod
    def of(cls, snapshot: Snapshot, version: Version) -> Self:
        key = (version.model, version.version)
        replicas = [r for r in snapshot.replicas.values() if (r.model, r.version) == key]
        model = snapshot.models.get(version.model)
        return cls(
            model=version.model,
            version=version.version,
            input_type=version.input_type.value,
            artifact=version.artifact,
            labels=list(version.labels),
            container_image=version.container_image,
            model_data_path=version.model_data_path,
            n_replicas=version.n_replicas,
            batch_size=version.batch_size,
            state=version.state,
            reason=version.reason,
            is_current=model is not None and model.current_version == version.version,
            input_schema=_schema_view(version.input_schema),
            memory_limit_mb=version.memory_limit_mb,
            served_by=version.served_by,
            notes=list(version.notes),
            created_at=version.created_at,
            replicas=[ReplicaView.of(replica) for replica in sorted(replicas, key=lambda r: r.replica_id)],
        )


class ArtifactView(BaseModel):
    """A stored model archive."""

    sha256: str
    size_bytes: int
    n_files: int

    @classmethod
    def of(cls, artifact: Artifact) -> Self:
        return cls(sha256=artifact.sha256, size_bytes=artifact.size_bytes, n_files=artifact.n_files)
