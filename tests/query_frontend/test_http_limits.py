"""What a client may send, how much and how slowly; what it gets beyond that, and what that costs the frontend."""

import contextlib
import socket
import time
from collections.abc import Iterator

import pytest

from harness.frontend_process import FrontendProcess
from harness.frontend_rig import FrontendRig
from harness.probe_model import SLEEP
from harness.raw_http import TIMEOUT_S, RawClient, Response, chunked, get, post, predict
from harness.wait_until import wait_until

pytestmark = pytest.mark.xdist_group("frontend-limits")  # one worker runs them all, on one frontend

MAX_BODY_BYTES, MAX_HEADER_BYTES = 100_000, 32 * 1024
RECEIVE_TIMEOUT_S, IDLE_TIMEOUT_S = 0.6, 1.2
FLAGS = (
    f"--max-body-bytes={MAX_BODY_BYTES}",
    f"--max-header-bytes={MAX_HEADER_BYTES}",
    f"--receive-timeout-s={RECEIVE_TIMEOUT_S}",
    f"--idle-timeout-s={IDLE_TIMEOUT_S}",
)
PATHS = ["/unlinked/predict", "/unlinked/update"]  # the first is the lane's
GROWTH_BYTES = 24 * 1024 * 1024
"""What abuse may cost: allocators keep some; the attacks below send a multiple of it."""

CHUNKED_HEAD = b"POST /unlinked/predict HTTP/1.1\r\nHost: skysail\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.fixture(scope="module")
def frontend(rig: FrontendRig) -> FrontendProcess:
    return rig.frontend(*FLAGS)


@pytest.fixture
def client(frontend: FrontendProcess) -> Iterator[RawClient]:
    with RawClient(frontend.port) as client:
        yield client


def refused(client: RawClient, status: int) -> Response:
    """The one response, after which the connection is over."""
    response = client.response()
    assert response.status == status, response
    assert response.json()["error"] == "HTTP error"
    assert response.header("connection") == "close"
    assert client.is_ended()
    return response


# --- bodies -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", PATHS)
def test_an_announced_body_over_the_limit_is_refused_and_the_answer_can_be_read(client: RawClient, path: str) -> None:
    client.send(post(path, b"x" * (50 * MAX_BODY_BYTES)))  # more than the sockets' buffers hold
    assert str(MAX_BODY_BYTES) in refused(client, 413).json()["cause"]


@pytest.mark.parametrize("path", PATHS)
def test_a_chunked_body_over_the_limit_is_refused_and_the_answer_can_be_read(client: RawClient, path: str) -> None:
    client.send(chunked(path, *[b"x" * 10_000] * 50))
    refused(client, 413)


@pytest.mark.parametrize("path", PATHS)
def test_a_body_of_exactly_the_limit_is_taken(client: RawClient, path: str) -> None:
    body = b'{"input":[1],"uid":1,"label":1}'.ljust(MAX_BODY_BYTES)
    assert client.send(post(path, body)).response().status == 200
    assert client.send(chunked(path, body[:5], body[5:])).response().status == 200


def test_a_client_that_asks_before_it_sends_too_much_is_not_told_to_continue(client: RawClient) -> None:
    head = "POST /unlinked/predict HTTP/1.1\r\nHost: skysail\r\nExpect: 100-continue\r\nContent-Length: 100001\r\n\r\n"
    assert client.send(head.encode()).any_response().status == 413
    assert client.is_ended()


@pytest.mark.parametrize("path", PATHS)
def test_a_client_that_asks_before_it_sends_is_told_to_continue(client: RawClient, path: str) -> None:
    body = b'{"input":[1],"uid":1,"label":1}'
    request = post(path, body, "Expect: 100-continue")
    assert client.send(request.removesuffix(body)).any_response().status == 100
    assert client.send(body).response().status == 200


# --- heads ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", PATHS)
def test_headers_up_to_the_limit_are_taken(client: RawClient, path: str) -> None:
    request = post(path, b'{"input":[1],"uid":1,"label":1}', "X-Long: " + "x" * (MAX_HEADER_BYTES - 200))
    assert client.send(request).response().status == 200
    assert client.send(request[:20_000], request[20_000:]).response().status == 200


