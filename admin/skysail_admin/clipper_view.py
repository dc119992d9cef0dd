"""Our records as the objects that `clipper_admin` returned, with our own fields beside Clipper's."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from skysail_admin.records import Application, Replica, Version

__all__ = ["application_view", "replica_view", "version_view"]


def application_view(application: Application) -> dict[str, Any]:
    return asdict(application) | {
        "links": [asdict(link) for link in application.links],
        "latency_slo_micros": application.slo_micros,
        "linked_models": [link.model for link in application.links],
    }


def version_view(version: Version) -> dict[str, Any]:
    return asdict(version) | {
        "model_name": version.model,
        "model_version": version.version,
        "labels": list(version.labels),
        "container_name": version.container_image,
        "is_current_version": version.is_current,
        "replicas": [asdict(replica) for replica in version.replicas],
    }


def replica_view(replica: Replica) -> dict[str, Any]:
    return asdict(replica) | {
        "model_id": f"{replica.model}:{replica.version}",
        "model_name": replica.model,
        "model_version": replica.version,
        "model_replica_id": replica.replica_id,
    }
