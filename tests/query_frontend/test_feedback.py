"""Feedback: joined with its prediction once, scored by the output's kind, taken in ours and in Clipper's form."""

import json
import struct
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.redis_server import RedisServer
from harness.scripted_container import ScriptedContainer
from harness.worker_parts import WorkerParts, served
from skysail_container.wire import Dense, Result
from skysail_frontend.errors import RequestRefusedError
from skysail_frontend.feedback import outcome, parse_feedback
from skysail_frontend.http_app import http_app
from skysail_frontend.settings import Settings
from skysail_management.records import Snapshot
from skysail_management.store import Entry, OutcomeSummary


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


@pytest.fixture
async def container() -> AsyncIterator[ScriptedContainer]:
    async with ScriptedContainer() as container:
        yield container


class Frontend:
    """A worker's parts behind the ASGI routes."""

    def __init__(self, parts: WorkerParts, client: httpx.AsyncClient, container: ScriptedContainer) -> None:
        self.parts = parts
        self._client = client
        self._container = container

    async def adopt(self) -> Snapshot:
        """Serves what the registry holds."""
        snapshot = await self.parts.registry.snapshot()
        assert snapshot is not None
        await self.parts.catalog.adopt(snapshot)
        return snapshot

    async def predict(self) -> int:
        """The query id of a prediction that is on record: 3.0, or the class 3."""
        answer = await self.parts.ask().wait()
        assert answer["default"] is False
        await self.parts.recorder.flush()
        return int(answer["query_id"])

    def names_classes(self) -> None:
        """From now on the model answers the integer 3."""
        outputs = Dense("<i8", (1,), struct.pack("<q", 3))
        self._container.on_predict = lambda peer, batch: peer.send(Result(batch.batch_id, 0, 1, outputs))

    async def update(self, path: str = "/app/update", **body: Any) -> httpx.Response:
        return await self._client.post(path, json=body)

    async def scores(self) -> dict[str, OutcomeSummary]:
        """Rolling quality by version: accuracy, its number, absolute error, its number."""
        outcomes = await self.parts.registry.outcomes()
        return {version: summary for (_, _, version), summary in outcomes.items()}


@pytest.fixture
async def frontend(redis: RedisServer, tmp_path: Path, container: ScriptedContainer) -> AsyncIterator[Frontend]:
    parts = WorkerParts(redis.url, tmp_path, socket_timeout_s=0.3)
    await parts.registry.initialize()
    await parts.registry.transact(lambda _: [Entry.put(record) for record in served(container.address)])
    app = http_app(parts.catalog, parts.watch, parts.feedback, Settings(redis_url=redis.url, run_dir=tmp_path))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://frontend") as client:
        frontend = Frontend(parts, client, container)
        await frontend.adopt()
        yield frontend
    await parts.close()


# --- pure ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("output", "label", "expected"),
    [
        (3, 3, (1.0, "accuracy")), (3, 4, (0.0, "accuracy")), (3, 3.0, (1.0, "accuracy")),
        ("cat", "cat", (1.0, "accuracy")), ("cat", "dog", (0.0, "accuracy")),
        (1, True, (0.0, "accuracy")), (True, True, (1.0, "accuracy")),
        (3.0, 3, (0.0, "absolute_error")), (3.0, 5.5, (2.5, "absolute_error")), (3.0, -1, (4.0, "absolute_error")),
        (3.0, "3", (0.0, "accuracy")), (3.0, True, (0.0, "accuracy")), (3.0, None, (0.0, "accuracy")),
        ([1.0, 2.0], [1.0, 2.0], (1.0, "accuracy")), ({"a": 1}, {"a": 1}, (1.0, "accuracy")),
        (None, None, (1.0, "accuracy")),
    ],
)  # fmt: skip
def test_the_outputs_kind_decides_between_accuracy_and_absolute_error(
    output: Any, label: Any, expected: tuple[float, str]
) -> None:
    assert outcome(output, label) == expected


def test_a_label_beyond_all_floats_is_refused() -> None:
    with pytest.raises(RequestRefusedError, match="`label` is larger than a float64 can be"):
        outcome(1.0, 10**400)


@given(st.floats(allow_nan=False, allow_infinity=False), st.floats(allow_nan=False, allow_infinity=False))
def test_an_absolute_error_is_never_negative(output: float, label: float) -> None:
    value, kind = outcome(output, label)
    assert kind == "absolute_error"
    assert value >= 0.0


@pytest.mark.parametrize(
    ("body", "cause"),
    [
        (b"", "truncated"), (b"[]", "Expected `object`, got `array`"), (b"{}", "missing required field `label`"),
        (b'{"label":1}', "missing required field `query_id` (or Clipper's `uid` and `input`)"),
        (b'{"label":1,"uid":3}', "missing required field `query_id`"),
        (b'{"label":1,"input":[3]}', "missing required field `query_id`"),
        (b'{"label":1,"query_id":"7"}', "Expected `int`, got `str` - at `query_id`"),
        (b'{"label":1,"query_id":1.5}', "Expected `int`, got `float` - at `query_id`"),
        (b'{"label":1,"query_id":null}', "Expected `int`, got `null` - at `query_id`"),
        (b'{"label":' + b"[" * 100_000, ""), (b'{"label":"\xff"}', ""),
    ],
)  # fmt: skip
def test_a_body_that_is_not_feedback_is_refused_with_the_field(body: bytes, cause: str) -> None:
    with pytest.raises(RequestRefusedError) as caught:
        parse_feedback(body)
    assert caught.value.status == 400
    assert cause in caught.value.cause


