"""The open loop sends when it is meant to, charges every wait to the server, and tells what came back."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from benchmarks.arrivals import Arrivals
from benchmarks.load_plan import LoadPlan, Stream, make_script, write_queries
from benchmarks.load_record import LoadRecord
from benchmarks.load_summary import summarize
from benchmarks.open_loop import OpenLoopError, run_open_loop
from benchmarks.replies import Outcome

CHECKOUT = Path(__file__).resolve().parents[2]
RATE_PER_S = 100.0
DURATION_S = 1.0
N = 100
SLO_S = 20.0
"""So long that no answer is late because the machine is busy."""

Answer = Callable[[float], Awaitable[bytes]]


def response(body: bytes, status: bytes = b"200 OK") -> bytes:
    return b"HTTP/1.1 %b\r\nContent-Length: %d\r\n\r\n%b" % (status, len(body), body)


def prediction(number: float) -> bytes:
    return response(json.dumps({"query_id": int(number), "output": number, "default": False}).encode())


def default_output(number: float) -> bytes:
    answer = {"query_id": int(number), "output": None, "default": True, "default_reason": "overload"}
    return response(json.dumps(answer).encode())


@asynccontextmanager
async def serving(answer: Answer) -> AsyncIterator[int]:
    """A server on a free port that is given the first number of each row; an empty answer closes the connection."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length:")[2].split()[0])
                given = await answer(json.loads(await reader.readexactly(length))["input"][0])
                if not given:
                    break
                writer.write(given)
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


def plan(folder: Path, port: int, **changes: Any) -> LoadPlan:
    queries = write_queries(
        folder / "queries.txt", [(f'{{"input":[{number}.0]}}', float(number)) for number in range(N)]
    )
    arrivals = Arrivals("constant", RATE_PER_S)
    facts: dict[str, Any] = {
        "streams": (Stream("all", "/a/predict", SLO_S, arrivals, str(queries)),),
        "duration_s": DURATION_S,
        "result": str(folder / "raw.npz"),
        "ready_connections": 4,
        "patience_s": 2.0,
    }
    return LoadPlan(port, **(facts | changes))


async def load(folder: Path, answer: Answer, **changes: Any) -> LoadRecord:
    async with serving(answer) as port:
        return await asyncio.to_thread(run_open_loop, plan(folder, port, **changes))


def at_once(answer: Callable[[float], bytes]) -> Answer:
    async def given(number: float) -> bytes:
        return answer(number)

    return given


async def test_every_request_of_the_schedule_is_sent_once_and_answered(tmp_path: Path) -> None:
    numbers: list[float] = []

    async def keep(number: float) -> bytes:
        numbers.append(number)
        return prediction(number)

    record = await load(tmp_path, keep)
    assert sorted(numbers) == list(range(len(numbers)))
    assert record.n == len(numbers) == pytest.approx(N, abs=1)
    assert record.count(Outcome.PREDICTED) == record.n
    assert (record.sent_s >= record.picked_s).all()
    assert (record.picked_s >= record.due_s).all()
    assert (record.done_s > record.sent_s).all()
    assert summarize(record).one_answer_each


async def test_a_server_that_stalls_is_charged_for_all_requests_intended_meanwhile(tmp_path: Path) -> None:
    stall_s = 0.5
    stalled: list[float] = []

    async def answer(number: float) -> bytes:
        if number >= 20 and not stalled:
            stalled.append(time.monotonic())
            time.sleep(stall_s)  # noqa: ASYNC251  # nobody is served meanwhile, which is what is tested
        return prediction(number)

    record = await load(tmp_path, answer, ready_connections=1, max_connections=1)
    begins_s = stalled[0] - record.started_s
    meanwhile = record.between(begins_s, begins_s + stall_s)
    assert meanwhile.n >= 0.8 * stall_s * RATE_PER_S
    # One connection waits for its answer, as a closed loop would; the rest wait unsent, and all are charged.
    assert (meanwhile.done_s >= begins_s + stall_s).all()
    assert (meanwhile.latency_s >= begins_s + stall_s - meanwhile.due_s).all()
    assert np.isnan(record.sent_s).sum() == 0


async def test_while_all_connections_wait_more_are_opened(tmp_path: Path) -> None:
    reached = asyncio.Event()
    waiting: set[float] = set()

    async def answer(number: float) -> bytes:
        waiting.add(number)
        if len(waiting) == 30:
            reached.set()
        await reached.wait()
        return prediction(number)

    record = await load(tmp_path, answer, ready_connections=2, max_connections=50)
    assert record.count(Outcome.PREDICTED) == record.n
    assert 30 <= len(set(record.connection.tolist())) <= 50


