"""What clients send to /api/v1. Shapes and types only: what a name or a number may be is the service layer's to say."""

from typing import Any

from msgspec import UNSET
from pydantic import BaseModel, ConfigDict, Field

from skysail_management.batching import BatchingAmendment
from skysail_management.records import BatchPolicy, InputType, LinkRole, Priority

__all__ = [
    "ApplicationChange",
    "BatchingChange",
    "CurrentVersion",
    "LinkRequest",
    "NewApplicationRequest",
    "NewVersionRequest",
    "Replicas",
]

_FALLBACK = "a model of the same input type, asked when the linked model has no room for a query"
_PRIORITY = "the application's standing among those that share a model"
_CACHE = "whether a prediction for equal input may be given again"
_INPUT_TYPES = f"one of {', '.join(InputType)}, or a name Clipper has for it"


class _Body(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")


class NewApplicationRequest(_Body):
    """An application to register."""

    name: str = Field(description="1 to 63 characters a-z, 0-9, '.', '_', '-'", examples=["tumours"])
    input_type: str = Field(description=_INPUT_TYPES, examples=["doubles"])
    default_output: Any = Field(description="any JSON: the answer when no prediction comes in time", examples=[-1.0])
    latency_slo_ms: float = Field(description="how long a query may take, up to an hour", examples=[100.0])
    fallback_model: str | None = Field(default=None, description=_FALLBACK, examples=["small"])
    priority: Priority = Field(default="normal", description=_PRIORITY)
    cache: bool = Field(default=True, description=_CACHE)


class ApplicationChange(_Body):
    """What to change of an application; what is left out stays."""

    default_output: Any = Field(default=None, description="any JSON", examples=[0.0])
    latency_slo_ms: float | None = Field(default=None, description="up to an hour", examples=[50.0])
    fallback_model: str | None = Field(default=None, description=f"{_FALLBACK}; null: none", examples=["small"])
    priority: Priority | None = Field(default=None, description=_PRIORITY, examples=["high"])
    cache: bool | None = Field(default=None, description=_CACHE, examples=[False])


class LinkRequest(_Body):
    """A model to link to an application."""

    model: str = Field(description="a model of the application's input type", examples=["forest"])
    role: LinkRole = Field(default="primary", description="what it is linked for")
    weight: float = Field(default=1.0, description="its share of the traffic among candidates")


class BatchingChange(_Body):
    """How rows are put into batches, for all versions of the model; what is left out stays."""

    batch_policy: BatchPolicy | None = Field(
        default=None,
        description="deadline (at first): as many rows as meet their deadlines; aimd: found by additive increase and "
        "multiplicative decrease; fixed: max_batch_rows",
        examples=["fixed"],
    )
    max_batch_rows: int | None = Field(
        default=None, description="1 to 4096: the size for fixed, else a cap; null: no cap", examples=[64]
    )
    batch_delay_micros: int | None = Field(
        default=None, description="0 to 1000000: how long a batch may wait for more rows", examples=[500]
    )

    def batching(self) -> BatchingAmendment:
        """What of it was said."""
        return BatchingAmendment(
            batch_policy=UNSET if self.batch_policy is None else self.batch_policy,
            max_batch_rows=self.max_batch_rows if "max_batch_rows" in self.model_fields_set else UNSET,
            batch_delay_micros=UNSET if self.batch_delay_micros is None else self.batch_delay_micros,
        )


class NewVersionRequest(BatchingChange):
    """A version of a model to deploy; the first one registers the model. The batching is the model's."""

    version: str = Field(description="immutable once registered", examples=["1"])
    input_type: str = Field(description=_INPUT_TYPES, examples=["doubles"])
    artifact: str | None = Field(default=None, description="the sha256 of an uploaded archive", examples=["0" * 64])
    labels: list[str] = Field(default_factory=list, description="free texts", examples=[["nightly"]])
    n_replicas: int = Field(default=1, description="containers to keep running")
    batch_size: int = Field(default=-1, description="rows per batch; -1: found by the scheduler")
    memory_limit_mb: int | None = Field(
        default=None, description="of each container, in MiB; null: as management is set", examples=[2048]
    )
    container_image: str | None = Field(default=None, description="for backends that run images")
    model_data_path: str | None = Field(default=None, description="where the model came from; kept as it is")


class Replicas(_Body):
    """A number of replicas to keep running."""

    n_replicas: int = Field(description="0 stops the version", examples=[2])


class CurrentVersion(_Body):
    """The version that should answer."""

    version: str = Field(description="a version of this model", examples=["1"])
