"""Requests in a row on one connection: answered in their order, whatever route they take and however long it takes."""

import random
from collections.abc import Callable

import pytest

from harness.frontend_process import FrontendProcess
from harness.frontend_rig import FrontendRig
from harness.probe_model import SLEEP
from harness.raw_http import RawClient, Response, chunked, get, post, predict

pytestmark = pytest.mark.xdist_group("frontends")  # one worker starts the frontends that these modules share

LANES = ["--lane=on", "--lane=off"]

Expected = Callable[[Response], bool]

UPGRADE = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAA")
"""What Java's HttpClient sends with its first request to a server it does not know."""


@pytest.fixture(params=LANES)
def frontend(rig: FrontendRig, request: pytest.FixtureRequest) -> FrontendProcess:
    return rig.serving(request.param)


def outputs(n: float) -> Expected:
    return lambda response: response.status == 200 and response.json().get("output") == n


def gives(status: int) -> Expected:
    return lambda response: response.status == status


def kinds(n: int) -> list[tuple[bytes, Expected]]:
    """Request number `n` in all its kinds, and what answers it."""
    return [
        (predict("doubles", [n]), outputs(n)),
        (predict("doubles", [n], "User-Agent: pipeline"), outputs(n)),
        (chunked("/doubles/predict", b'{"input":', b"[%d]}" % n), outputs(n)),
        (predict("doubles", [SLEEP, 0.001 * (n % 4)]), outputs(0.001 * (n % 4))),
        (post("/doubles/predict", {"input_batch": [[n], [n, 1]]}), lambda one: one.body.count(b"query_id") == 2),
        (post(f"/doubles/predict?n={n}", {"input": [n]}), outputs(n)),
        (predict("doubles", [n], "Expect: 100-continue"), outputs(n)),
        (predict("doubles", [n], *UPGRADE), outputs(n)),
        (predict("doubles", "no array"), gives(400)),
        (predict("nobody", [n]), gives(404)),
        (get("/healthz"), lambda one: one.json() == {"status": "ok"}),
        (get("/metrics"), lambda one: one.body.startswith(b"# HELP")),
        (get("/nowhere"), gives(404)),
        (get("/doubles/predict"), gives(405)),
    ]


def test_five_hundred_pipelined_predictions_are_answered_in_order(frontend: FrontendProcess) -> None:
    with RawClient(frontend.port) as client:
        client.send(b"".join(predict("doubles", [n]) for n in range(500)))
        assert [response.json()["output"] for response in client.responses(500)] == list(range(500))


def test_five_hundred_pipelined_requests_of_all_kinds_are_answered_in_order(frontend: FrontendProcess) -> None:
    choice = random.Random(7)
    requests = [choice.choice(kinds(n)) for n in range(500)]
    with RawClient(frontend.port) as client:
        client.send(b"".join(request for request, _ in requests))
        for n, (request, is_expected) in enumerate(requests):
            response = client.response()
            assert is_expected(response), (n, request, response)


def test_requests_cut_anywhere_are_answered_in_order(frontend: FrontendProcess) -> None:
    choice = random.Random(8)
    requests = [choice.choice(kinds(n)) for n in range(150)]
    stream = b"".join(request for request, _ in requests)
    with RawClient(frontend.port) as client:
        start = 0
        while start < len(stream):
            end = start + choice.choice([1, 10, 100, 1000])
            client.send(stream[start:end])
            start = end
        for n, (request, is_expected) in enumerate(requests):
            response = client.response()
            assert is_expected(response), (n, request, response)


def test_a_fast_prediction_waits_for_the_slow_one_before_it(frontend: FrontendProcess) -> None:
    with RawClient(frontend.port) as client:
        client.send(predict("doubles", [SLEEP, 0.3]) + predict("unlinked", [1]) + get("/healthz"))
        slow, fast, health = client.responses(3)
    assert slow.json()["output"] == 0.3
    assert fast.json()["default_reason"] == "no_link"
    assert health.json() == {"status": "ok"}


def test_what_is_no_request_is_refused_after_the_slow_prediction_before_it(frontend: FrontendProcess) -> None:
    with RawClient(frontend.port) as client:
        client.send(predict("doubles", [SLEEP, 0.3]) + b"\x16\x03garbage")
        slow, refusal = client.responses(2)
        assert client.is_ended()
    assert slow.json()["output"] == 0.3
    assert refusal.status == 400


def test_a_connection_serves_one_request_after_the_other(frontend: FrontendProcess) -> None:
    with RawClient(frontend.port) as client:
        for n in range(100):
            for request, is_expected in kinds(n)[:: 1 + n % 5]:
                assert is_expected(client.send(request).response()), request


def test_every_byte_in_a_packet_of_its_own_makes_the_same_request(frontend: FrontendProcess) -> None:
    with RawClient(frontend.port) as client:
        for request, is_expected in kinds(3):
            client.send(*(request[i : i + 1] for i in range(len(request))))
            assert is_expected(client.response()), request


@pytest.mark.parametrize("upgrade", [UPGRADE, ("Connection: Upgrade", "Upgrade: websocket")], ids=["h2c", "websocket"])
def test_a_request_that_asks_for_an_upgrade_is_answered_as_it_stands(
    frontend: FrontendProcess, upgrade: tuple[str, ...]
) -> None:
    with RawClient(frontend.port) as client:
        for _ in range(2):  # the second head is one that the lane has seen
            assert client.send(predict("doubles", [1, 2], *upgrade)).response().json()["output"] == 3
            chunks = chunked("/doubles/predict", b'{"input":', b"[2]}", headers=upgrade)
            assert client.send(chunks, get("/healthz", *upgrade)).response().json()["output"] == 2
            assert client.response().json() == {"status": "ok"}


def test_thousands_of_pipelined_upgrades_are_answered_in_order(frontend: FrontendProcess) -> None:
    with RawClient(frontend.port) as client:
        client.send(predict("unlinked", [1], *UPGRADE) * 2000 + predict("doubles", [5]))
        assert all(response.json()["default_reason"] == "no_link" for response in client.responses(2000))
        assert client.response().json()["output"] == 5


def test_a_connection_is_closed_after_the_request_that_asks_for_it(frontend: FrontendProcess) -> None:
    for request in [predict("doubles", [1], "Connection: close"), get("/healthz", "Connection: close")]:
        with RawClient(frontend.port) as client:
            client.send(predict("doubles", [SLEEP, 0.05]) + request)
            first, last = client.responses(2)
            assert (first.header("connection"), last.header("connection")) == (None, "close")
            assert client.is_ended()


def test_an_http_1_0_connection_is_closed_after_its_answer(frontend: FrontendProcess) -> None:
    for request in [predict("doubles", [1]), get("/healthz")]:
        with RawClient(frontend.port) as client:
            assert client.send(request.replace(b"HTTP/1.1", b"HTTP/1.0")).response().status == 200
            assert client.is_ended()
