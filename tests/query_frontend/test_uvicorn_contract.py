"""What the lane takes for granted of uvicorn beyond its documented interface.

The lane subclasses uvicorn's httptools protocol. A release that moves one of these things fails here, with a sentence
that says what moved, before it fails in a way that is hard to read.
"""

import asyncio
import inspect
import re
import tomllib
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any, NoReturn

import httptools
import pytest
import uvicorn
from packaging.specifiers import SpecifierSet
from uvicorn.protocols.http import httptools_impl
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import Server, ServerState

PYPROJECT = Path(__file__).parents[2] / "query_frontend" / "pyproject.toml"

SIGNATURES: dict[Callable[..., object], list[str]] = {
    HttpToolsProtocol.__init__: ["self", "config", "server_state", "app_state", "_loop"],
    HttpToolsProtocol.connection_made: ["self", "transport"],
    HttpToolsProtocol.connection_lost: ["self", "exc"],
    HttpToolsProtocol.data_received: ["self", "data"],
    HttpToolsProtocol.eof_received: ["self"],
    HttpToolsProtocol.send_400_response: ["self", "msg"],
    HttpToolsProtocol.on_message_begin: ["self"],
    HttpToolsProtocol.on_url: ["self", "url"],
    HttpToolsProtocol.on_header: ["self", "name", "value"],
    HttpToolsProtocol.on_headers_complete: ["self"],
    HttpToolsProtocol.on_body: ["self", "body"],
    HttpToolsProtocol.on_message_complete: ["self"],
    HttpToolsProtocol.on_response_complete: ["self"],
    HttpToolsProtocol._start_asgi_task: ["self", "cycle", "app"],
    HttpToolsProtocol.shutdown: ["self"],
    HttpToolsProtocol.pause_writing: ["self"],
    HttpToolsProtocol.resume_writing: ["self"],
    FlowControl.__init__: ["self", "transport"],
    FlowControl.pause_reading: ["self"],
    FlowControl.resume_reading: ["self"],
    FlowControl.pause_writing: ["self"],
    FlowControl.resume_writing: ["self"],
    Server._serve: ["self", "sockets"],
    Server.shutdown: ["self", "sockets"],
}

PROTOCOL_ATTRIBUTES = {
    "config", "app", "loop", "parser", "server_state", "connections", "tasks", "transport", "flow", "pipeline", "scope",
    "headers", "expect_100_continue", "cycle", "timeout_keep_alive_task",
}  # fmt: skip
CYCLE_ATTRIBUTES = {
    "disconnected", "keep_alive", "waiting_for_100_continue", "message_event", "more_body", "response_started",
    "response_complete",
}  # fmt: skip


def moved(what: str) -> NoReturn:
    pytest.fail(
        f"uvicorn {uvicorn.__version__}: {what}. skysail_frontend.guarded_input, .guarded_protocol and .hot_lane rest "
        "on it; look at them before the range in query_frontend/pyproject.toml is widened."
    )


class Transport(asyncio.Transport):
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.is_reading_paused = False
        self.is_closed = False

    def write(self, data: object) -> None:
        assert isinstance(data, bytes)
        self.written += data

    def pause_reading(self) -> None:
        self.is_reading_paused = True

    def resume_reading(self) -> None:
        self.is_reading_paused = False

    def is_closing(self) -> bool:
        return self.is_closed

    def close(self) -> None:
        self.is_closed = True


