"""A client that goes takes its queries with it: the model is not asked for what nobody waits for."""

import pytest

from harness.frontend_process import FrontendProcess
from harness.frontend_rig import FrontendRig, wait_until_predicting
from harness.probe_model import SLEEP
from harness.raw_http import RawClient, get, post, predict
from harness.wait_until import wait_until

pytestmark = pytest.mark.xdist_group("frontends")  # one worker starts the frontends that these modules share

LANES = ["--lane=on", "--lane=off"]
WORK_S = 0.5


@pytest.fixture(params=LANES)
def frontend(rig: FrontendRig, request: pytest.FixtureRequest) -> FrontendProcess:
    return rig.serving(request.param)


def n_answered(frontend: FrontendProcess, app: str) -> float:
    return frontend.metric("skysail_request_duration_seconds_count", app=app)


def n_computed(frontend: FrontendProcess) -> float:
    return frontend.metric("skysail_batch_rows_sum", model="doubles", version="1")


def test_queries_of_a_client_that_is_gone_are_not_computed(rig: FrontendRig, frontend: FrontendProcess) -> None:
    with rig.application() as app:
        wait_until_predicting(frontend, app)
        before = n_answered(frontend, app), n_computed(frontend)
        with RawClient(frontend.port) as other, RawClient(frontend.port) as batch, RawClient(frontend.port) as single:
            port = single.socket.getsockname()[1]
            unasked = 1000 * port  # this and what follows it the cache cannot answer
            other.send(predict("doubles", [SLEEP, WORK_S, port]))
            assert not other.has_news_within(0.1)
            batch.send(post(f"/{app}/predict", {"input_batch": [[unasked + n] for n in range(1, 301)]}))
            single.send(predict(app, [unasked]))
            assert not single.has_news_within(0.1)
            batch.socket.close()
            single.socket.close()
            assert other.response().json()["output"] == WORK_S
        assert frontend.ask(predict("doubles", [unasked + 500])).json()["output"] == unasked + 500
        assert (n_answered(frontend, app), n_computed(frontend)) == (before[0], before[1] + 2)
        wait_until(lambda: frontend.metric("skysail_queue_rows") == 0, "an empty queue")


def test_a_half_closed_connection_is_a_client_that_is_gone(frontend: FrontendProcess) -> None:
    with RawClient(frontend.port) as client:
        client.send(predict("doubles", [SLEEP, WORK_S, client.socket.getsockname()[1]]))  # asked by nobody before
        assert not client.has_news_within(0.1)
        client.finish_sending()
        assert client.is_ended()


def test_a_client_that_half_closes_after_its_answer_is_let_go(frontend: FrontendProcess) -> None:
    with RawClient(frontend.port) as client:
        assert client.send(predict("doubles", [2])).response().json()["output"] == 2
        client.finish_sending()
        assert client.is_ended()


def test_clients_that_vanish_at_any_point_leave_nothing_behind(frontend: FrontendProcess) -> None:
    requests = predict("doubles", [1]) + get("/metrics") + post("/doubles/predict?a=b", {"input": [1]})
    requests += post("/doubles/update", {"query_id": 1, "label": 1})
    for n_bytes in range(0, len(requests), 5):
        with RawClient(frontend.port) as client:
            client.send(requests[:n_bytes])
    wait_until(lambda: frontend.metric("skysail_connections") <= 1, "an end of the connections")
    wait_until(lambda: frontend.metric("skysail_queue_rows") == 0, "an empty queue")
    assert frontend.ask(predict("doubles", [4])).json()["output"] == 4


def test_pipelined_predictions_of_a_client_that_is_gone_are_not_all_computed(frontend: FrontendProcess) -> None:
    """Only the request in work hears of it at once; those behind it never begin."""
    before = n_computed(frontend)
    with RawClient(frontend.port) as client:
        client.send(get("/healthz") + post("/doubles/predict?a=b", {"input": [SLEEP, 0.1]}) * 20)
        assert client.response().status == 200
    wait_until(lambda: frontend.metric("skysail_connections") <= 1, "an end of the connection")
    assert frontend.ask(predict("doubles", [4])).json()["output"] == 4
    assert n_computed(frontend) - before < 10
