"""What Clipper's clients send. Unknown fields are ignored, as Clipper ignores them."""

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

__all__ = [
    "AddApp",
    "AddModel",
    "ByAppName",
    "ByModelVersion",
    "ByName",
    "ByReplica",
    "GetState",
    "ModelLinks",
    "Verbosity",
]


def _version_text(value: Any) -> Any:
    """Old clients send versions as integers."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


VersionText = Annotated[str, BeforeValidator(_version_text)]


class _Body(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore", protected_namespaces=())


class AddApp(_Body):
    """An application; the default output is JSON text or, failing that, the string itself."""

    name: str = Field(examples=["tumours"])
    input_type: str = Field(examples=["doubles"])
    default_output: Any = Field(examples=["-1.0"])
    latency_slo_micros: int = Field(examples=[100_000])


class ByName(_Body):
    """An application by its name."""

    name: str


class ByAppName(_Body):
    """An application by its name."""

    app_name: str


class GetState(ByAppName):
    """The selection state of an application for a user."""

    uid: int = 0


class ModelLinks(ByAppName):
    """Models to link or unlink."""

    model_names: list[str]


class ByModelVersion(_Body):
    """A version of a model."""

    model_name: str
    model_version: VersionText


class ByReplica(ByModelVersion):
    """A replica of a version."""

    replica_id: int


class AddModel(ByModelVersion):
    """A version of a model that becomes current at once."""

    input_type: str
    labels: list[str] = Field(default_factory=list)
    container_name: str | None = None
    model_data_path: str | None = None
    batch_size: int = -1


class Verbosity(_Body):
    """Names, or whole objects."""

    verbose: bool = False
