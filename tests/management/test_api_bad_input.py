"""What bad input gets from every route that takes any: a 4xx that names the field, and nothing half-written."""

import hashlib
import json
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.redis_server import RedisServer
from skysail_management.api.guard import MAX_BODY_BYTES
from skysail_management.store import Registry

APP = {"name": "app", "input_type": "doubles", "default_output": 0, "latency_slo_ms": 100}
NEW = APP | {"name": "new"}
VERSION = {"version": "1", "input_type": "doubles", "n_replicas": 0}
SECOND = VERSION | {"version": "2"}

ROUTES = [
    ("POST", "/api/v1/applications"),
    ("PATCH", "/api/v1/applications/app"),
    ("POST", "/api/v1/applications/app/links"),
    ("POST", "/api/v1/models/m/versions"),
    ("PATCH", "/api/v1/models/m"),
    ("PATCH", "/api/v1/models/m/versions/1"),
    ("PUT", "/api/v1/models/m/current"),
]
CLIPPER_ROUTES = [
    ("POST", f"/admin/{name}")
    for name in (
        "add_app",
        "delete_app",
        "add_model",
        "delete_versioned_model",
        "set_model_version",
        "add_model_links",
        "delete_model_links",
        "get_all_applications",
        "get_application",
        "get_linked_models",
        "get_all_models",
        "get_model",
        "get_all_containers",
        "get_container",
        "get_state",
    )
]

NO_BODIES = [
    b"",
    b"{",
    b"\xff\xfe\x00",
    b"[]",
    b"1",
    b'"text"',
    b"null",
    b"[" * 100_000,
    b'{"name": ' * 20_000,
]


@pytest.fixture(autouse=True)
async def existing(client: httpx.AsyncClient) -> None:
    """An application, a model and a version to be wronged."""
    assert (await client.post("/api/v1/applications", json=APP)).status_code == 201
    assert (await client.post("/api/v1/models/m/versions", json=VERSION)).status_code == 201


def error_of(answer: httpx.Response) -> Any:
    error = answer.json()["error"]
    assert error.keys() == {"code", "message", "field"}
    return error


async def test_a_body_that_is_no_json_object_is_a_400(client: httpx.AsyncClient, registry: Registry) -> None:
    for method, path in ROUTES:
        for body in NO_BODIES:
            answer = await client.request(method, path, content=body)
            assert answer.status_code == 400, (method, path, body[:30], answer.text)
            assert error_of(answer)["code"] == "invalid"
    assert await revision(registry) == 2


async def test_clippers_routes_answer_bad_bodies_with_a_text(client: httpx.AsyncClient, registry: Registry) -> None:
    for method, path in CLIPPER_ROUTES:
        for body in NO_BODIES:
            answer = await client.request(method, path, content=body)
            assert answer.status_code == 400, (method, path, body[:30], answer.text)
            assert answer.headers["content-type"].startswith("text/plain")
    assert await revision(registry) == 2


async def revision(registry: Registry) -> int:
    snapshot = await registry.snapshot()
    assert snapshot is not None
    return snapshot.revision


