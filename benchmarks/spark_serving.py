"""Saved Spark pipelines behind REST: a container each, one frontend, and a bare echo to compare with.

One connection asks, each query when the last one is answered; nothing else happens meanwhile. The cache is off.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.closed_loop import Summary, run_closed_loop
from benchmarks.demands import ECHO
from benchmarks.rig import redis_command, start_contestants, start_process, write_records
from benchmarks.server_process import ServerProcess, answers_with, free_port, socket_listens
from skysail_management.records import Application, InputType, Link, Model, Record, Replica, Version

__all__ = ["SavedPipeline", "ServedPipelines", "serving"]

HOST = "127.0.0.1"
VERSION = "1"
LATENCY_SLO_MICROS = 100_000


@dataclass(frozen=True, slots=True)
class SavedPipeline:
    """What Spark saved at `path`, and rows that it takes."""

    name: str
    path: Path
    schema: Mapping[str, str]
    queries: Sequence[Mapping[str, Any]]

    def bodies(self) -> list[bytes]:
        """The queries as REST has them."""
        return [json.dumps({"input": query}).encode() for query in self.queries]


@dataclass(frozen=True, slots=True)
class ServedPipelines:
    """Containers in the order of the pipelines, and the ports to ask."""

    pipelines: tuple[SavedPipeline, ...]
    containers: tuple[ServerProcess, ...]
    frontend_port: int
    echo_port: int

    def round(self, number: int, seconds: float) -> tuple[Summary, Summary]:
        """What the echo and then Skysail give the same bodies, of the pipeline of that number."""
        bodies = self.pipelines[number].bodies()
        ports = (self.echo_port, self.frontend_port)
        echo, skysail = [run_closed_loop(HOST, port, _path(number), bodies, 1, seconds) for port in ports]
        return echo, skysail


@contextmanager
def serving(pipelines: Sequence[SavedPipeline], folder: Path) -> Iterator[ServedPipelines]:
    """Start everything, each part ready before the next; stop all at the end.

    `folder` takes models, sockets and logs; its path must be short (unix sockets allow 107 bytes).

    :raises ServerError: a process does not start, or does not answer with predictions.
    """
    with ExitStack() as stack:
        redis = start_process(stack, "redis", redis_command(folder / "redis.sock"), folder)
        redis.wait_until(lambda: socket_listens(folder / "redis.sock"))
        redis_url = f"unix://{folder / 'redis.sock'}?db=0"
        containers = [_container(stack, folder, number, one) for number, one in enumerate(pipelines)]
        asyncio.run(write_records(redis_url, _records(folder, len(pipelines))))
        port = free_port()
        command = [sys.executable, "-m", "skysail_frontend", "--host", HOST, "--port", str(port), "--workers", "1"]
        command += ["--redis-url", redis_url, "--run-dir", str(folder / "frontend"), "--log-level", "error"]
        frontend = start_process(stack, "frontend", command, folder)
        probes = [(_path(number), one.bodies()[0]) for number, one in enumerate(pipelines)]
        frontend.wait_until(lambda: all(_predicts(port, path, body) for path, body in probes))
        echo = stack.enter_context(start_contestants([ECHO], folder))[ECHO]
        yield ServedPipelines(tuple(pipelines), tuple(containers), port, echo.port)


def _predicts(port: int, path: str, body: bytes) -> bool:
    return answers_with(port, path, body, lambda answer: json.loads(answer)["default"] is False)


def _name(number: int) -> str:
    return f"pipeline-{number}"


def _path(number: int) -> str:
    return f"/{_name(number)}/predict"


def _socket(folder: Path, number: int) -> Path:
    return folder / f"{number}.sock"


def _container(stack: ExitStack, folder: Path, number: int, pipeline: SavedPipeline) -> ServerProcess:
    model, path = folder / _name(number), _socket(folder, number)
    shutil.copytree(pipeline.path, model / "model")
    columns = [{"name": name, "type": kind} for name, kind in pipeline.schema.items()]
    manifest = {"format": 1, "framework": "spark", "file": "model", "input_type": "json", "spark_schema": columns}
    (model / "skysail.json").write_text(json.dumps(manifest))
    command = [sys.executable, "-m", "skysail_container", "--model", str(model), "--listen", f"unix:{path}"]
    command += ["--name", _name(number), "--version", VERSION, "--input-type", InputType.JSON.value]
    container = start_process(stack, f"container-{number}", command, folder)
    container.wait_until(lambda: socket_listens(path))
    return container


def _records(folder: Path, n_pipelines: int) -> list[Record]:
    """An application linked to each pipeline, with one ready replica."""
    now, kind = datetime.now(UTC), InputType.JSON
    records: list[Record] = []
    for number in range(n_pipelines):
        name = _name(number)
        address = f"unix:{_socket(folder, number)}"
        records += [
            Application(
                name=name,
                input_type=kind,
                default_output=None,
                latency_slo_micros=LATENCY_SLO_MICROS,
                links=(Link(name),),
                cache=False,
                created_at=now,
            ),
            Model(name=name, input_type=kind, current_version=VERSION, created_at=now),
            Version(model=name, version=VERSION, input_type=kind, state="ready", created_at=now),
            Replica(model=name, version=VERSION, replica_id=0, address=address, state="ready", since=now),
        ]
    return records
