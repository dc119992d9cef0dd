"""What clients send to /api/v1. Shapes and types only: what a name or a number may be is the service layer's to say."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from skysail_management.records import InputType

__all__ = [
    "ApplicationChange",
    "CurrentVersion",
    "LinkRequest",
    "NewApplicationRequest",
    "NewVersionRequest",
    "Replicas",
]

_INPUT_TYPES = f"one of {', '.join(InputType)}, or a name Clipper has for it"


class _Body(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")


class NewApplicationRequest(_Body):
    """An application to register."""

    name: str = Field(description="1 to 63 characters a-z, 0-9, '.', '_', '-'", examples=["tumours"])
    input_type: str = Field(description=_INPUT_TYPES, examples=["doubles"])
    default_output: Any = Field(description="any JSON: the answer when no prediction comes in time", examples=[-1.0])
    latency_slo_ms: float = Field(description="how long a query may take, up to an hour", examples=[100.0])


class ApplicationChange(_Body):
    """What to change of an application; what is left out stays."""

    default_output: Any = Field(default=None, description="any JSON", examples=[0.0])
    latency_slo_ms: float | None = Field(default=None, description="up to an hour", examples=[50.0])


class LinkRequest(_Body):
    """A model to link to an application."""

    model: str = Field(description="a model of the application's input type", examples=["forest"])
    role: Literal["primary", "candidate", "shadow"] = Field(default="primary", description="what it is linked for")
    weight: float = Field(default=1.0, description="its share of the traffic among candidates")


class NewVersionRequest(_Body):
    """A version of a model to deploy; the first one registers the model."""

    version: str = Field(description="immutable once registered", examples=["1"])
    input_type: str = Field(description=_INPUT_TYPES, examples=["doubles"])
    artifact: str | None = Field(default=None, description="the sha256 of an uploaded archive", examples=["0" * 64])
    labels: list[str] = Field(default_factory=list, description="free texts", examples=[["nightly"]])
    n_replicas: int = Field(default=1, description="containers to keep running")
    batch_size: int = Field(default=-1, description="rows per batch; -1: found by the scheduler")
    container_image: str | None = Field(default=None, description="for backends that run images")
    model_data_path: str | None = Field(default=None, description="where the model came from; kept as it is")


class Replicas(_Body):
    """A number of replicas to keep running."""

    n_replicas: int = Field(description="0 stops the version", examples=[2])


class CurrentVersion(_Body):
    """The version that should answer."""

    version: str = Field(description="a version of this model", examples=["1"])
