"""Our resource API, route by route."""

import asyncio
import json
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from redis.asyncio import Redis

from harness.model_archives import SUM_MODEL, archive_of, model_archive
from harness.redis_server import RedisServer
from harness.registry_samples import a_model, a_replica, a_version
from skysail_management import keys
from skysail_management.container_log import ContainerLogs
from skysail_management.reconciler import RegistryCopy
from skysail_management.records import Entry, PredictionRecord
from skysail_management.store import Registry

APP = {"name": "app", "input_type": "doubles", "default_output": {"a": [1, None]}, "latency_slo_ms": 20.5}
ARCHIVE = model_archive()


async def ok(answer: Any, status: int = 200) -> Any:
    response = await answer
    assert response.status_code == status, response.text
    return response.json() if response.content else None


async def deploy(client: httpx.AsyncClient, version: str = "1", model: str = "m", **facts: Any) -> Any:
    body = {"version": version, "input_type": "doubles", "n_replicas": 0, **facts}
    return await ok(client.post(f"/api/v1/models/{model}/versions", json=body), 201)


async def test_an_application_from_registration_to_deletion(client: httpx.AsyncClient) -> None:
    created = await ok(client.post("/api/v1/applications", json=APP), 201)
    defaults = {"fallback_model": None, "priority": "normal", "cache": True}
    assert created == APP | defaults | {"links": [], "created_at": created["created_at"]}
    assert await ok(client.get("/api/v1/applications")) == {"items": [created]}
    assert await ok(client.get("/api/v1/applications/app")) == created
    changed = await ok(client.patch("/api/v1/applications/app", json={"latency_slo_ms": 5}))
    assert changed == created | {"latency_slo_ms": 5.0}
    changed = await ok(client.patch("/api/v1/applications/app", json={"default_output": None}))
    assert changed["default_output"] is None
    await ok(client.delete("/api/v1/applications/app"), 204)
    assert await ok(client.get("/api/v1/applications")) == {"items": []}
    await ok(client.get("/api/v1/applications/app"), 404)


async def test_an_application_with_a_fallback_a_priority_and_no_cache(
    client: httpx.AsyncClient, registry: Registry
) -> None:
    await deploy(client, model="small")
    given = {"fallback_model": "small", "priority": "high", "cache": False}
    created = await ok(client.post("/api/v1/applications", json=APP | given), 201)
    assert created == APP | given | {"links": [], "created_at": created["created_at"]}
    changed = await ok(client.patch("/api/v1/applications/app", json={"priority": "low", "cache": True}))
    assert changed == created | {"priority": "low", "cache": True}
    snapshot = await registry.snapshot()
    assert await ok(client.patch("/api/v1/applications/app", json={"priority": "low", "fallback_model": "small"}))
    assert await registry.snapshot() == snapshot, "the same again writes nothing"
    changed = await ok(client.patch("/api/v1/applications/app", json={"fallback_model": None}))
    assert changed == created | {"priority": "low", "cache": True, "fallback_model": None}
    assert await ok(client.get("/api/v1/applications")) == {"items": [changed]}


async def test_a_models_batching(client: httpx.AsyncClient, registry: Registry) -> None:
    await deploy(client, batch_policy="aimd", max_batch_rows=64)
    model = await ok(client.get("/api/v1/models/m"))
    batching = {"batch_policy": "aimd", "max_batch_rows": 64, "batch_delay_micros": 0}
    assert model | batching == model
    changed = await ok(client.patch("/api/v1/models/m", json={"batch_policy": "fixed", "batch_delay_micros": 500}))
    assert changed == model | {"batch_policy": "fixed", "batch_delay_micros": 500}
    snapshot = await registry.snapshot()
    assert await ok(client.patch("/api/v1/models/m", json={"batch_policy": "fixed"})) == changed
    assert await registry.snapshot() == snapshot, "the same again writes nothing"
    changed = await ok(client.patch("/api/v1/models/m", json={"batch_policy": "deadline", "max_batch_rows": None}))
    assert changed == model | {"batch_policy": "deadline", "max_batch_rows": None, "batch_delay_micros": 500}
    assert await ok(client.get("/api/v1/models")) == {"items": [changed]}