async def test_replies_are_told_apart(tmp_path: Path) -> None:
    def answer(number: float) -> bytes:
        return {
            0: default_output(number),
            1: response(b'{"error":"Json error"}', b"400 Bad Request"),
            2: prediction(number + 1000),
            3: b"",
            4: response(b"{"),
            5: b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        }.get(int(number) % 10, prediction(number))

    record = await load(tmp_path, at_once(answer))
    counts = {outcome: record.count(outcome) for outcome in Outcome}
    tens = pytest.approx(record.n / 10, abs=1)
    assert counts[Outcome.DEFAULTED] == tens
    assert counts[Outcome.HTTP_ERROR] == tens
    assert counts[Outcome.WRONG] == pytest.approx(3 * record.n / 10, abs=3)
    assert counts[Outcome.NONE] == tens
    assert sum(counts.values()) == record.n
    assert summarize(record).defaulted == {"overload": counts[Outcome.DEFAULTED]}


async def test_an_answer_after_the_slo_is_late_whatever_it_says(tmp_path: Path) -> None:
    async def answer(number: float) -> bytes:
        await asyncio.sleep(0.1)
        return default_output(number) if number % 2 else prediction(number)

    queries = write_queries(tmp_path / "own.txt", [(f'{{"input":[{number}.0]}}', None) for number in range(N)])
    stream = Stream("tight", "/a/predict", 0.01, Arrivals("poisson", RATE_PER_S), str(queries))
    record = await load(tmp_path, answer, streams=(stream,))
    assert record.count(Outcome.LATE) == record.n > 0


async def test_two_answers_to_one_request_are_noticed(tmp_path: Path) -> None:
    record = await load(tmp_path, at_once(lambda number: prediction(number) * 2))
    assert record.n_surplus > 0
    assert not summarize(record).one_answer_each


async def test_what_is_never_answered_is_counted_as_such(tmp_path: Path) -> None:
    never = asyncio.Event()

    async def answer(number: float) -> bytes:
        if number >= 90:
            await never.wait()
        return prediction(number)

    record = await load(tmp_path, answer, patience_s=1.0)
    never.set()
    assert record.count(Outcome.NONE) == record.n - 90
    assert np.isnan(record.done_s).sum() == record.n - 90


async def test_clients_that_leave_are_neither_answered_nor_missed(tmp_path: Path) -> None:
    leaving = make_script(plan(tmp_path, 1, cancelled_share=0.3)).leaves_after_s
    never = asyncio.Event()

    async def answer(number: float) -> bytes:
        if number in leaving:
            await never.wait()
        return prediction(number)

    record = await load(tmp_path, answer, cancelled_share=0.3)
    never.set()
    assert record.count(Outcome.CANCELLED) == len(leaving) > 0
    assert record.count(Outcome.PREDICTED) == record.n - len(leaving)


async def test_streams_keep_their_paths_and_schedules_apart(tmp_path: Path) -> None:
    queries = str(write_queries(tmp_path / "own.txt", [('{"input":[1.0]}', 1.0)]))
    streams = tuple(
        Stream(name, f"/{name}/predict", SLO_S, Arrivals("constant", rate_per_s), queries)
        for name, rate_per_s in (("tight", 50.0), ("loose", 100.0))
    )
    record = await load(tmp_path, at_once(prediction), streams=streams)
    assert record.of_stream("tight").n == pytest.approx(50, abs=1)
    assert record.of_stream("loose").n == pytest.approx(100, abs=1)
    assert (np.diff(record.due_s) >= 0.0).all()


def test_the_same_plan_gives_the_same_script(tmp_path: Path) -> None:
    one, other = (make_script(plan(tmp_path, 1, cancelled_share=0.1, seed=4)) for _ in range(2))
    assert one.requests == other.requests
    assert one.leaves_after_s == other.leaves_after_s


def test_a_port_nobody_listens_on_is_one_clear_error(tmp_path: Path, unused_tcp_port: int) -> None:
    with pytest.raises(OpenLoopError, match=f"cannot connect to 127.0.0.1:{unused_tcp_port}"):
        run_open_loop(plan(tmp_path, unused_tcp_port))


def test_a_file_without_queries_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "empty.txt").write_text("")
    stream = Stream("all", "/a/predict", SLO_S, Arrivals("constant", 10.0), str(tmp_path / "empty.txt"))
    with pytest.raises(OpenLoopError, match="holds no query"):
        run_open_loop(plan(tmp_path, 1, streams=(stream,)))


async def test_the_command_prints_counts_and_the_ladder_and_keeps_the_raw_results(tmp_path: Path) -> None:
    queries = write_queries(tmp_path / "own.txt", [('{"input":[1.0]}', 1.0)])
    command = [sys.executable, "-m", "benchmarks.open_loop", "--path", "/a/predict", "--queries", str(queries)]
    command += ["--rate", "200", "--duration", "0.5", "--connections", "2", "--raw", str(tmp_path / "raw.npz")]
    async with serving(at_once(prediction)) as port:
        command += ["--port", str(port)]
        child = await asyncio.create_subprocess_exec(*command, cwd=CHECKOUT, stdout=asyncio.subprocess.PIPE)
        shown, _ = await child.communicate()
    assert child.returncode == 0
    assert b"lag_p99_ms" in shown
    assert b"100.00000 %" in shown
    assert LoadRecord.load(tmp_path / "raw.npz").n > 0