APPS, LINKS, VERSIONS = "/api/v1/applications", "/api/v1/applications/app/links", "/api/v1/models/m/versions"
APP_PATH, MODEL = "/api/v1/applications/app", "/api/v1/models/m"
ANSWERS: list[tuple[str, str, Any, int, str | None, str]] = [
    ("POST", APPS, APP | {"name": 5}, 400, "name", "name: expected a valid string, got 5"),
    ("POST", APPS, APP | {"name": "A b"}, 400, "name", "Invalid application name supplied: A b"),
    ("POST", APPS, APP | {"name": "x" * 5000}, 400, "name", "Invalid application name"),
    ("POST", APPS, {"name": "a"}, 400, "input_type", "input_type: expected a value, got none"),
    ("POST", APPS, APP | {"slo": 1}, 400, "slo", "slo: expected no such field"),
    ("POST", APPS, APP | {"input_type": "x"}, 400, "input_type", "expected one of integers, "),
    (
        "POST",
        APPS,
        APP | {"latency_slo_ms": "5"},
        400,
        "latency_slo_ms",
        "a valid number, got '5'",
    ),
    ("POST", APPS, APP | {"latency_slo_ms": True}, 400, "latency_slo_ms", "got True"),
    ("POST", APPS, APP | {"latency_slo_ms": 0}, 400, "latency_slo_ms", "more than 0"),
    ("POST", APPS, APP | {"latency_slo_ms": -1}, 400, "latency_slo_ms", "got -1.0 ms"),
    ("POST", APPS, APP | {"latency_slo_ms": 1e-5}, 400, "latency_slo_ms", "more than 0"),
    ("POST", APPS, APP | {"latency_slo_ms": 3.7e6}, 400, "latency_slo_ms", "at most one hour"),
    ("POST", APPS, APP | {"latency_slo_ms": 1e308}, 400, "latency_slo_ms", "at most one hour"),
    ("POST", APPS, APP | {"default_output": "x" * 70_000}, 413, "default_output", "65536 bytes"),
    ("POST", APPS, APP, 409, "name", "application 'app' already exists"),
    ("PATCH", "/api/v1/applications/app", {"latency_slo_ms": 0}, 400, "latency_slo_ms", "more than 0"),
    ("PATCH", "/api/v1/applications/app", {"name": "b"}, 400, "name", "no such field"),
    ("POST", APPS, NEW | {"fallback_model": "none"}, 404, "fallback_model", "No model with name 'none' exists."),
    ("POST", APPS, NEW | {"fallback_model": "M" * 5000}, 400, "fallback_model", "Invalid model name supplied: MMM"),
    ("POST", APPS, NEW | {"fallback_model": 5}, 400, "fallback_model", "a valid string, got 5"),
    (
        "POST",
        APPS,
        NEW | {"input_type": "strings", "fallback_model": "m"},
        409,
        "fallback_model",
        "expected a model with the application's input_type 'strings', got 'm' with 'doubles'",
    ),
    ("POST", APPS, NEW | {"priority": "urgent"}, 400, "priority", "'high', 'normal' or 'low', got 'urgent'"),
    ("POST", APPS, NEW | {"priority": None}, 400, "priority", "'high', 'normal' or 'low', got None"),
    ("POST", APPS, NEW | {"cache": "no"}, 400, "cache", "a valid boolean, got 'no'"),
    ("POST", APPS, NEW | {"cache": 1}, 400, "cache", "a valid boolean, got 1"),
    ("PATCH", APP_PATH, {"fallback_model": "none"}, 404, "fallback_model", "No model with name 'none' exists."),
    ("PATCH", APP_PATH, {"fallback_model": ["m"]}, 400, "fallback_model", "a valid string, got ['m']"),
    ("PATCH", APP_PATH, {"priority": "HIGH"}, 400, "priority", "'high', 'normal' or 'low', got 'HIGH'"),
    ("PATCH", APP_PATH, {"cache": "true"}, 400, "cache", "a valid boolean, got 'true'"),
    ("PATCH", MODEL, {"batch_policy": "greedy"}, 400, "batch_policy", "'deadline', 'aimd' or 'fixed', got 'greedy'"),
    ("PATCH", MODEL, {"batch_policy": "fixed"}, 400, "max_batch_rows", "which batch_policy 'fixed' needs, got none"),
    ("PATCH", MODEL, {"max_batch_rows": 0}, 400, "max_batch_rows", "expected 1 to 4096, got 0"),
    ("PATCH", MODEL, {"max_batch_rows": 4_097}, 400, "max_batch_rows", "expected 1 to 4096, got 4097"),
    ("PATCH", MODEL, {"max_batch_rows": 1.5}, 400, "max_batch_rows", "a valid integer, got 1.5"),
    ("PATCH", MODEL, {"max_batch_rows": True}, 400, "max_batch_rows", "a valid integer, got True"),
    ("PATCH", MODEL, {"batch_delay_micros": -1}, 400, "batch_delay_micros", "expected 0 to 1000000, got -1"),
    (
        "PATCH",
        MODEL,
        {"batch_delay_micros": 10**6 + 1},
        400,
        "batch_delay_micros",
        "0 to 1000000, got 1000001",
    ),
    ("PATCH", MODEL, {"batch_delay_micros": "5"}, 400, "batch_delay_micros", "a valid integer, got '5'"),
    ("PATCH", MODEL, {"input_type": "strings"}, 400, "input_type", "no such field"),
    ("PATCH", "/api/v1/models/none", {"batch_policy": "aimd"}, 404, "name", "No model with name 'none' exists."),
    ("POST", VERSIONS, SECOND | {"batch_policy": "greedy"}, 400, "batch_policy", "'deadline', 'aimd' or 'fixed'"),
    ("POST", VERSIONS, SECOND | {"batch_policy": "fixed"}, 400, "max_batch_rows", "expected 1 to 4096, which"),
    ("POST", VERSIONS, SECOND | {"max_batch_rows": -1}, 400, "max_batch_rows", "expected 1 to 4096, got -1"),
    ("POST", VERSIONS, SECOND | {"batch_delay_micros": -1}, 400, "batch_delay_micros", "expected 0 to 1000000"),
    ("PATCH", "/api/v1/applications/none", {}, 404, "name", "Application 'none' does not exist"),
    ("POST", LINKS, {"model": "none"}, 404, "model", "No model with name 'none'"),
    ("POST", "/api/v1/applications/none/links", {"model": "m"}, 404, "name", "No app with name 'none' exists."),
    (
        "POST",
        LINKS,
        {"model": "m", "role": "x"},
        400,
        "role",
        "role: expected 'primary'",
    ),
    ("POST", LINKS, {"model": "m", "weight": -1}, 400, "weight", "expected 0 to 1e+06"),
    ("POST", VERSIONS, VERSION, 409, "version", "and version '1' already exists"),
    ("POST", "/api/v1/models/M/versions", VERSION, 400, "model", "Invalid model name supplied: M"),
    ("POST", VERSIONS, VERSION | {"version": "a b"}, 400, "version", "Invalid version name"),
    ("POST", VERSIONS, VERSION | {"version": 1}, 400, "version", "a valid string, got 1"),
    (
        "POST",
        VERSIONS,
        VERSION | {"version": "2", "input_type": "strings"},
        409,
        "input_type",
        "incompatible",
    ),
    (
        "POST",
        VERSIONS,
        VERSION | {"version": "2", "artifact": "0" * 64},
        404,
        "artifact",
        "upload it",
    ),
    (
        "POST",
        VERSIONS,
        VERSION | {"version": "2", "artifact": "../../x"},
        404,
        "artifact",
        "upload it",
    ),
    ("POST", VERSIONS, VERSION | {"n_replicas": 1.5}, 400, "n_replicas", "a valid integer"),
    (
        "POST",
        VERSIONS,
        VERSION | {"version": "2", "n_replicas": 999},
        400,
        "n_replicas",
        "0 to 256",
    ),
    (
        "POST",
        VERSIONS,
        VERSION | {"version": "2", "batch_size": 0},
        400,
        "batch_size",
        "-1 (auto",
    ),
    ("POST", VERSIONS, VERSION | {"labels": [1]}, 400, "labels.0", "a valid string, got 1"),
    ("PATCH", "/api/v1/models/m/versions/1", {"n_replicas": -1}, 400, "n_replicas", "0 to 256, got -1"),
    ("PATCH", "/api/v1/models/m/versions/2", {"n_replicas": 1}, 404, "version", "does not exist"),
    ("PUT", "/api/v1/models/m/current", {"version": "2"}, 404, "version", "Cannot set non-existent version '2'"),
    ("PUT", "/api/v1/models/x/current", {"version": "1"}, 404, "version", "for model with name 'x'"),
    ("DELETE", "/api/v1/models/x", None, 404, "name", "No model with name 'x' exists."),
    ("DELETE", "/api/v1/models/m/versions/2", None, 404, "version", "does not exist"),
    ("DELETE", "/api/v1/models/m?force=perhaps", None, 400, "force", "a valid boolean"),
    ("DELETE", "/api/v1/applications/x", None, 404, "name", "Application 'x' does not exist"),
    ("DELETE", "/api/v1/applications/app/links/m", None, 404, "model", "is not linked to 'app'"),
    ("GET", "/api/v1/replicas/m/1/0/logs", None, 404, None, "There is no replica 0"),
    ("GET", "/api/v1/replicas/m/1/x/logs", None, 400, "replica_id", "a valid integer"),
    ("GET", "/api/v1/replicas/../../..%2f/1/0/logs", None, 404, None, "There is no route"),
    ("GET", "/nowhere", None, 404, None, "There is no route GET /nowhere"),
    ("POST", "/healthz", None, 405, None, "Method Not Allowed"),
    ("PUT", "/api/v1/artifacts/xyz", None, 400, "sha256", "expected 64 characters"),
]
"""Method, path and body; status, field and a part of the message."""