async def test_records_of_an_earlier_release_are_read_and_changed(
    client: httpx.AsyncClient, redis_server: RedisServer, registry: Registry
) -> None:
    application = {
        "name": "app",
        "input_type": "doubles",
        "default_output": 0,
        "latency_slo_micros": 20_500,
        "links": [{"model": "m", "role": "primary", "weight": 1.0}],
        "created_at": "2026-01-01T12:00:00Z",
        "schema": 1,
    }
    model = {"name": "m", "input_type": "doubles", "created_at": "2026-01-01T12:00:00Z", "schema": 1}
    async with Redis.from_url(redis_server.url) as redis:
        await redis.hset(keys.RECORDS["application"], "app", json.dumps(application))
        await redis.hset(keys.RECORDS["model"], "m", json.dumps(model))
    shown = await ok(client.get("/api/v1/applications/app"))
    assert (shown["fallback_model"], shown["priority"], shown["cache"]) == (None, "normal", True)
    shown = await ok(client.get("/api/v1/models/m"))
    assert (shown["batch_policy"], shown["max_batch_rows"], shown["batch_delay_micros"]) == ("deadline", None, 0)
    assert (await ok(client.patch("/api/v1/applications/app", json={"priority": "high"})))["priority"] == "high"
    await ok(client.patch("/api/v1/models/m", json={"batch_delay_micros": 7}))
    snapshot = await registry.snapshot()
    assert snapshot is not None
    assert (snapshot.applications["app"].priority, snapshot.models["m"].batch_delay_micros) == ("high", 7)


async def test_a_fallback_is_deleted_by_force_only(client: httpx.AsyncClient) -> None:
    await deploy(client)
    await ok(client.post("/api/v1/applications", json=APP | {"fallback_model": "m"}), 201)
    for path in ("/api/v1/models/m", "/api/v1/models/m/versions/1"):
        error = (await ok(client.delete(path), 409))["error"]
        assert error["code"] == "in_use"
        assert "the fallback of 'app'" in error["message"]
    await ok(client.delete("/api/v1/models/m?force=true"), 204)
    assert (await ok(client.get("/api/v1/applications/app")))["fallback_model"] is None


async def test_links_with_roles_and_weights(client: httpx.AsyncClient) -> None:
    await ok(client.post("/api/v1/applications", json=APP), 201)
    await deploy(client, model="a")
    await deploy(client, model="b")
    await ok(client.post("/api/v1/applications/app/links", json={"model": "a"}), 201)
    body = {"model": "b", "role": "candidate", "weight": 0.1}
    linked = await ok(client.post("/api/v1/applications/app/links", json=body), 201)
    assert linked["links"] == [{"model": "a", "role": "primary", "weight": 1.0}, body]
    await ok(client.delete("/api/v1/applications/app/links/a"), 204)
    assert (await ok(client.get("/api/v1/applications/app")))["links"] == [body]


async def test_a_version_from_deployment_to_deletion(client: httpx.AsyncClient, registry: Registry) -> None:
    assert (await client.head(f"/api/v1/artifacts/{ARCHIVE.sha256}")).status_code == 404
    stored = await ok(client.put(f"/api/v1/artifacts/{ARCHIVE.sha256}", content=ARCHIVE.body), 201)
    assert stored == {"sha256": ARCHIVE.sha256, "size_bytes": len(ARCHIVE.body), "n_files": 1}
    assert await ok(client.put(f"/api/v1/artifacts/{ARCHIVE.sha256}", content=ARCHIVE.body)) == stored
    assert (await client.head(f"/api/v1/artifacts/{ARCHIVE.sha256}")).status_code == 200
    downloaded = await client.get(f"/api/v1/artifacts/{ARCHIVE.sha256}")
    assert (downloaded.content, downloaded.headers["content-type"]) == (ARCHIVE.body, "application/zip")
    version = await deploy(client, artifact=ARCHIVE.sha256, labels=["x"], batch_size=7, n_replicas=1)
    await registry.transact(lambda _: [Entry.put(a_replica())])
    shown = await ok(client.get("/api/v1/models/m/versions/1"))
    (replica,) = shown["replicas"]
    assert shown == version | {"replicas": [replica]}
    assert await ok(client.get("/api/v1/replicas")) == {"items": [replica]}
    assert replica | {"since": ""} == {
        "model": "m",
        "version": "1",
        "replica_id": 0,
        "address": "unix:/nowhere",
        "state": "ready",
        "restarts": 0,
        "reason": "",
        "pid": None,
        "since": "",
    }
    scaled = await ok(client.patch("/api/v1/models/m/versions/1", json={"n_replicas": 3}))
    assert scaled["n_replicas"] == 3
    await ok(client.delete("/api/v1/models/m/versions/1"), 204)
    await ok(client.get("/api/v1/models/m"), 404)
    assert (await client.head(f"/api/v1/artifacts/{ARCHIVE.sha256}")).status_code == 404
    assert await ok(client.get("/api/v1/replicas")) == {"items": []}