# --- joined -------------------------------------------------------------------------------------------------------


async def test_feedback_finds_its_prediction_once(frontend: Frontend) -> None:
    query_id = await frontend.predict()
    response = await frontend.update(query_id=query_id, label=3.5)
    assert (response.status_code, response.json()) == (200, {"status": "joined", "model": "m", "version": "1"})
    assert await frontend.scores() == {"1": (None, 0, 0.5, 1)}
    again = await frontend.update(query_id=query_id, label=3.5)
    assert again.status_code == 404
    assert again.json()["error"] == "Query processing error"
    assert f"`query_id` {query_id} has no prediction on record" in again.json()["cause"]
    assert frontend.parts.metric("skysail_feedback_total") == 1
    assert frontend.parts.metric("skysail_feedback_unmatched_total") == 1


async def test_classes_are_scored_by_accuracy_numbers_by_absolute_error(frontend: Frontend) -> None:
    frontend.names_classes()
    for label in (3, 3, 3, 4):
        await frontend.update(query_id=await frontend.predict(), label=label)
    assert await frontend.scores() == {"1": (0.75, 4, None, 0)}


@pytest.mark.parametrize("query_id", [0, 12345, -1, 2**53, 2**80])
async def test_an_id_without_a_prediction_is_a_404(frontend: Frontend, query_id: int) -> None:
    response = await frontend.update(query_id=query_id, label=1)
    assert response.status_code in (400, 404)
    assert "query_id" in response.json()["cause"]


async def test_a_default_output_takes_no_feedback(frontend: Frontend) -> None:
    await frontend.parts.catalog.versions["m", "1"].dispatcher.set_replicas({})
    answer = await frontend.parts.ask().wait()
    assert answer["default"] is True
    await frontend.parts.recorder.flush()
    assert (await frontend.update(query_id=answer["query_id"], label=1)).status_code == 404


async def test_feedback_of_an_unknown_application_is_a_404(frontend: Frontend) -> None:
    query_id = await frontend.predict()
    response = await frontend.update("/nobody/update", query_id=query_id, label=1)
    assert response.status_code == 404
    assert (await frontend.update(query_id=query_id, label=1)).status_code == 200


async def test_feedback_that_comes_after_its_version_is_gone_is_joined_and_scores_nothing(
    frontend: Frontend, redis: RedisServer
) -> None:
    query_id = await frontend.predict()
    snapshot = await frontend.adopt()
    gone = [Entry.delete(snapshot.versions["m", "1"]), Entry.delete(snapshot.replicas["m", "1", 0])]
    await frontend.parts.registry.transact(lambda _: gone)
    await frontend.adopt()
    assert (await frontend.update(query_id=query_id, label=3.0)).status_code == 200
    assert await frontend.scores() == {}
    assert "skysail_feedback_total" not in frontend.parts.page()


async def test_labels_may_be_any_json(frontend: Frontend) -> None:
    for label in (None, "x", [1], {"a": 1}, True, 1e308, -0.0):
        response = await frontend.update("/app/update/", query_id=await frontend.predict(), label=label)
        assert response.status_code == 200, label
    refused = await frontend.update(query_id=await frontend.predict(), label=10**400)
    assert (refused.status_code, refused.json()["error"]) == (400, "Json error")


# --- Redis away ---------------------------------------------------------------------------------------------------


async def test_while_redis_is_away_feedback_is_a_503_and_predictions_go_on(
    frontend: Frontend, redis: RedisServer
) -> None:
    query_id = await frontend.predict()
    redis.stop()
    response = await frontend.update(query_id=query_id, label=3.0)
    assert response.status_code == 503
    assert "registry is unavailable" in response.json()["cause"]
    assert (await frontend.parts.ask().wait())["default"] is False
    redis.start()
    assert (await frontend.update(query_id=query_id, label=3.0)).status_code == 200


# --- Clipper's form -----------------------------------------------------------------------------------------------


async def test_clippers_form_is_predicted_again_and_scored(frontend: Frontend) -> None:
    response = await frontend.update(uid=0, input=[1.0, 2.0], label=4.0)
    assert response.status_code == 200
    assert response.text == "Feedback received? 1"
    assert response.headers["content-type"].startswith("text/plain")
    assert await frontend.scores() == {"1": (None, 0, 1.0, 1)}


async def test_clippers_form_names_what_is_wrong_with_its_input(frontend: Frontend) -> None:
    response = await frontend.update(uid=0, input=["x"], label=4.0)
    assert response.status_code == 400
    assert "`input[0]`" in json.dumps(response.json())


async def test_clippers_form_with_a_default_for_a_prediction_scores_nothing(frontend: Frontend) -> None:
    await frontend.parts.catalog.versions["m", "1"].dispatcher.set_replicas({})
    assert (await frontend.update(uid=0, input=[1.0], label=4.0)).text == "Feedback received? 1"
    assert await frontend.scores() == {}
