"""The registry's records as Clipper's clients know them."""

from typing import Any

import msgspec

from skysail_management.records import Application, Replica, Snapshot, Version

__all__ = ["application_object", "container_object", "default_output_of", "model_object"]


def default_output_of(value: Any) -> Any:
    """Clipper's default output is a string: taken as JSON if it is JSON text, else as it is."""
    if not isinstance(value, str):
        return value
    try:
        return msgspec.json.decode(value.encode())
    except (ValueError, RecursionError):
        return value


def application_object(application: Application) -> dict[str, Any]:
    output = application.default_output
    return {
        "name": application.name,
        "input_type": application.input_type.value,
        "default_output": output if isinstance(output, str) else msgspec.json.encode(output).decode(),
        "latency_slo_micros": application.latency_slo_micros,
        "linked_models": [link.model for link in application.links],
    }


def model_object(snapshot: Snapshot, version: Version) -> dict[str, Any]:
    model = snapshot.models.get(version.model)
    return {
        "model_name": version.model,
        "model_version": version.version,
        "input_type": version.input_type.value,
        "labels": list(version.labels),
        "container_name": version.container_image or "",
        "model_data_path": version.model_data_path or "",
        "is_current_version": model is not None and model.current_version == version.version,
    }


def container_object(snapshot: Snapshot, replica: Replica) -> dict[str, Any]:
    version = snapshot.versions.get((replica.model, replica.version))
    return {
        "model_id": f"{replica.model}:{replica.version}",
        "model_name": replica.model,
        "model_version": replica.version,
        "model_replica_id": replica.replica_id,
        "input_type": "" if version is None else version.input_type.value,
    }