async def upload(client: httpx.AsyncClient, manifest: Any) -> str:
    """The name of a stored artifact with this manifest; bytes are written as they are."""
    text = manifest if isinstance(manifest, bytes) else json.dumps(manifest).encode()
    archive = archive_of({"model.py": SUM_MODEL, "skysail.json": text})
    await ok(client.put(f"/api/v1/artifacts/{archive.sha256}", content=archive.body), 201)
    return archive.sha256


async def test_a_version_has_the_schema_that_its_artifact_brings(client: httpx.AsyncClient) -> None:
    scan = {"name": "scan", "type": "number", "shape": [2, -1], "optional": True}
    schema = {"fields": [{"name": "age", "type": "integer"}, scan]}
    artifact = await upload(client, {"input_schema": schema, "warm_up_rows": [float("nan")]})
    version = await deploy(client, input_type="json", artifact=artifact, memory_limit_mb=512)
    shown = await ok(client.get("/api/v1/models/m/versions/1"))
    assert shown == version
    assert shown["input_schema"] == {
        "fields": [{"name": "age", "type": "integer", "shape": [], "optional": False}, scan]
    }
    assert (shown["served_by"], shown["notes"], shown["memory_limit_mb"]) == ("", [], 512)
    numbers = {"type": "number", "shape": [3]}
    version = await deploy(client, "2", "n", artifact=await upload(client, {"input_schema": numbers}))
    assert version["input_schema"] == numbers
    for model, manifest in (("o", {}), ("p", {"input_schema": None})):
        version = await deploy(client, "1", model, artifact=await upload(client, manifest))
        assert (version["input_schema"], version["memory_limit_mb"]) == (None, None)


async def test_what_a_container_told_of_its_model_is_shown(client: httpx.AsyncClient, registry: Registry) -> None:
    record = a_version(served_by="onnxruntime 1.31", notes=("labels equal on 256 rows",))
    await registry.transact(lambda _: [Entry.put(a_model()), Entry.put(record)])
    shown = await ok(client.get("/api/v1/models/m/versions/1"))
    assert (shown["served_by"], shown["notes"]) == ("onnxruntime 1.31", ["labels equal on 256 rows"])


@pytest.mark.parametrize(
    ("input_type", "schema", "field", "text"),
    [
        ("json", {"fields": [{"name": "a", "type": "int"}]}, ".fields[0].type", "expected one of integer, number, "),
        ("json", {"fields": [{"name": "a", "type": "any"}] * 2}, "", "fields: 'a' is there twice"),
        ("json", {"fields": [{"name": 'a"', "type": "any"}]}, ".fields[0].name", "none of them a quotation mark"),
        ("json", {"fields": [{"name": "a" * 257, "type": "any"}]}, ".fields[0].name", "expected up to 256 characters"),
        ("json", {"fields": [{"type": "any"}]}, ".fields[0]", "object missing required field `name`"),
        ("json", {"fields": [{"name": "a", "type": "any", "sahpe": []}]}, ".fields[0]", "got 'sahpe'"),
        ("json", {"fields": [{"name": "a", "type": "any", "shape": [-2]}]}, ".fields[0].shape[0]", ">= -1"),
        ("json", {"fields": [{"name": "a", "type": "any", "shape": [1] * 33}]}, ".fields[0].shape", "<= 32"),
        ("json", {"fields": [{"name": str(n), "type": "any"} for n in range(1001)]}, ".fields", "<= 1000"),
        ("json", {"fields": {}}, ".fields", "expected `array | null`, got `object`"),
        ("json", {"fields": [], "type": "number"}, "", "expected either fields, or type and shape"),
        ("json", {"fields": [], "shape": [1]}, "", "the row has none"),
        ("json", {}, "", "expected either fields, or type and shape"),
        ("json", [], "", "expected `object`, got `array`"),
        ("json", {"feilds": []}, "", "expected fields, type, shape, got 'feilds'"),
        (
            "doubles",
            {"fields": []},
            ".type",
            "expected integer, number, any for doubles, got fields",
        ),
        ("doubles", {"type": "string"}, ".type", "expected integer, number, any for doubles"),
        ("doubles", {"type": "number", "shape": [2, 2]}, ".shape", "expected 1 lengths for doubles"),
        ("strings", {"type": "number"}, ".type", "expected string, any for strings, got 'number'"),
    ],
)
async def test_a_schema_that_is_none_is_refused_with_its_field(
    client: httpx.AsyncClient, input_type: str, schema: Any, field: str, text: str
) -> None:
    artifact = await upload(client, {"input_schema": schema})
    body = {"version": "1", "input_type": input_type, "artifact": artifact}
    error = (await ok(client.post("/api/v1/models/m/versions", json=body), 400))["error"]
    assert (error["code"], error["field"]) == ("invalid", f"input_schema{field}")
    assert text in error["message"]
    assert error["message"].startswith("input_schema")
    await ok(client.get("/api/v1/models/m"), 404)


