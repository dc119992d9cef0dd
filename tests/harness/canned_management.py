"""As much of management's API as a deployment needs, over a canned server: for errors that are hard to bring about."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from harness.canned_server import Answer, CannedServer, Request, canned_server

__all__ = ["CannedManagement", "canned_management", "version_object"]

NOT_FOUND = Answer(404, {"error": {"code": "not_found", "message": "there is none", "field": None}})


def version_object(model: str, version: str, **changes: Any) -> dict[str, Any]:
    return {
        "model": model,
        "version": version,
        "input_type": "doubles",
        "artifact": None,
        "labels": [],
        "n_replicas": 1,
        "batch_size": -1,
        "state": "starting",
        "reason": "",
        "is_current": False,
        "replicas": [],
        **changes,
    }


def ready_replica(model: str, version: str) -> dict[str, Any]:
    return {"model": model, "version": version, "replica_id": 0, "state": "ready", "address": "unix:/x", "restarts": 0}


@dataclass
class CannedManagement:
    """`outcomes`: the states a version shows, one per look, the last for ever; behind a colon the reason."""

    server: CannedServer
    model: str
    outcomes: list[str]
    uploads: dict[str, bytes] = field(default_factory=dict)
    versions: dict[str, dict[str, Any]] = field(default_factory=dict)
    logs: str = ""

    def install(self, version: str) -> None:
        root = f"/api/v1/models/{self.model}/versions"
        answers = self.server.answers
        answers["POST", root] = self._create
        answers["GET", f"{root}/{version}"] = lambda request: self._look(version)
        answers["DELETE", f"{root}/{version}"] = lambda request: self._delete(version)
        answers["GET", "/api/v1/replicas"] = Answer(200, {"items": [ready_replica(self.model, version)]})
        answers["GET", f"/api/v1/replicas/{self.model}/{version}/0/logs"] = lambda request: Answer(200, self.logs)

    def take_artifact(self, sha256: str) -> None:
        path = f"/api/v1/artifacts/{sha256}"
        self.server.answers["HEAD", path] = lambda request: Answer(200 if sha256 in self.uploads else 404)
        self.server.answers["PUT", path] = lambda request: self._upload(sha256, request)

    def _upload(self, sha256: str, request: Request) -> Answer:
        assert hashlib.sha256(request.body).hexdigest() == sha256
        self.uploads[sha256] = request.body
        return Answer(201, {"sha256": sha256, "size_bytes": len(request.body), "n_files": 1})

    def _create(self, request: Request) -> Answer:
        body = request.json
        self.versions[body["version"]] = version_object(self.model, body["version"], artifact=body["artifact"])
        return Answer(201, self.versions[body["version"]])

    def _look(self, version: str) -> Answer:
        found = self.versions.get(version)
        if found is None:
            return NOT_FOUND
        outcome = self.outcomes.pop(0) if len(self.outcomes) > 1 else self.outcomes[0]
        found["state"], _, found["reason"] = outcome.partition(": ")
        found["replicas"] = [ready_replica(self.model, version)] if found["state"] == "ready" else []
        return Answer(200, found)

    def _delete(self, version: str) -> Answer:
        return Answer(204) if self.versions.pop(version, None) else NOT_FOUND


@contextmanager
def canned_management(model: str, version: str, *outcomes: str) -> Iterator[CannedManagement]:
    with canned_server() as server:
        management = CannedManagement(server, model, list(outcomes))
        management.install(version)
        yield management
