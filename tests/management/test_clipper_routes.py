"""Clipper's management routes, called as Clipper's own client and tests call them."""

import json
from typing import Any

import httpx
import pytest

from harness.registry_samples import a_replica
from skysail_management.records import Entry
from skysail_management.store import Registry


class ClipperClient:
    """Posts JSON under /admin and looks at status and text, as clipper_admin does."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def post(self, route: str, **body: Any) -> tuple[int, str]:
        headers = {"Content-type": "application/json"}
        answer = await self._client.post(f"/admin/{route}", headers=headers, content=json.dumps(body))
        return answer.status_code, answer.text

    async def ok(self, route: str, **body: Any) -> str:
        status, text = await self.post(route, **body)
        assert status == 200, text
        return text

    async def json(self, route: str, **body: Any) -> Any:
        return json.loads(await self.ok(route, **body))

    async def refused(self, route: str, **body: Any) -> str:
        status, text = await self.post(route, **body)
        assert status == 400, text
        return text

    async def add_app(self, name: str = "app", **changes: Any) -> str:
        facts = {"input_type": "doubles", "default_output": "-1.0", "latency_slo_micros": 20_000}
        return await self.ok("add_app", name=name, **(facts | changes))

    async def add_model(self, name: str = "m", version: Any = "1", **changes: Any) -> str:
        facts = {
            "labels": ["l"],
            "input_type": "doubles",
            "container_name": "some/image",
            "model_data_path": "/data",
            "batch_size": -1,
        }
        return await self.ok("add_model", model_name=name, model_version=version, **(facts | changes))


@pytest.fixture
def clipper(client: httpx.AsyncClient) -> ClipperClient:
    return ClipperClient(client)


async def test_ping(client: httpx.AsyncClient) -> None:
    answer = await client.get("/admin/ping")
    assert (answer.status_code, answer.text) == (200, "PONG")
    assert answer.headers["content-type"].startswith("text/plain")


async def test_applications(clipper: ClipperClient) -> None:
    assert await clipper.add_app() == "Successfully added application with name 'app'"
    shown = {
        "name": "app",
        "input_type": "doubles",
        "default_output": "-1.0",
        "latency_slo_micros": 20_000,
        "linked_models": [],
    }
    assert await clipper.json("get_application", name="app") == shown
    assert await clipper.json("get_application", name="none") == {}
    assert await clipper.json("get_all_applications", verbose=False) == ["app"]
    assert await clipper.json("get_all_applications", verbose=True) == [shown]
    assert await clipper.ok("delete_app", name="app") == "Successfully deleted application with name 'app'"
    assert await clipper.json("get_all_applications", verbose=False) == []


async def test_what_clipper_does_not_know_is_kept_and_neither_shown_nor_taken(
    clipper: ClipperClient, client: httpx.AsyncClient
) -> None:
    await clipper.add_app(fallback_model="none", priority="urgent", cache="no")
    await clipper.add_model(batch_policy="greedy", max_batch_rows=0, batch_delay_micros=-1)
    application = (await client.get("/api/v1/applications/app")).json()
    assert (application["fallback_model"], application["priority"], application["cache"]) == (None, "normal", True)
    model = (await client.get("/api/v1/models/m")).json()
    assert (model["batch_policy"], model["max_batch_rows"], model["batch_delay_micros"]) == ("deadline", None, 0)
    await clipper.add_model("small")
    given = {"fallback_model": "small", "priority": "high", "cache": False}
    assert (await client.patch("/api/v1/applications/app", json=given)).status_code == 200
    assert (await client.patch("/api/v1/models/m", json={"batch_policy": "aimd"})).status_code == 200
    await clipper.ok("add_model_links", app_name="app", model_names=["m"])
    await clipper.add_model(version="2")
    application = (await client.get("/api/v1/applications/app")).json()
    assert application | given == application
    assert (await client.get("/api/v1/models/m")).json()["batch_policy"] == "aimd"
    shown = await clipper.json("get_application", name="app")
    assert shown.keys() == {"name", "input_type", "default_output", "latency_slo_micros", "linked_models"}


async def test_a_default_output_is_json_if_it_is_json_text(clipper: ClipperClient, client: httpx.AsyncClient) -> None:
    for text, meant in {
        "-1.0": -1.0,
        "7": 7,
        '{"a":1}': {"a": 1},
        "null": None,
        "none yet": "none yet",
        "": "",
        "NaN": "NaN",
    }.items():
        await clipper.add_app(default_output=text)
        assert (await client.get("/api/v1/applications/app")).json()["default_output"] == meant
        assert (await clipper.json("get_application", name="app"))["default_output"] == text
        await clipper.ok("delete_app", name="app")


async def test_refused_applications(clipper: ClipperClient) -> None:
    await clipper.add_app()
    facts = {"input_type": "doubles", "default_output": "0", "latency_slo_micros": 1}
    assert await clipper.refused("add_app", name="app", **facts) == "application 'app' already exists"
    assert await clipper.refused("delete_app", name="none") == "Application 'none' does not exist"
    assert (await clipper.refused("add_app", name="b")).startswith("Error parsing JSON: input_type: expected a value")
    assert "latency_slo_micros: expected a valid integer, got '1'" in await clipper.refused(
        "add_app", name="b", **(facts | {"latency_slo_micros": "1"})
    )
    assert await clipper.refused("add_app", name="b", **(facts | {"latency_slo_micros": 0})) == (
        "latency_slo_micros: expected more than 0 and at most one hour, got 0.0 ms"
    )
    assert "expected one of integers" in await clipper.refused("add_app", name="b", **(facts | {"input_type": "x"}))


async def test_models(clipper: ClipperClient) -> None:
    assert await clipper.add_model() == "Successfully added model with name 'm' and input type 'doubles'"
    await clipper.add_model(version=2)
    shown = {
        "model_name": "m",
        "model_version": "2",
        "input_type": "doubles",
        "labels": ["l"],
        "container_name": "some/image",
        "model_data_path": "/data",
        "is_current_version": True,
    }
    assert await clipper.json("get_model", model_name="m", model_version="2") == shown
    assert await clipper.json("get_model", model_name="m", model_version="9") == {}
    assert await clipper.json("get_all_models", verbose=False) == ["m:1", "m:2"]
    assert (await clipper.json("get_all_models", verbose=True))[0]["is_current_version"] is False
    assert (
        await clipper.ok("set_model_version", model_name="m", model_version="1")
        == "Successfully set model with name 'm' to version '1'"
    )
    assert (await clipper.json("get_model", model_name="m", model_version="1"))["is_current_version"] is True
    assert (
        await clipper.ok("delete_versioned_model", model_name="m", model_version="1")
        == "Successfully deleted model with name 'm' and version '1'"
    )
    assert await clipper.json("get_all_models", verbose=False) == ["m:2"]


async def test_input_types_by_clippers_names(clipper: ClipperClient) -> None:
    assert (
        await clipper.add_model(input_type="ints") == "Successfully added model with name 'm' and input type 'integers'"
    )


async def test_refused_models(clipper: ClipperClient) -> None:
    await clipper.add_model()
    facts: dict[str, Any] = {"labels": [], "input_type": "doubles"}
    assert (
        await clipper.refused("add_model", model_name="m", model_version="1", **facts)
        == "model with name 'm' and version '1' already exists"
    )
    assert (
        await clipper.refused("add_model", model_name="a:b", model_version="1", **facts)
        == "Invalid model name supplied: a:b. Contains one of: ',', ':'"
    )
    assert (
        await clipper.refused("set_model_version", model_name="m", model_version="11")
        == "Cannot set non-existent version '11' for model with name 'm'"
    )
    assert "does not exist" in await clipper.refused("delete_versioned_model", model_name="m", model_version="9")


async def test_links(clipper: ClipperClient) -> None:
    await clipper.add_app()
    await clipper.add_model()
    await clipper.add_model("other")
    assert (
        await clipper.ok("add_model_links", app_name="app", model_names=["m"])
        == "Successfully linked model with name 'm' to application 'app'"
    )
    assert await clipper.json("get_linked_models", app_name="app") == ["m"]
    assert (await clipper.json("get_application", name="app"))["linked_models"] == ["m"]
    await clipper.ok("add_model_links", app_name="app", model_names=["other"])
    assert await clipper.ok("delete_model_links", app_name="app", model_names=["m"]) == "Success!"
    assert await clipper.json("get_linked_models", app_name="app") == ["other"]


async def test_refused_links(clipper: ClipperClient) -> None:
    await clipper.add_app()
    await clipper.add_model()
    await clipper.add_model("text", input_type="strings")
    await clipper.ok("add_model_links", app_name="app", model_names=["m"])
    for app, names, text in (
        ("none", ["m"], "No app with name 'none' exists."),
        ("app", ["none"], "No model with name 'none' exists."),
        ("app", ["m"], "The model with name 'm' is already linked to 'app'"),
        (
            "app",
            ["text"],
            (
                "Model with name 'text' has incompatible input_type 'strings'. "
                "Requested app to link to has input_type 'doubles'."
            ),
        ),
    ):
        assert await clipper.refused("add_model_links", app_name=app, model_names=names) == text
    assert await clipper.refused("get_linked_models", app_name="none") == "No app with name 'none' exists."
    assert "not linked" in await clipper.refused("delete_model_links", app_name="app", model_names=["text"])
    assert "at least one name" in await clipper.refused("add_model_links", app_name="app", model_names=[])


async def test_containers(clipper: ClipperClient, registry: Registry) -> None:
    await clipper.add_model()
    await registry.transact(lambda _: [Entry.put(a_replica())])
    shown = {
        "model_id": "m:1",
        "model_name": "m",
        "model_version": "1",
        "model_replica_id": 0,
        "input_type": "doubles",
    }
    assert await clipper.json("get_all_containers", verbose=False) == ["m:1:0"]
    assert await clipper.json("get_all_containers", verbose=True) == [shown]
    assert await clipper.json("get_container", model_name="m", model_version="1", replica_id=0) == shown
    assert await clipper.json("get_container", model_name="m", model_version="1", replica_id=5) == {}


async def test_selection_state(clipper: ClipperClient) -> None:
    await clipper.add_app()
    assert await clipper.json("get_state", app_name="app", uid=3) == {"app_name": "app", "uid": 3, "links": []}
    assert await clipper.refused("get_state", app_name="none", uid=0) == "No app with name 'none' exists."


async def test_a_body_without_a_content_type_is_json_all_the_same(client: httpx.AsyncClient) -> None:
    for headers in ({}, {"content-type": "application/x-www-form-urlencoded"}):
        answer = await client.post("/admin/get_all_applications", headers=headers, content=b'{"verbose": false}')
        assert answer.text == "[]"


async def test_unknown_routes_are_a_text(client: httpx.AsyncClient) -> None:
    answer = await client.post("/admin/frobnicate", content=b"{}")
    assert answer.headers["content-type"].startswith("text/plain")
