"""What the client sends, and what it makes of the answers. The paths are held to management's own in
test_management_paths.py."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from harness.canned_management import version_object
from harness.canned_server import Answer, CannedServer, canned_server
from skysail_admin import InvalidRequestError, NotFoundError, Skysail

APPLICATION = {
    "name": "a",
    "input_type": "doubles",
    "default_output": "none",
    "latency_slo_ms": 50.0,
    "links": [{"model": "m", "role": "candidate", "weight": 0.5}],
    "created_at": "2026-01-01T00:00:00Z",
    "a_field_of_the_future": True,
}


@pytest.fixture
def server() -> Iterator[CannedServer]:
    with canned_server() as canned:
        yield canned


@pytest.fixture
def client(server: CannedServer) -> Iterator[Skysail]:
    with Skysail(server.url, server.url) as made:
        yield made


@pytest.mark.parametrize(("objective", "slo_ms"), [({"slo_micros": 20_000}, 20.0), ({"slo_ms": 1.5}, 1.5), ({}, 100.0)])
def test_the_objective_is_sent_in_milliseconds(
    server: CannedServer, client: Skysail, objective: dict[str, Any], slo_ms: float
) -> None:
    server.answers["POST", "/api/v1/applications"] = Answer(201, APPLICATION)
    client.register_application("a", "doubles", "none", **objective)
    assert server.requests[0].json["latency_slo_ms"] == slo_ms


def test_the_objective_given_twice_is_refused(client: Skysail) -> None:
    with pytest.raises(InvalidRequestError, match="give the latency objective once"):
        client.register_application("a", "doubles", "none", 1000, slo_ms=1)


def test_an_application_reads_as_a_clipper_user_knows_it(server: CannedServer, client: Skysail) -> None:
    server.answers["GET", "/api/v1/applications/a"] = Answer(200, APPLICATION)
    found = client.get_app_info("a")
    assert found is not None
    assert found["latency_slo_micros"] == 50_000
    assert found["linked_models"] == client.get_linked_models("a") == ["m"]
    assert client.application("a").links[0].weight == 0.5


def test_an_older_servers_records_have_the_defaults(server: CannedServer, client: Skysail) -> None:
    server.answers["GET", "/api/v1/applications/a"] = Answer(200, APPLICATION)
    server.answers["GET", "/api/v1/models/m"] = Answer(200, {"name": "m", "input_type": "doubles"})
    application, model = client.application("a"), client.model("m")
    assert (application.fallback_model, application.priority, application.cache) == (None, "normal", True)
    assert (model.batch_policy, model.max_batch_rows, model.batch_delay_micros) == ("deadline", None, 0)


def test_only_what_is_given_is_changed(server: CannedServer, client: Skysail) -> None:
    server.answers["PATCH", "/api/v1/applications/a"] = Answer(200, APPLICATION)
    for given, sent in (
        ({"fallback": None}, {"fallback_model": None}),
        ({"fallback": "m", "cache": False}, {"fallback_model": "m", "cache": False}),
        ({"priority": "low", "default_output": None}, {"priority": "low", "default_output": None}),
    ):
        client.update_application("a", **given)
        assert server.requests[-1].json == sent


def test_what_cannot_be_changed_is_named(server: CannedServer, client: Skysail) -> None:
    with pytest.raises(InvalidRequestError, match="an application's fallback_model, input_type cannot be changed"):
        client.update_application("a", input_type="strings", fallback_model="m", cache=True)
    assert not server.requests


def test_what_is_not_there_is_none_for_info_and_an_error_otherwise(client: Skysail) -> None:
    assert client.get_app_info("gone") is None
    assert client.get_model_info("gone", 1) is None
    with pytest.raises(NotFoundError):
        client.application("gone")


def test_versions_may_be_numbers(server: CannedServer, client: Skysail) -> None:
    server.answers["GET", "/api/v1/models/m/versions/3"] = Answer(200, version_object("m", "3"))
    assert client.version("m", 3) == client.version("m", "3")


def test_scaling_without_a_version_scales_the_current_one(server: CannedServer, client: Skysail) -> None:
    server.answers["GET", "/api/v1/models/m"] = Answer(
        200, {"name": "m", "input_type": "doubles", "current_version": "2"}
    )
    server.answers["PATCH", "/api/v1/models/m/versions/2"] = Answer(200, version_object("m", "2", n_replicas=4))
    assert client.set_num_replicas("m", 4).n_replicas == 4
    assert server.requests[-1].json == {"n_replicas": 4}


def test_scaling_a_model_without_a_current_version_asks_which(server: CannedServer, client: Skysail) -> None:
    server.answers["GET", "/api/v1/models/m"] = Answer(200, {"name": "m", "input_type": "doubles"})
    with pytest.raises(InvalidRequestError, match="say which one is meant"):
        client.set_num_replicas("m", 4)


def test_stopping_inactive_versions_spares_the_current_one(server: CannedServer, client: Skysail) -> None:
    model = {"name": "m", "input_type": "doubles", "current_version": "2", "versions": ["1", "2", "3"]}
    server.answers["GET", "/api/v1/models/m"] = Answer(200, model)
    for version in ("1", "3"):
        server.answers["PATCH", f"/api/v1/models/m/versions/{version}"] = Answer(200, version_object("m", version))
    client.stop_inactive_model_versions(["m"])
    scaled = [request.target for request in server.requests if request.method == "PATCH"]
    assert [target.rsplit("/", 1)[1] for target in scaled] == ["1", "3"]


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        (np.array([1.5, 2.5]), [1.5, 2.5]),
        ((1, 2), [1, 2]),
        ([np.float32(1.5), np.int64(2)], [1.5, 2]),
        ("text", "text"),
        (b"\x00\xff", "AP8="),
        ({"a": np.float64(1.0)}, {"a": 1.0}),
        (np.eye(2), [[1.0, 0.0], [0.0, 1.0]]),
    ],
)
def test_inputs_are_sent_as_json_can_carry_them(server: CannedServer, client: Skysail, given: Any, sent: Any) -> None:
    server.answers["POST", "/a/predict"] = Answer(200, {"query_id": 1, "output": 1, "default": False})
    client.predict("a", given)
    assert server.requests[0].json == {"input": sent}


def test_not_a_number_is_refused_before_it_is_sent(server: CannedServer, client: Skysail) -> None:
    with pytest.raises(InvalidRequestError, match="cannot be written as JSON"):
        client.predict("a", [float("nan")])
    assert not server.requests


@pytest.mark.parametrize("n_rows", [0, 1, 2])
def test_a_batch_gives_one_answer_per_row(server: CannedServer, client: Skysail, n_rows: int) -> None:
    one = {"query_id": 1, "output": 1, "default": False}
    answer = one if n_rows == 1 else {"batch_predictions": [one] * n_rows}
    server.answers["POST", "/a/predict"] = Answer(200, answer)
    assert len(client.predict_batch("a", [[1.0]] * n_rows)) == n_rows


def test_following_logs_goes_on_where_it_was_and_ends_with_the_replica(server: CannedServer, client: Skysail) -> None:
    parts = [Answer(200, "one\n", {"x-skysail-log-offset": "4"}), Answer(200, "two\n", {"x-skysail-log-offset": "8"})]
    gone = Answer(404, {"error": {"code": "not_found", "message": "gone", "field": None}})
    server.answers["GET", "/api/v1/replicas/m/1/0/logs"] = lambda request: parts.pop(0) if parts else gone
    naps: list[float] = []
    assert list(client.follow_container_logs("m", 1, 0, sleep=naps.append)) == ["one\n", "two\n"]
    assert [request.target.partition("?")[2] for request in server.requests] == ["tail=20", "offset=4", "offset=8"]
    assert len(naps) == 2


def test_a_function_is_tried_with_the_batch_a_container_would_give_it() -> None:
    seen: list[Any] = []

    def remember(rows: Any) -> list[int]:
        seen.append(rows)
        return [len(row) for row in rows]

    assert Skysail.test_predict_function({"input": [1, 2, 3]}, remember, "doubles") == 3
    assert seen[0].dtype == np.float64
    assert Skysail.test_predict_function({"input_batch": ["ab", "c"]}, remember, "strings") == [2, 1]
    assert Skysail.test_predict_function({"input_batch": [[1.0], [1.0, 2.0]]}, remember, "d") == [1, 2]


def test_a_function_with_too_few_outputs_is_found_out_before_it_is_deployed() -> None:
    with pytest.raises(InvalidRequestError, match="returned 1 outputs for 2 rows"):
        Skysail.test_predict_function({"input_batch": [[1], [2]]}, lambda rows: [0], "ints")
    with pytest.raises(InvalidRequestError, match="has an 'input' or an 'input_batch'"):
        Skysail.test_predict_function({}, lambda rows: [], "ints")
