"""The client imports nothing of management, so its paths, parameters and bodies are held to management's OpenAPI
document here."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
import requests

from harness.canned_management import version_object
from harness.canned_server import Answer, Request, canned_server
from harness.management_server import ManagementServer
from harness.redis_server import RedisServer
from skysail_admin import Skysail

EVERYTHING: dict[str, Any] = {
    **version_object(
        "m", "1", state="ready", replicas=[{"model": "m", "version": "1", "replica_id": 0, "state": "ready"}]
    ),
    "items": [],
    "name": "m",
    "default_output": 0,
    "latency_slo_ms": 1.0,
    "links": [],
    "current_version": "1",
    "versions": ["1"],
}
"""Has every field that any answer has, so that one answer does for all."""


@pytest.fixture(scope="module")
def openapi() -> Iterator[dict[str, Any]]:
    with RedisServer() as redis, ManagementServer(redis.url, "--backend", "none") as management:
        document: dict[str, Any] = requests.get(f"{management.url}/openapi.json", timeout=10).json()
        yield document


def requests_of_every_method(folder: Path) -> list[Request]:
    (folder / "model.py").write_text("def predict(rows):\n    return rows\n")
    with canned_server() as server, Skysail(server.url, "http://127.0.0.1:9") as client:
        server.otherwise = Answer(200, EVERYTHING)
        client.register_application("a", "doubles", 0)
        client.update_application("a", default_output=1, slo_ms=5, fallback="m", priority="low", cache=False)
        client.get_all_apps(verbose=True)
        client.get_app_info("a")
        client.link_model_to_app("a", "m", "candidate", 0.5)
        client.unlink_model_from_app("a", "m")
        client.delete_application("a")
        client.register_model("m", 1, "doubles", "image")
        client.get_all_models(verbose=True)
        client.get_model_info("m", 1)
        client.set_model_version("m", 1, num_replicas=2)
        client.set_batching("m", "fixed", 64, 500)
        client.set_num_replicas("m", 2)
        client.stop_models(["m"])
        client.delete_model("m")
        client.delete_model("m", force=True)
        client.delete_model_version("m", 1, force=True)
        client.get_all_model_replicas()
        client.get_container_logs("m", 1, 0, tail=5)
        client.status()
        server.answers["GET", "/api/v1/models/m/versions/2"] = Answer(404, {"error": {"code": "not_found"}})
        server.answers["HEAD", f"/api/v1/artifacts/{sha256_of(folder)}"] = Answer(404)
        client.deploy_model("m", 2, "doubles", folder, wait=False)
        return server.requests


def sha256_of(folder: Path) -> str:
    from skysail_admin.packing.artifact import packed

    with packed(folder, "doubles") as artifact:
        return artifact.sha256


def operation_for(openapi: dict[str, Any], request: Request) -> dict[str, Any]:
    path = request.target.partition("?")[0]
    for template, operations in openapi["paths"].items():
        pattern = re.sub(r"\\\{[^/]+?\\\}", "[^/]+", re.escape(template))
        if re.fullmatch(pattern, path) and request.method.lower() in operations:
            found: dict[str, Any] = operations[request.method.lower()]
            return found
    raise AssertionError(f"management has no {request.method} {path}")


def body_schema(openapi: dict[str, Any], operation: dict[str, Any]) -> dict[str, Any]:
    schema: dict[str, Any] = operation["requestBody"]["content"]["application/json"]["schema"]
    if "$ref" in schema:
        found: dict[str, Any] = openapi["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
        return found
    return schema


def test_every_request_of_the_client_is_one_management_knows(openapi: dict[str, Any], tmp_path: Path) -> None:
    sent = requests_of_every_method(tmp_path)
    assert {request.method for request in sent} == {"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"}
    for request in sent:
        operation = operation_for(openapi, request)
        known = {parameter["name"] for parameter in operation.get("parameters", ()) if parameter["in"] == "query"}
        assert parse_qs(request.target.partition("?")[2]).keys() <= known, request


def test_every_body_of_the_client_has_the_fields_management_wants(openapi: dict[str, Any], tmp_path: Path) -> None:
    with_body = [r for r in requests_of_every_method(tmp_path) if r.headers.get("content-type") == "application/json"]
    assert len(with_body) >= 8
    for request in with_body:
        schema = body_schema(openapi, operation_for(openapi, request))
        assert request.json.keys() <= schema["properties"].keys(), request
        assert set(schema.get("required", ())) <= request.json.keys(), request