async def test_the_answer_names_the_field_what_was_expected_and_what_came(
    client: httpx.AsyncClient, registry: Registry
) -> None:
    for method, path, body, status, field, text in ANSWERS:
        options = {} if body is None else {"json": body}
        answer = await client.request(method, path, **options)
        assert answer.status_code == status, (method, path, body, answer.text)
        error = error_of(answer)
        assert error["field"] == field, (method, path, body, error)
        assert text in error["message"]
        assert len(error["message"]) < 400
        assert await revision(registry) == 2, (method, path, body)


async def test_a_default_output_that_json_clients_cannot_read_is_a_400(client: httpx.AsyncClient) -> None:
    for output in ("NaN", "-Infinity", '{"a":[1e999]}', '"\\ud800"'):
        body = json.dumps(APP | {"name": "b"}).replace('"default_output": 0', f'"default_output": {output}')
        answer = await client.post("/api/v1/applications", content=body)
        assert answer.status_code == 400, answer.text
        assert error_of(answer)["field"] == "default_output"


async def test_a_huge_body_is_a_413_and_the_connection_ends(client: httpx.AsyncClient) -> None:
    for path in ("/api/v1/applications", "/admin/add_app", "/nowhere"):
        answer = await client.post(path, content=b"x" * (MAX_BODY_BYTES + 1))
        assert answer.status_code == 413
        assert answer.headers["connection"] == "close"


