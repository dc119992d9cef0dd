"""Both generators send the queries of a pool, no two alike, and say what they saw."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from benchmarks.load import Load, LoadError, PythonLoad, WrkLoad, choose_load
from benchmarks.queries import write_pool

needs_wrk = pytest.mark.skipif(shutil.which("wrk") is None, reason="wrk is not installed")


class Recorder(ThreadingHTTPServer):
    """Keeps every body; answers every fourth with a default output and every fifth with status 503."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), RecorderHandler)
        self.bodies: list[bytes] = []


class RecorderHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Recorder

    def do_POST(self) -> None:  # the name http.server looks for
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.bodies.append(body)
        n = len(self.server.bodies)
        answer = b'{"query_id":1,"output":null,"default":%b}' % (b"false" if n % 4 else b"true")
        self.send_response(200 if n % 5 else 503)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # http.server's own name
        return


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    with Recorder() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def run(load: Load, recorder: Recorder, folder: Path) -> None:
    pool = write_pool(folder / "pool.txt", n_queries=20_000, n_doubles=10)
    seen = load.run(recorder.server_port, "/sum/predict", pool, 2, 1)
    bodies = recorder.bodies
    assert seen.requests == pytest.approx(len(bodies) * 4 / 5, abs=5)
    assert seen.errors == pytest.approx(len(bodies) / 5, abs=5)
    assert seen.defaults == pytest.approx(len(bodies) / 5, abs=5)
    assert 0 < seen.p50_ms <= seen.p99_ms <= seen.max_ms
    assert seen.client_cpu_s > 0
    assert len(set(bodies)) == len(bodies) > 0
    assert all(len(json.loads(body)["input"]) == 10 for body in bodies[:100])


def test_the_python_load_counts_errors_and_default_outputs(recorder: Recorder, tmp_path: Path) -> None:
    run(PythonLoad(), recorder, tmp_path)


@needs_wrk
def test_wrk_counts_errors_and_default_outputs(recorder: Recorder, tmp_path: Path) -> None:
    run(WrkLoad(), recorder, tmp_path)


@needs_wrk
def test_no_query_of_wrk_comes_again_in_a_later_run(recorder: Recorder, tmp_path: Path) -> None:
    pool = write_pool(tmp_path / "pool.txt", n_queries=10, n_doubles=10)
    load = WrkLoad()
    load.run(recorder.server_port, "/sum/predict", pool, 1, 1)
    load.run(recorder.server_port, "/sum/predict", pool, 1, 1)
    assert len(set(recorder.bodies)) == len(recorder.bodies)


@needs_wrk
def test_a_server_that_is_not_there_is_an_error_of_the_load(unused_tcp_port: int, tmp_path: Path) -> None:
    pool = write_pool(tmp_path / "pool.txt", n_queries=1, n_doubles=2)
    with pytest.raises(LoadError, match="wrk ended with code"):
        WrkLoad().run(unused_tcp_port, "/sum/predict", pool, 1, 1)


def test_without_wrk_the_python_load_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert choose_load(None).name == "python"
    with pytest.raises(LoadError, match="apt-get install wrk"):
        choose_load("wrk")