@pytest.mark.parametrize("n_pieces", [1, 40])
@pytest.mark.parametrize(
    "head",
    [
        b"POST /unlinked/predict?" + b"x" * MAX_HEADER_BYTES + b" HTTP/1.1\r\n\r\n",
        b"POST /unlinked/predict HTTP/1.1\r\n" + b"A: b\r\n" * 6000 + b"\r\n",
        b"POST /unlinked/predict HTTP/1.1\r\nA: " + b"x" * MAX_HEADER_BYTES + b"\r\n\r\n",
        b"POST /unlinked/predict HTTP/1.1\r\n" + b"x" * MAX_HEADER_BYTES + b": 1\r\n\r\n",
    ],
    ids=["URL", "many headers", "long value", "long name"],
)
def test_a_head_over_the_limit_is_refused(client: RawClient, head: bytes, n_pieces: int) -> None:
    step = len(head) // n_pieces + 1
    client.send(*(head[i : i + step] for i in range(0, len(head), step)))
    assert str(MAX_HEADER_BYTES) in refused(client, 431).json()["cause"]


@pytest.mark.parametrize(
    ("start", "more"),
    [
        (b"POST /", b"x" * 1000),
        (b"POST /unlinked/predict HTTP/1.1\r\n", b"A: b\r\n" * 100),
        (b"POST /unlinked/predict HTTP/1.1\r\nA: ", b"x" * 1000),
        (CHUNKED_HEAD + b"2\r\n{}\r\n0\r\n", b"A: b\r\n" * 200),
        (CHUNKED_HEAD + b"2\r\n{}\r\n0\r\nA: ", b"x" * 1000),
        (CHUNKED_HEAD + b"2;", b"x" * 1000),
    ],
    ids=["URL", "headers", "value", "trailers", "trailer value", "chunk extension"],
)
def test_what_never_ends_is_refused_as_soon_as_it_is_over_the_limit(
    client: RawClient, start: bytes, more: bytes
) -> None:
    client.send(start, *[more] * 100)
    refused(client, 431)


def test_trailers_and_chunk_extensions_within_the_limit_are_passed_over(client: RawClient) -> None:
    body = b'6;name="value"\r\n{"inpu\r\n7\r\nt":[1]}\r\n0\r\nExpires: never\r\nX: y\r\n\r\n'
    assert client.send(CHUNKED_HEAD + body, get("/healthz")).response().json()["default_reason"] == "no_link"
    assert client.response().json() == {"status": "ok"}


# --- time -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "part",
    [
        b"POST /unlinked/predict HT",
        b"POST /unlinked/predict HTTP/1.1\r\nHost: sky",
        b"POST /unlinked/predict HTTP/1.1\r\nContent-Length: 10\r\n\r\n{",
        b"POST /unlinked/update HTTP/1.1\r\nContent-Length: 10\r\n\r\n{",
        CHUNKED_HEAD,
    ],
    ids=["request line", "header", "body", "body of another route", "chunked body"],
)
def test_a_request_that_never_ends_is_refused(client: RawClient, part: bytes) -> None:
    assert f"{RECEIVE_TIMEOUT_S:g} s" in refused(client.send(part), 408).json()["cause"]


def test_a_request_that_trickles_in_is_refused(client: RawClient) -> None:
    client.send(b"POST /unlinked/predict HTTP/1.1\r\nContent-Length: 100\r\n\r\n")
    started_s = time.monotonic()
    while not client.has_news_within(0.05):
        client.send(b" ")
        assert time.monotonic() < started_s + 20
    refused(client, 408)


@pytest.mark.parametrize("first", [b"", get("/healthz"), predict("unlinked", [1])], ids=["nothing", "GET", "predict"])
def test_an_idle_connection_is_closed_without_a_word(client: RawClient, first: bytes) -> None:
    if first:
        assert client.send(first).response().status == 200
    assert not client.has_news_within(IDLE_TIMEOUT_S / 2)
    assert client.is_ended()