@pytest.mark.parametrize("manifest", [b"", b"{", b"[]", b"\xff", b"[" * 100_000])
async def test_a_manifest_that_cannot_be_read_is_refused(client: httpx.AsyncClient, manifest: bytes) -> None:
    body = {"version": "1", "input_type": "doubles", "artifact": await upload(client, manifest)}
    error = (await ok(client.post("/api/v1/models/m/versions", json=body), 400))["error"]
    assert (error["code"], error["field"]) == ("invalid", "artifact")
    assert error["message"].startswith("skysail.json: expected ")


async def test_models_list_their_versions_in_the_order_they_came(client: httpx.AsyncClient) -> None:
    for version in ("2", "10", "1"):
        await deploy(client, version)
    (model,) = (await ok(client.get("/api/v1/models")))["items"]
    assert model["versions"] == ["2", "10", "1"]
    assert (model["current_version"], model["next_version"]) == ("2", None)
    assert await ok(client.get("/api/v1/models/m")) == model


async def test_setting_the_current_version(client: httpx.AsyncClient) -> None:
    await deploy(client, "1")
    await deploy(client, "2")
    model = await ok(client.put("/api/v1/models/m/current", json={"version": "2"}))
    assert model["current_version"] == "2"
    version = await ok(client.get("/api/v1/models/m/versions/2"))
    assert (version["is_current"], version["n_replicas"]) == (True, 1)


async def test_a_linked_model_is_deleted_by_force_only(client: httpx.AsyncClient) -> None:
    await ok(client.post("/api/v1/applications", json=APP), 201)
    await deploy(client)
    await ok(client.post("/api/v1/applications/app/links", json={"model": "m"}), 201)
    for path in ("/api/v1/models/m", "/api/v1/models/m/versions/1"):
        error = (await ok(client.delete(path), 409))["error"]
        assert error["code"] == "in_use"
        assert "'app'" in error["message"]
    await ok(client.delete("/api/v1/models/m?force=true"), 204)
    assert (await ok(client.get("/api/v1/applications/app")))["links"] == []


async def test_one_of_many_racing_registrations_wins(client: httpx.AsyncClient) -> None:
    answers = await asyncio.gather(*(client.post("/api/v1/applications", json=APP) for _ in range(20)))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 19
    loser = next(answer for answer in answers if answer.status_code == 409)
    assert loser.json() == {
        "error": {"code": "already_exists", "message": "application 'app' already exists", "field": "name"}
    }


async def test_logs_are_read_by_lines_and_by_offset(
    client: httpx.AsyncClient, registry: Registry, logs: ContainerLogs
) -> None:
    await deploy(client)
    await registry.transact(lambda _: [Entry.put(a_replica())])
    path = logs.path("m", "1", 0)
    path.parent.mkdir(parents=True)
    path.write_text("a\nb\nc\n")
    tail = await client.get("/api/v1/replicas/m/1/0/logs?tail=2")
    assert (tail.text, tail.headers["x-skysail-log-offset"]) == ("m:1/0 | b\nm:1/0 | c\n", "6")
    assert tail.headers["content-type"].startswith("text/plain")
    rest = await client.get("/api/v1/replicas/m/1/0/logs?offset=4")
    assert (rest.text, rest.headers["x-skysail-log-offset"]) == ("m:1/0 | c\n", "6")
    assert (await client.get("/api/v1/replicas/m/1/0/logs")).text == "m:1/0 | a\nm:1/0 | b\nm:1/0 | c\n"
    assert (await client.get("/api/v1/replicas/m/1/7/logs")).status_code == 404
    for query in ("tail=-1", "tail=1000000", "offset=-1", "tail=x"):
        assert (await client.get(f"/api/v1/replicas/m/1/0/logs?{query}")).status_code == 400, query


