"""The cache, deadlines and fallback through real sockets, on the lane and on the plain ASGI route."""

import json

import pytest

from harness.frontend_process import FrontendProcess
from harness.frontend_rig import DEFAULT_OUTPUT, FrontendRig, wait_until_predicting
from harness.probe_model import SLEEP
from harness.raw_http import RawClient, chunked, post, predict
from harness.wait_until import wait_until

pytestmark = pytest.mark.xdist_group("frontends")  # one worker starts the frontends that these modules share


@pytest.fixture(params=["--lane=on", "--lane=off"])
def frontend(rig: FrontendRig, request: pytest.FixtureRequest) -> FrontendProcess:
    return rig.serving(request.param)


def hits(frontend: FrontendProcess, model: str = "doubles") -> float:
    return frontend.metric("skysail_cache_hits_total", model=model)


def test_an_input_asked_for_again_is_not_computed_again(frontend: FrontendProcess) -> None:
    n_before = hits(frontend)
    first, second = (frontend.ask(predict("doubles", [9.25, 1])).json() for _ in range(2))
    assert first["output"] == second["output"] == 10.25
    assert first["query_id"] != second["query_id"]
    wait_until(lambda: hits(frontend) > n_before, "a counted hit")


@pytest.mark.parametrize(
    "headers", [["Cache-Control: no-cache"], ["cache-control: max-age=0", "CACHE-CONTROL: no-store"]]
)
def test_a_client_that_wants_no_cached_answer_gets_none(
    rig: FrontendRig, frontend: FrontendProcess, headers: list[str]
) -> None:
    """Again and again on one connection: a head that is remembered is remembered with what it asks for."""
    with rig.own_model() as (app, _), RawClient(frontend.port) as client:
        wait_until_predicting(frontend, app)
        for _ in range(3):
            assert client.send(predict(app, [9.5], *headers)).response().json()["output"] == 9.5
        for _ in range(3):
            assert client.send(post(f"/{app}/predict", {"input": [9.5], "cache": False})).response().status == 200
        assert client.send(predict(app, [9.5])).response().status == 200
        assert client.send(predict(app, [9.5])).response().status == 200
        body = {"input": [9.5], "cache": True}  # wins over the header
        assert client.send(post(f"/{app}/predict", body, *headers)).response().status == 200
        wait_until(lambda: hits(frontend, app) == 2, "two hits")
        assert frontend.metric("skysail_batch_rows_bucket", model=app, le="1.0") >= 7


@pytest.mark.parametrize("is_header", [True, False])
def test_a_request_with_a_deadline_of_its_own_is_answered_by_then(frontend: FrontendProcess, is_header: bool) -> None:
    row = [SLEEP, 1.5, 0.001 * is_header, float(frontend.port)]  # nobody else's
    headers = ["X-Skysail-Timeout-Ms: 40"] if is_header else []
    body = {"input": row} if is_header else {"input": row, "timeout_ms": 40}
    with RawClient(frontend.port) as client:
        for _ in range(2):
            answer = client.send(post("/doubles/predict", body, *headers)).response().json()
            assert (answer["output"], answer["default_reason"]) in [
                (DEFAULT_OUTPUT, "deadline"),
                (DEFAULT_OUTPUT, "no_time"),
            ]
    wait_until_predicting(frontend, "doubles", [0.25, float(is_header)])


@pytest.mark.parametrize("value", ["0", "-1", "NaN", "1e3", "", "9" * 30, "soon"])
def test_a_faulty_header_is_refused_every_time_and_the_connection_lives(frontend: FrontendProcess, value: str) -> None:
    with RawClient(frontend.port) as client:
        for _ in range(3):
            response = client.send(predict("doubles", [1], f"X-Skysail-Timeout-Ms: {value}")).response()
            assert response.status == 400
            assert response.json()["cause"].startswith(f"header `X-Skysail-Timeout-Ms` is {value!r}; ")
        twice = predict("doubles", [1], "X-Skysail-Timeout-Ms: 50", "x-skysail-timeout-ms: 50")
        assert "more than once" in client.send(twice).response().json()["cause"]
        assert client.send(predict("doubles", [1])).response().status == 200


def test_a_trailer_is_not_a_header(frontend: FrontendProcess) -> None:
    request = chunked("/doubles/predict", json.dumps({"input": [1, 2]}).encode())
    assert request.endswith(b"0\r\n\r\n")
    request = request[:-2] + b"X-Skysail-Timeout-Ms: never\r\n\r\n"
    assert frontend.ask(request).json()["output"] == 3.0


def test_without_a_cache_nothing_is_kept(rig: FrontendRig) -> None:
    frontend = rig.serving("--cache-bytes=0")
    for _ in range(2):
        assert frontend.ask(predict("doubles", [9.75])).json()["output"] == 9.75
    assert frontend.metric("skysail_cache_misses_total") == frontend.metric("skysail_cache_hits_total") == 0


def test_a_flood_of_large_inputs_stays_within_the_cache(rig: FrontendRig) -> None:
    frontend = rig.serving("--cache-bytes=1000000")
    for number in range(60):
        rows = [[number + 0.5, column + 0.25] * 500 for column in range(5)]
        answers = frontend.ask(post("/doubles/predict", {"input_batch": rows})).json()["batch_predictions"]
        assert not any(one["default"] for one in answers)
    wait_until(lambda: frontend.metric("skysail_cache_evictions_total", model="doubles") > 100, "evictions")
    assert 0 < frontend.metric("skysail_cache_bytes", model="doubles") <= 1_000_000


def test_a_model_without_replicas_is_stood_in_for_by_the_fallback(rig: FrontendRig, frontend: FrontendProcess) -> None:
    with rig.application(links=(), fallback_model="doubles") as app:
        wait_until_predicting(frontend, app)
        answer = frontend.ask(predict(app, [1, 2])).json()
        assert list(answer) == ["query_id", "output", "default", "fallback"]
        assert (answer["output"], answer["default"], answer["fallback"]) == (3.0, False, True)
        label = frontend.ask(post(f"/{app}/update", {"query_id": answer["query_id"], "label": 3.0})).json()
        assert label == {"status": "joined", "model": "doubles", "version": "1"}
        clippers = post(f"/{app}/update", {"uid": 1, "input": [1, 2], "label": 3.0})
        assert frontend.ask(clippers).body.startswith(b"Feedback received")
        assert frontend.metric("skysail_fallbacks_total", app=app) >= 2
        wait_until(lambda: frontend.metric("skysail_feedback_total", app=app, model="doubles") == 2, "feedback")