@pytest.mark.parametrize("path", PATHS)
def test_a_connection_that_asks_now_and_then_is_not_idle(client: RawClient, path: str) -> None:
    until_s = time.monotonic() + 3 * IDLE_TIMEOUT_S
    while time.monotonic() < until_s:
        client.send(post(path, {"input": [1], "uid": 1, "label": 1}))
        assert client.response().status == 200
        time.sleep(IDLE_TIMEOUT_S / 8)


def test_a_connection_that_waits_for_its_answer_is_not_idle(rig: FrontendRig) -> None:
    frontend = rig.serving(*FLAGS)
    wait_s = IDLE_TIMEOUT_S + 1.5  # a sweep comes every half second
    with RawClient(frontend.port) as lane, RawClient(frontend.port) as plain:
        lane.send(predict("doubles", [SLEEP, wait_s]))
        plain.send(post("/doubles/predict?through=asgi", {"input": [SLEEP, 0.0]}))
        assert lane.response().json()["output"] == wait_s
        assert plain.response().json()["output"] == 0.0


# --- what is not HTTP -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [
        bytes.fromhex("16030100f8010000f40303") + bytes(240),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9),
        b"\x00\x01\x02\x03\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"NOTAMETHOD / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.9\r\n\r\n",
        b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
        b"GET / HTTP/1.1\r\nA : space before the colon\r\n\r\n",
        b"GET / HTTP/1.1\r\nA: b\r\n folded\r\n\r\n",
        b"GET / HTTP/1.1\nHost: bare line feeds\n\n",
        b"GET /\xff\xfe HTTP/1.1\r\n\r\n",
        b"GET http://host HTTP/1.1\r\n\r\n",
        b"CONNECT host:443 HTTP/1.1\r\n\r\n",
    ],
)
def test_what_is_not_http_is_refused(client: RawClient, data: bytes) -> None:
    refused(client.send(data), 400)


@pytest.mark.parametrize(
    "framing",
    [
        b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n{   }",
        b"Content-Length: 5\r\nContent-Length: 5\r\n\r\n{   }",
        b"Content-Length: 5, 5\r\n\r\n{   }",
        b"Content-Length: +5\r\n\r\n{   }",
        b"Content-Length: -5\r\n\r\n{   }",
        b"Content-Length: 0x5\r\n\r\n{   }",
        b"Content-Length: 99999999999999999999999\r\n\r\n{   }",
        b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n-1\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n0x2\r\n{}\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n2 \r\n{}\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n2\n{}\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}more\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n{}\r\n0\r\n\r\n",
    ],
)
def test_a_request_of_doubtful_length_is_refused_and_nothing_after_it_is_taken_for_a_request(
    client: RawClient, framing: bytes
) -> None:
    head = b"POST /unlinked/predict HTTP/1.1\r\nHost: skysail\r\n"
    client.send(head + framing + post("/unlinked/predict", {"input": [1]}))
    refused(client, 400)


@pytest.mark.parametrize("path", PATHS)
def test_bytes_after_an_answered_request_do_not_spoil_its_answer(client: RawClient, path: str) -> None:
    client.send(post(path, {"input": [1], "uid": 1, "label": 1}) + b"\x16\x03garbage")
    assert client.response().status == 200
    refused(client, 400)


@pytest.mark.parametrize(
    "rest",
    [b"zz\r\n", b"1\r\na\r\n", b"10000\r\n" + bytes(0x10000) + b"\r\n10000\r\n" + bytes(0x10000)],
    ids=["malformed", "never ends", "too large"],
)
def test_a_request_answered_before_it_was_all_there_is_answered_once(client: RawClient, rest: bytes) -> None:
    client.send(CHUNKED_HEAD.replace(b"/unlinked/predict", b"/no/such/route"))
    assert client.response().status == 404
    client.send(rest)
    assert client.is_ended()