async def test_a_huge_artifact_is_a_413(client: httpx.AsyncClient) -> None:
    body = b"x" * ((4 << 20) + 1)
    path = f"/api/v1/artifacts/{hashlib.sha256(body).hexdigest()}"

    async def pieces() -> Any:
        for start in range(0, len(body), 1 << 16):
            yield body[start : start + (1 << 16)]

    for content in (body, pieces()):
        answer = await client.put(path, content=content)
        assert answer.status_code == 413
        assert error_of(answer)["code"] == "too_large"


async def test_a_redis_that_lost_its_data_is_a_503_that_says_what_to_do(
    client: httpx.AsyncClient, redis_server: RedisServer
) -> None:
    redis_server.wipe()
    for answer in (await client.get("/api/v1/models"), await client.post("/api/v1/applications", json=APP)):
        assert answer.status_code == 503
        assert "restart management to begin a new registry" in error_of(answer)["message"]


async def test_hostile_archives_are_a_400_and_leave_nothing(client: httpx.AsyncClient) -> None:
    for body in (b"", b"PK\x05\x06" + b"\xff" * 18, b"rubbish" * 1000):
        path = f"/api/v1/artifacts/{hashlib.sha256(body).hexdigest()}"
        answer = await client.put(path, content=body)
        assert answer.status_code == 400, answer.text
        assert error_of(answer)["field"] == "artifact"
        assert (await client.head(path)).status_code == 404


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
FIELDS = st.sampled_from(
    (
        *("name", "input_type", "default_output", "latency_slo_ms", "latency_slo_micros", "version", "n_replicas"),
        *("artifact", "labels", "batch_size", "model", "role", "weight", "app_name", "model_name", "model_version"),
        *("model_names", "verbose", "uid", "replica_id", "fallback_model", "priority", "cache"),
        *("batch_policy", "max_batch_rows", "batch_delay_micros"),
    )
)


async def test_no_json_object_makes_a_fault(client: httpx.AsyncClient) -> None:
    drawn: list[tuple[tuple[str, str], str]] = []

    @settings(max_examples=150, deadline=None, database=None)
    @given(st.sampled_from(ROUTES + CLIPPER_ROUTES), st.dictionaries(FIELDS, JSON, max_size=6))
    def draw(route: tuple[str, str], body: dict[str, Any]) -> None:
        drawn.append((route, json.dumps(body)))

    draw()
    for (method, path), body in drawn:
        answer = await client.request(method, path, content=body)
        assert answer.status_code in (200, 201, 400, 404, 409, 413), (method, path, body, answer.text)