async def answer(scope: Any, receive: Any, send: Any) -> None:
    """Answers with the body of the request."""
    message = await receive()
    while message.get("more_body"):
        message = await receive()
    headers = [(b"content-length", b"%d" % len(message["body"]))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": message["body"]})


class Recorder(HttpToolsProtocol):
    """Writes down which callback comes when, and whether the facts of a request are known by then."""

    def __init__(self) -> None:
        config = uvicorn.Config(answer, lifespan="off", log_config=None)
        super().__init__(config, ServerState(), {}, asyncio.get_running_loop())
        self.heard: list[str] = []

    def on_message_begin(self) -> None:
        self.heard.append("begin")
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self.heard.append(f"head {self.url!r} {self.parser.get_method()!r} {len(self.headers)}")
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self.heard.append(f"body {body!r}")
        super().on_body(body)

    def on_message_complete(self) -> None:
        self.heard.append("complete")
        super().on_message_complete()

    def on_response_complete(self) -> None:
        self.heard.append("answered")
        super().on_response_complete()


def connected() -> tuple[Recorder, Transport]:
    recorder, transport = Recorder(), Transport()
    recorder.connection_made(transport)
    return recorder, transport


async def finish(recorder: Recorder) -> None:
    """Lets the tasks of all requests so far end."""
    while recorder.tasks:
        await asyncio.gather(*recorder.tasks)
        await asyncio.sleep(0)


def test_the_installed_uvicorn_is_in_the_declared_range() -> None:
    dependencies = tomllib.loads(PYPROJECT.read_text())["project"]["dependencies"]
    declared = next(one for one in dependencies if one.startswith("uvicorn"))
    specifiers = SpecifierSet(re.sub(r"^uvicorn(\[.*?\])?", "", declared))
    assert {">=", "<"} <= {one.operator for one in specifiers}, f"{declared!r} has no upper and lower bound"
    if not specifiers.contains(version("uvicorn")):
        moved(f"the declared range is {specifiers}")


@pytest.mark.parametrize("method", SIGNATURES, ids=lambda method: method.__qualname__)
def test_methods_take_what_they_took(method: Callable[..., object]) -> None:
    parameters = list(inspect.signature(method).parameters)
    if parameters != SIGNATURES[method]:
        moved(f"{method.__qualname__} takes {parameters}, not {SIGNATURES[method]}")


async def test_a_protocol_has_its_attributes() -> None:
    recorder, _ = connected()
    missing = PROTOCOL_ATTRIBUTES - vars(recorder).keys()
    if missing:
        moved(f"HttpToolsProtocol has no {', '.join(sorted(missing))}")
    if not isinstance(recorder.flow, FlowControl) or not isinstance(recorder.parser, httptools.HttpRequestParser):
        moved("flow or parser is of another type")
    if recorder not in recorder.server_state.connections:
        moved("a connection is not in server_state.connections")


async def test_a_request_response_cycle_has_its_attributes() -> None:
    recorder, _ = connected()
    recorder.data_received(b"POST /a HTTP/1.1\r\nContent-Length: 2\r\n\r\n1")
    if not isinstance(recorder.cycle, RequestResponseCycle):
        moved("a request makes no RequestResponseCycle")
    missing = CYCLE_ATTRIBUTES - vars(recorder.cycle).keys()
    if missing:
        moved(f"RequestResponseCycle has no {', '.join(sorted(missing))}")
    if (recorder.cycle.more_body, recorder.cycle.response_complete) != (True, False):
        moved("a request that is not all there has more_body False or response_complete True")
    recorder.data_received(b"2")
    if (recorder.cycle.more_body, recorder.cycle.response_complete) != (False, False):
        moved("a request that is all there has more_body True")
    await finish(recorder)
    if (recorder.cycle.more_body, recorder.cycle.response_complete) != (False, True):
        moved("an answered request has response_complete False")


async def test_callbacks_come_in_their_order_and_know_the_head() -> None:
    recorder, transport = connected()
    recorder.data_received(b"POST /a?b HTTP/1.1\r\nHost: c\r\nContent-Length: 2\r\n\r\n12")
    await finish(recorder)
    expected = ["begin", "head b'/a?b' b'POST' 2", "body b'12'", "complete", "answered"]
    if recorder.heard != expected:
        moved(f"callbacks come as {recorder.heard}, not as {expected}")
    assert transport.written.endswith(b"\r\n\r\n12")


async def test_a_second_request_waits_in_the_pipeline_and_pauses_reading() -> None:
    recorder, transport = connected()
    recorder.data_received(b"GET /first HTTP/1.1\r\n\r\nGET /second HTTP/1.1\r\n\r\nGET /third HTTP/1.1\r\n\r\n")
    paths = [cycle.scope["path"] for cycle, _ in recorder.pipeline]
    if paths != ["/third", "/second"]:
        moved(f"the pipeline holds {paths}: the newest request is not on the left, or the first one waits, too")
    if not transport.is_reading_paused or not recorder.flow.read_paused:
        moved("reading is not paused while requests wait in the pipeline")
    await finish(recorder)
    if recorder.pipeline or transport.written.count(b"HTTP/1.1 200") != 3 or transport.is_reading_paused:
        moved("the pipeline is not worked off by on_response_complete")


async def test_a_request_is_started_at_once_when_the_cycle_before_is_complete() -> None:
    """The lane stands in for a cycle with an object that has `response_complete` alone."""

    class Busy:
        response_complete = False

    recorder, _ = connected()
    recorder.cycle = Busy()  # type: ignore[assignment]  # that is the point
    recorder.data_received(b"GET /waits HTTP/1.1\r\n\r\n")
    if len(recorder.pipeline) != 1 or recorder.tasks:
        moved("whether a request must wait is not told by cycle.response_complete")
    recorder._start_asgi_task(*recorder.pipeline.pop())
    if len(recorder.tasks) != 1:
        moved("_start_asgi_task does not start the task of a request, or does not keep it in tasks")
    await finish(recorder)


async def test_a_dropped_request_writes_nothing() -> None:
    recorder, transport = connected()
    recorder.data_received(b"POST /a HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n1")
    cycle = recorder.cycle
    cycle.disconnected = True
    cycle.waiting_for_100_continue = False
    cycle.message_event.set()
    with pytest.raises(KeyError):  # the app above does not expect http.disconnect
        await answer(cycle.scope, cycle.receive, cycle.send)
    await cycle.send({"type": "http.response.start", "status": 200, "headers": []})
    for task in recorder.tasks:
        task.cancel()
    await asyncio.gather(*recorder.tasks, return_exceptions=True)
    if transport.written:
        moved("a cycle with disconnected set still writes")


async def test_the_server_hands_out_default_headers_as_a_new_list_of_pairs() -> None:
    server = Server(uvicorn.Config(answer, server_header=False, headers=[("server", "skysail")], log_config=None))
    server.config.load()
    await server.on_tick(0)
    first = server.server_state.default_headers
    names = [name for name, _ in first]
    if names != [b"date", b"server"]:
        moved(f"server_state.default_headers holds {names}, not the date and what was configured")
    await server.on_tick(0)
    if server.server_state.default_headers is first:
        moved("default_headers are changed in place; ResponseWriter looks at the list's identity")


def test_a_status_line_is_kept_for_every_status() -> None:
    if STATUS_LINE[200] != b"HTTP/1.1 200 OK\r\n" or not {400, 404, 408, 413, 431, 500} <= STATUS_LINE.keys():
        moved(f"STATUS_LINE[200] is {STATUS_LINE[200]!r}")


def test_the_parser_says_what_the_lane_asks_it() -> None:
    for name in ("feed_data", "get_method", "get_http_version", "should_keep_alive", "should_upgrade"):
        if not callable(getattr(httptools.HttpRequestParser, name, None)):
            moved(f"httptools.HttpRequestParser has no {name}")
    if "set_dangerous_leniencies(lenient_data_after_close=True)" not in inspect.getsource(httptools_impl):
        moved("uvicorn sets up its parser in another way; GuardedInput sets up its second one likewise")


def test_an_upgrade_stops_the_parser_behind_the_head_and_leaves_out_the_body() -> None:
    """GuardedInput parses such a head again without the upgrade."""

    class Callbacks:
        body = b""

        def on_body(self, body: bytes) -> None:
            self.body += body

    callbacks = Callbacks()
    parser = httptools.HttpRequestParser(callbacks)
    head = b"POST /a HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 4\r\n\r\n"
    with pytest.raises(httptools.HttpParserUpgrade) as stop:
        parser.feed_data(head + b"body")
    if stop.value.args[0] != len(head) or callbacks.body:
        moved(f"httptools {version('httptools')} reads the body of a request to upgrade itself")


def test_the_server_serves_sockets_and_stops_on_should_exit() -> None:
    source = inspect.getsource(Server)
    for fact in (
        "connection.shutdown()",
        "timeout_graceful_shutdown",
        "self.should_exit",
        "await self.lifespan.shutdown()",
    ):
        if fact not in source:
            moved(f"uvicorn.Server no longer has {fact!r}")
    if "capture_signals" in inspect.getsource(Server._serve):
        moved("Server._serve takes over signal handling, which the worker does itself")