@pytest.mark.parametrize("path", PATHS)
def test_what_follows_a_connections_last_request_is_not_looked_at(client: RawClient, path: str) -> None:
    last = post(path, {"input": [1], "uid": 1, "label": 1}, "Connection: close")
    client.send(last + predict("unlinked", [1]) * 400 + b"garbage")
    assert client.response().header("connection") == "close"
    assert client.is_ended()


# --- memory -----------------------------------------------------------------------------------------------------------


def test_memory_stays_flat_under_hundreds_of_abusive_connections(frontend: FrontendProcess) -> None:
    abuse_all_ways(frontend)
    before_bytes = frontend.rss_bytes
    for _ in range(3):
        abuse_all_ways(frontend)
    assert frontend.rss_bytes - before_bytes < GROWTH_BYTES
    wait_until(lambda: frontend.metric("skysail_connections") <= 1, "an end of the abusive connections")


def abuse_all_ways(frontend: FrontendProcess) -> None:
    """Hundreds of connections that each send up to a megabyte that nobody wants."""
    attacks = [
        (b"POST /", b"x" * 50_000),
        (b"GET / HTTP/1.1\r\nA: ", b"x" * 50_000),
        (CHUNKED_HEAD, b"c350\r\n" + b"x" * 50_000 + b"\r\n"),
        (CHUNKED_HEAD + b"2;", b"x" * 50_000),
        (CHUNKED_HEAD + b"0\r\n", b"A: " + b"x" * 50_000 + b"\r\n"),
        (b"POST /unlinked/update HTTP/1.1\r\nContent-Length: 99000\r\n\r\n", b"x" * 30_000),
        (b"\x16\x03", b"x" * 50_000),
    ]
    for _ in range(15):
        for start, more in attacks:
            with RawClient(frontend.port) as client:
                client.send(start)
                client.send_until_refused(more, 3)


@pytest.mark.parametrize(
    "requests",
    [
        predict("bulky", [1]) * 50,
        get("/openapi.json") * 50,
        get("/openapi.json") + predict("bulky", [1]) * 50,
        post("/bulky/predict?through=asgi", {"input": [1]}) * 50,
    ],
    ids=["lane", "ASGI", "mixed", "predictions through ASGI"],
)
def test_a_client_that_reads_nothing_is_stopped_and_then_cut_off(frontend: FrontendProcess, requests: bytes) -> None:
    most_bytes = 16 * 1024 * 1024
    before_bytes = frontend.rss_bytes
    with RawClient(frontend.port, receive_buffer_bytes=32 * 1024) as client:
        n_sent = send_without_reading(client.socket, requests, most_bytes)
        assert n_sent < most_bytes
        assert frontend.rss_bytes - before_bytes < GROWTH_BYTES
        wait_until(lambda: is_reset(client.socket), "an end of the connection")


def send_without_reading(sender: socket.socket, requests: bytes, most_bytes: int) -> int:
    """Sends whole rounds of requests until nothing more is taken for a while; the bytes taken."""
    sender.settimeout(IDLE_TIMEOUT_S / 2)
    n_sent = 0
    while n_sent < most_bytes:
        try:
            n_sent += sender.send(memoryview(requests)[n_sent % len(requests) :])
        except TimeoutError:
            break
    return n_sent


def is_reset(sender: socket.socket) -> bool:
    try:
        sender.send(b"x")
    except TimeoutError:
        return False
    except (ConnectionResetError, BrokenPipeError):
        return True
    return False


def test_a_client_that_reads_late_gets_every_answer(frontend: FrontendProcess) -> None:
    n_requests = 2000
    with RawClient(frontend.port, receive_buffer_bytes=32 * 1024) as client:
        rest = memoryview(predict("bulky", [1]) * n_requests)
        n_answers = 0
        while n_answers < n_requests:
            client.socket.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                rest = rest[client.socket.send(rest) :]
            client.socket.settimeout(TIMEOUT_S)
            assert client.response().json()["default_reason"] == "no_link"
            n_answers += 1
        assert not rest