async def test_status_counts_what_there_is(client: httpx.AsyncClient, registry: Registry, copy: RegistryCopy) -> None:
    await ok(client.post("/api/v1/applications", json=APP), 201)
    await registry.transact(lambda _: [Entry.put(a_replica()), Entry.put(a_replica(replica_id=1, state="backoff"))])
    async with asyncio.timeout(5):
        while copy.snapshot is None or copy.snapshot.revision < 2:
            await copy.changed.wait()
            copy.changed.clear()
    snapshot = await registry.snapshot()
    assert snapshot is not None
    assert await ok(client.get("/api/v1/status")) == {
        "version": "0.0",
        "backend": "none",
        "registry": {"reachable": True, "id": snapshot.registry_id, "revision": 2},
        "applications": 1,
        "models": 0,
        "replicas": {"ready": 1, "starting": 0, "backoff": 1},
    }
    assert await ok(client.get("/healthz")) == {"status": "ok"}
    assert await ok(client.get("/readyz")) == {"status": "ready"}


async def test_metrics_can_be_scraped_and_carry_the_models_quality(
    client: httpx.AsyncClient, registry: Registry
) -> None:
    await ok(client.post("/api/v1/applications", json=APP), 201)
    await deploy(client)
    await ok(client.get("/nowhere/at-all"), 404)
    await ok(client.put(f"/api/v1/artifacts/{ARCHIVE.sha256}", content=ARCHIVE.body), 201)
    await registry.record_predictions("app", [PredictionRecord(1, "m", "1", b"1", False)])
    for value in (1.0, 0.0):
        await registry.record_outcome("app", "m", "1", value, "accuracy")
    await registry.record_outcome("app", "m", "1", 0.5, "absolute_error")
    answer = await client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    families = {family.name: family for family in text_string_to_metric_families(answer.text)}
    labels = {"app": "app", "model": "m", "version": "1"}
    for name, value in {
        "skysail_model_accuracy_ratio": 0.5,
        "skysail_model_absolute_error": 0.5,
        "skysail_feedback_window_count": 3,
    }.items():
        (sample,) = families[name].samples
        assert (sample.labels, sample.value) == (labels, value)
    assert {sample.labels["state"] for sample in families["skysail_replicas"].samples} == {
        "starting",
        "ready",
        "backoff",
        "stopping",
    }
    assert families["skysail_artifact_bytes"].samples[0].value == len(ARCHIVE.body)
    routes = {sample.labels["route"] for sample in families["skysail_management_requests"].samples}
    assert routes == {
        "/api/v1/applications",
        "/api/v1/models/{name}/versions",
        "/api/v1/artifacts/{sha256}",
        "unmatched",
    }
    assert {"skysail_registry_revision", "skysail_reconcile_duration_seconds"} <= families.keys()


async def test_the_openapi_page_describes_every_route_with_its_errors(client: httpx.AsyncClient) -> None:
    description = await ok(client.get("/openapi.json"))
    paths = description["paths"]
    assert len([path for path in paths if path.startswith("/admin/")]) == 16
    for path, routes in paths.items():
        for method, route in routes.items():
            if path.startswith("/api/v1/") and path != "/api/v1/status":
                assert route["summary"], (method, path)
                assert {"400", "404", "409", "503"} <= route["responses"].keys(), (method, path)
    assert "swagger" in (await client.get("/docs")).text


@pytest.mark.parametrize("n_files", [1, 40])
async def test_an_upload_in_chunks_of_unknown_length_is_taken(client: httpx.AsyncClient, n_files: int) -> None:
    archive = archive_of({"model.py": "x", **{f"{n}": bytes(n) * 100 for n in range(n_files)}})

    async def pieces() -> Any:
        for start in range(0, len(archive.body), 100):
            yield archive.body[start : start + 100]

    stored = await ok(client.put(f"/api/v1/artifacts/{archive.sha256}", content=pieces()), 201)
    assert stored["n_files"] == n_files + 1
