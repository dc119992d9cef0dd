"""The closed loop counts every answer once, as what it is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from benchmarks.closed_loop import ClosedLoopError, Summary, run_closed_loop

BODIES = [b'{"input":[%d]}' % number for number in range(50)]
Reply = Callable[[bytes], bytes]


def response(body: bytes, status: bytes = b"200 OK") -> bytes:
    return b"HTTP/1.1 %b\r\ncontent-type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (status, len(body), body)


@asynccontextmanager
async def serving(reply: Reply) -> AsyncIterator[int]:
    """A server on a free port that answers each body with `reply(body)`; an empty reply closes the connection."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = int(head.lower().partition(b"content-length:")[2].split()[0])
                answer = reply(await reader.readexactly(length))
                if not answer:
                    break
                writer.write(answer)
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def load(reply: Reply, connections: int = 4) -> Summary:
    async with serving(reply) as port:
        return await asyncio.to_thread(
            run_closed_loop, "127.0.0.1", port, "/a/predict", BODIES, connections, 0.3, warm_up_s=0.1
        )


async def test_predictions_are_counted_with_their_latencies() -> None:
    seen = await load(lambda _: response(b'{"query_id":1,"output":2,"default":false}'))
    assert seen.requests > 0
    assert seen.errors == seen.defaults == 0
    assert 0 < seen.p50_ms <= seen.p99_ms <= seen.max_ms
    assert seen.requests_per_s == pytest.approx(seen.requests / seen.duration_s, rel=0.01)


async def test_default_outputs_are_told_from_predictions() -> None:
    seen = await load(lambda _: response(b'{"query_id":1,"output":2,"default":true}'))
    assert seen.defaults == seen.requests > 0


async def test_another_status_is_an_error_and_not_a_request_served() -> None:
    seen = await load(lambda _: response(b'{"error":"Json error"}', b"400 Bad Request"))
    assert seen.requests == 0
    assert seen.errors > 0


async def test_a_connection_lost_is_an_error_and_is_replaced() -> None:
    answers = iter([b""] * 8)
    seen = await load(lambda _: next(answers, response(b'{"default":false}')))
    assert seen.requests > 0


async def test_a_server_that_hangs_up_on_every_query_gives_errors_only() -> None:
    seen = await load(lambda _: b"")
    assert seen.requests == 0
    assert seen.errors > 0


async def test_an_answer_without_a_length_is_an_error() -> None:
    seen = await load(lambda _: b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
    assert seen.requests == 0
    assert seen.errors > 0


async def test_an_answer_in_many_pieces_is_one_answer() -> None:
    body = b'{"output":"' + b"x" * 300_000 + b'","default":false}'
    seen = await load(lambda _: response(body))
    assert seen.requests > 0
    assert seen.errors == 0


async def test_every_body_of_the_pool_is_sent_in_turn() -> None:
    bodies: list[bytes] = []

    def keep(body: bytes) -> bytes:
        bodies.append(body)
        return response(b"{}")

    await load(keep, connections=1)
    assert bodies[: len(BODIES)] == BODIES


def test_a_port_nobody_listens_on_is_one_clear_error(unused_tcp_port: int) -> None:
    with pytest.raises(ClosedLoopError, match=f"cannot connect to 127.0.0.1:{unused_tcp_port}"):
        run_closed_loop("127.0.0.1", unused_tcp_port, "/a/predict", BODIES, 2, 0.1)


def test_a_body_with_a_line_break_is_refused() -> None:
    with pytest.raises(ClosedLoopError, match="without line breaks"):
        run_closed_loop("127.0.0.1", 1, "/a/predict", [b"{\n}"], 1, 0.1)
