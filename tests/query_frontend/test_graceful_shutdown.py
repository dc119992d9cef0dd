"""How a frontend starts and ends: what it took in is answered, what is idle is let go, workers come back."""

import os
import re
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

from harness.container_process import short_folder
from harness.frontend_process import FrontendProcess, run_frontend
from harness.frontend_rig import FrontendRig, wait_until_predicting
from harness.probe_model import SLEEP
from harness.raw_http import RawClient, Response, get, post, predict
from harness.wait_until import wait_until
from skysail_frontend.__main__ import main


@pytest.fixture
def folder() -> Iterator[Path]:
    with short_folder() as folder:
        yield folder


def refuses_connections(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


class Clients:
    """Four connections of a kind, so that each of two workers is likely to have some of them."""

    def __init__(self, stack: ExitStack, port: int) -> None:
        self._clients = [stack.enter_context(RawClient(port)) for _ in range(4)]

    def send(self, data: bytes) -> None:
        for client in self._clients:
            client.send(data)

    def responses(self) -> list[Response]:
        return [client.response() for client in self._clients]

    def outputs(self) -> set[object]:
        return {response.json()["output"] for response in self.responses()}

    def are_ended(self) -> bool:
        return all(client.is_ended() for client in self._clients)


@pytest.mark.parametrize("flags", [("--lane=on",), ("--lane=off",), ("--workers=2",)], ids="".join)
def test_what_was_taken_in_is_answered_before_the_frontend_ends(rig: FrontendRig, flags: tuple[str, ...]) -> None:
    rig.serve("doubles")
    split = predict("doubles", [1, 2])
    with rig.own_frontend(*flags) as frontend, ExitStack() as stack:
        wait_until_predicting(frontend, "doubles")
        port = frontend.port
        idle, lane, plain, pipelined, half_heads, half_bodies = (Clients(stack, port) for _ in range(6))
        idle.send(get("/healthz"))
        assert all(response.status == 200 for response in idle.responses())
        lane.send(predict("doubles", [SLEEP, 0.15]))
        plain.send(post("/doubles/predict?through=asgi", {"input": [SLEEP, 0.0]}))
        pipelined.send(predict("doubles", [SLEEP, 0.01]) + get("/healthz") + predict("doubles", [7]))
        half_heads.send(split[:30])
        half_bodies.send(split[:-3])
        with RawClient(port) as later:  # by now the others' bytes have been read
            assert not later.has_news_within(0.1)
        frontend.terminate()
        wait_until(lambda: refuses_connections(port), "an end of listening", timeout_s=10)
        assert frontend.process.poll() is None
        half_heads.send(split[30:])
        half_bodies.send(split[-3:])
        assert idle.are_ended()
        for response in [*half_heads.responses(), *half_bodies.responses()]:
            assert (response.json()["output"], response.header("connection")) == (3, "close")
        assert lane.outputs() == {0.15}
        assert plain.outputs() == {0.0}
        assert pipelined.outputs() == {0.01}
        assert {response.status for response in pipelined.responses()} == {200}
        assert pipelined.outputs() == {7}
        assert all(clients.are_ended() for clients in (lane, plain, pipelined, half_heads, half_bodies))
        assert frontend.wait_exit() == 0


@pytest.mark.parametrize(("workers", "signal_number"), [("1", signal.SIGINT), ("2", signal.SIGTERM)])
def test_an_idle_frontend_ends_at_once_with_code_0(
    rig: FrontendRig, workers: str, signal_number: signal.Signals
) -> None:
    with rig.own_frontend(f"--workers={workers}") as frontend, RawClient(frontend.port) as client:
        frontend.process.send_signal(signal_number)
        assert frontend.wait_exit() == 0
        assert client.is_ended()


def test_clients_that_never_finish_do_not_hold_up_the_end_for_ever(rig: FrontendRig) -> None:
    """A query in work beyond the time allowed for the shutdown is still answered, with the default output."""
    rig.serve("doubles")
    with rig.own_frontend("--shutdown-timeout-s=1") as frontend, rig.own_model() as (app, _):
        wait_until_predicting(frontend, app)
        with RawClient(frontend.port) as half, RawClient(frontend.port) as long:
            half.send(predict(app, [1])[:-3])
            long.send(predict(app, [SLEEP, 5]))
            assert not long.has_news_within(0.1)
            started_s = time.monotonic()
            frontend.terminate()
            assert long.response().json()["default"] is True
            assert frontend.wait_exit() == 0
            assert time.monotonic() - started_s < 4.5
            assert half.is_ended()


@pytest.mark.parametrize("workers", ["1", "2"])
def test_it_ends_gracefully_when_its_supervisor_is_gone(rig: FrontendRig, workers: str) -> None:
    rig.serve("doubles")
    lifeline, supervisor = os.pipe()
    flags = f"--workers={workers}", f"--lifeline-fd={lifeline}"
    with (
        os.fdopen(supervisor, "wb") as supervisor_end,
        rig.own_frontend(*flags, pass_fds=(lifeline,)) as frontend,
        RawClient(frontend.port) as client,
    ):
        os.close(lifeline)
        wait_until_predicting(frontend, "doubles")
        client.send(predict("doubles", [SLEEP, 0.2]))
        assert not client.has_news_within(0.05)
        supervisor_end.close()
        assert client.response().json()["output"] == 0.2
        assert frontend.wait_exit() == 0


# --- several workers --------------------------------------------------------------------------------------------------


def blocks_seen(frontend: FrontendProcess, app: str = "lonely") -> set[int]:
    """Which blocks of query ids are in use: one per worker that answers."""
    return {frontend.ask(predict(app, [1])).json()["query_id"] >> 32 for _ in range(40)}


def test_a_worker_that_is_killed_comes_back_and_the_other_goes_on(rig: FrontendRig) -> None:
    rig.serve("doubles")
    with rig.own_frontend("--workers=2") as frontend:
        wait_until(lambda: len(blocks_seen(frontend)) == 2, "two workers that answer")
        blocks = blocks_seen(frontend)
        killed, spared = frontend.worker_pids()
        os.kill(killed, signal.SIGKILL)
        for _ in range(20):  # connections that nobody has taken in yet are the other's
            assert frontend.ask(predict("lonely", [1])).status == 200
        wait_until(lambda: len(set(frontend.worker_pids()) - {killed}) == 2, "a new worker")
        assert spared in frontend.worker_pids()
        wait_until(lambda: len(blocks_seen(frontend) - blocks) == 1, "answers of the new worker")
        wait_until_predicting(frontend, "doubles")
        assert f"ended with {-signal.SIGKILL}" in frontend.log


def test_query_ids_are_unique_and_counts_go_on_across_workers_and_restarts(rig: FrontendRig, folder: Path) -> None:
    ids: list[int] = []
    blocks: list[set[int]] = []
    with rig.application(links=()) as app:
        for n_restarts in range(2):
            with rig.own_frontend("--workers=2", folder=folder) as frontend:
                wait_until(lambda: len(blocks_seen(frontend)) == 2, "two workers that answer")
                blocks.append(blocks_seen(frontend))
                for _ in range(20):
                    response = frontend.ask(post(f"/{app}/predict", {"input_batch": [[1]] * 10}))
                    ids += [one["query_id"] for one in response.json()["batch_predictions"]]
                pages = {frontend.metric("skysail_queries_total", app=app) for _ in range(10)}
                assert pages == {200.0 * (n_restarts + 1)}
    assert len(set(ids)) == len(ids) == 400
    assert not blocks[0] & blocks[1]
    assert max(ids) < 2**53


def test_workers_end_when_their_supervisor_is_killed(rig: FrontendRig) -> None:
    """Else they would hold the port against the frontend that is started in its place."""
    with rig.own_frontend("--workers=2") as frontend:
        port, workers = frontend.port, [psutil.Process(pid) for pid in frontend.worker_pids()]
        frontend.process.kill()
        frontend.wait_exit()
        gone, alive = psutil.wait_procs(workers, timeout=10)
        for worker in alive:
            worker.kill()
        assert len(gone) == 2
        assert refuses_connections(port)


# --- starting ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "fragment"),
    [
        ([], "--redis-url or SKYSAIL_REDIS_URL is needed"),
        (["--redis-url=redis://127.0.0.1:1/0"], "--run-dir or SKYSAIL_RUN_DIR is needed"),
        (["--redis-url=http://x", "--run-dir={folder}"], "redis_url is 'http://x'"),
        (["--redis-url=redis://x", "--run-dir={folder}", "--port=http"], "port is 'http'; int was expected"),
        (["--redis-url=redis://x", "--run-dir={folder}", "--port=70000"], "port is 70000; at most 65535"),
        (["--redis-url=redis://x", "--run-dir={folder}", "--port=-1"], "port is -1"),
        (["--redis-url=redis://x", "--run-dir={folder}", "--workers=0"], "workers is 0; more than 0"),
        (["--redis-url=redis://x", "--run-dir={folder}", "--lane=maybe"], "lane is 'maybe'; on or off"),
        (["--redis-url=redis://x", "--run-dir={folder}", "--log-level=loud"], "log_level is 'loud'"),
        (["--redis-url=redis://x", "--run-dir={folder}", "--idle-timeout-s=nan"], "idle_timeout_s is nan"),
        (["--redis-url=redis://x", "--run-dir=/proc/none"], "--run-dir"),
        (["--redis-url=redis://x", "--run-dir={folder}", "--host=no.such.host.invalid"], "no.such.host.invalid"),
        (["--redis-url=redis://x", "--run-dir={folder}", "--host=192.0.2.1"], "192.0.2.1"),
    ],
    ids=lambda value: "" if isinstance(value, list) else value[:30],
)
def test_what_it_cannot_run_with_gives_one_line_and_code_2(
    folder: Path,
    arguments: list[str],
    fragment: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("SKYSAIL_REDIS_URL", "SKYSAIL_RUN_DIR"):
        monkeypatch.delenv(name, raising=False)
    assert main([argument.format(folder=folder / "run") for argument in arguments]) == 2
    written = capsys.readouterr()
    assert len(written.err.splitlines()) == 1, written.err
    assert fragment in written.err
    assert written.out == ""


def test_an_unknown_flag_gives_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--redis-url=redis://x", "--run-dir=/nowhere", "--wrong"])
    assert ended.value.code == 2
    assert "--wrong" in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_port_in_use_gives_one_line_that_names_it_and_code_3(folder: Path, workers: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        finished = run_frontend(
            f"--port={port}", f"--workers={workers}", SKYSAIL_REDIS_URL="redis://x", SKYSAIL_RUN_DIR=str(folder / "run")
        )
    assert finished.returncode == 3, finished
    assert len(finished.stderr.splitlines()) == 1
    assert re.search(rf"port {port} .*in use", finished.stderr)
