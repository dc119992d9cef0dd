import socket
from collections.abc import Iterator

import pytest

from harness.canned_server import Answer, CannedServer, canned_server
from skysail_admin import (
    AlreadyExistsError,
    InUseError,
    InvalidRequestError,
    NotFoundError,
    SkysailError,
    UnauthorizedError,
    UnavailableError,
    WaitTimeoutError,
)
from skysail_admin.connection import Connection, segment


@pytest.fixture
def server() -> Iterator[CannedServer]:
    with canned_server() as canned:
        yield canned


@pytest.fixture
def connection(server: CannedServer) -> Iterator[Connection]:
    connection = Connection(server.url, "management", token="s3cret", timeout_s=5)  # noqa: S106 - made up here
    yield connection
    connection.close()


def error_answer(status: int, code: str, message: str = "what the server said", field: str | None = None) -> Answer:
    return Answer(status, {"error": {"code": code, "message": message, "field": field}})


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "invalid", InvalidRequestError),
        (401, "unauthorized", UnauthorizedError),
        (404, "not_found", NotFoundError),
        (409, "already_exists", AlreadyExistsError),
        (409, "in_use", InUseError),
        (409, "incompatible", InvalidRequestError),
        (413, "too_large", InvalidRequestError),
        (503, "registry_unavailable", UnavailableError),
        (500, "internal", SkysailError),
    ],
)
def test_each_refusal_has_its_own_type_and_the_servers_text(
    server: CannedServer, connection: Connection, status: int, code: str, kind: type[SkysailError]
) -> None:
    server.answers["GET", "/x"] = error_answer(status, code, field="name")
    with pytest.raises(SkysailError) as caught:
        connection.get("/x")
    assert type(caught.value) is kind
    assert caught.value.message.startswith("what the server said")
    assert (caught.value.code, caught.value.field, caught.value.status) == (code, "name", status)


def test_the_query_frontends_error_object_is_understood(server: CannedServer, connection: Connection) -> None:
    server.answers["POST", "/x"] = Answer(400, {"error": "Json error", "cause": "input: expected an array"})
    with pytest.raises(InvalidRequestError, match=r"^Json error: input: expected an array$"):
        connection.post("/x", {})


@pytest.mark.parametrize("body", ["plain words", "[1]", '{"detail": "plain words"}', '{"error": "plain words"}'])
def test_an_error_of_any_other_shape_still_has_a_text(server: CannedServer, connection: Connection, body: str) -> None:
    server.answers["GET", "/x"] = Answer(500, body)
    with pytest.raises(SkysailError) as caught:
        connection.get("/x")
    assert caught.value.message in ("plain words", "[1]")


def test_a_success_that_is_not_json_is_named_as_a_wrong_address(server: CannedServer, connection: Connection) -> None:
    server.answers["GET", "/x"] = Answer(200, "<html>")
    with pytest.raises(SkysailError, match="not JSON; is this Skysail's management"):
        connection.get("/x")


def test_the_token_goes_with_every_request(server: CannedServer, connection: Connection) -> None:
    server.answers["GET", "/x"] = Answer(200, {})
    connection.get("/x")
    assert server.requests[0].headers["authorization"] == "Bearer s3cret"


def test_nothing_listening_is_said_with_what_to_do() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound but not listening: refused
        connection = Connection(f"http://127.0.0.1:{taken.getsockname()[1]}", "management")
        with pytest.raises(UnavailableError, match="is the stack running\\? start it with: skysail up"):
            connection.get("/x")
        connection.close()


def test_a_server_that_never_answers_is_given_up_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        connection = Connection(f"http://127.0.0.1:{silent.getsockname()[1]}", "management", timeout_s=0.2)
        with pytest.raises(WaitTimeoutError, match="did not answer in time"):
            connection.get("/x")
        connection.close()


@pytest.mark.parametrize("url", ["127.0.0.1:1338", "ftp://host", "http://", "http://[::1"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(InvalidRequestError, match=r"address like|not a URL"):
        Connection(url, "management")


def test_a_proxy_of_the_environment_is_not_used_for_this_machine(
    server: CannedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    server.answers["GET", "/x"] = Answer(200, {"reached": True})
    connection = Connection(server.url, "management")
    assert connection.get("/x") == {"reached": True}
    connection.close()


def test_an_upload_is_streamed_with_its_length(server: CannedServer, connection: Connection) -> None:
    server.answers["PUT", "/x"] = Answer(201, {"ok": True})
    connection.upload("/x", iter([b"abc", b"def"]), 6)
    assert server.requests[0].body == b"abcdef"
    assert server.requests[0].headers["content-length"] == "6"


def test_a_value_that_json_has_no_word_for_is_refused_before_it_is_sent(
    server: CannedServer, connection: Connection
) -> None:
    with pytest.raises(InvalidRequestError, match="cannot be written as JSON"):
        connection.post("/x", {"input": [float("nan")]})
    assert not server.requests


@pytest.mark.parametrize("name", ["", ".", "..", "..."])
def test_a_name_that_would_change_the_path_is_refused(name: str) -> None:
    with pytest.raises(InvalidRequestError, match="not a name"):
        segment(name)


def test_a_name_stays_one_segment() -> None:
    assert segment("a/b?c#d") == "a%2Fb%3Fc%23d"
    assert segment(3) == "3"
