"""What a query passes through, as processes: a Redis, containers that can be made to fail, a frontend of one worker."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from benchmarks.pace import BatchLog, Pace, read_batch_log
from benchmarks.rig import redis_command, start_process, write_records
from benchmarks.served_models import ServedModel
from benchmarks.server_process import ServerProcess, answers_with, free_port, socket_listens
from skysail_frontend.exposition import prometheus_text
from skysail_management.records import Application, InputType, Link, Model, Record, Version
from skysail_management.records import Replica as ReplicaRecord

__all__ = ["BULKY_PATH", "ServedApplication", "ServedReplica", "ServingStack", "start_stack"]

MODEL = "model"
VERSION = "1"
BULKY = "bulky"
BULKY_PATH = f"/{BULKY}/predict"
"""An application without a model: its default output of BULKY_BYTES comes at once."""
BULKY_BYTES = 10_000


@dataclass(frozen=True, slots=True)
class ServedApplication:
    """An application over the model of the stack."""

    name: str
    slo_s: float

    @property
    def path(self) -> str:
        return f"/{self.name}/predict"


class ServedReplica:
    """One container process, which can be killed, stopped, slowed down and started again under its address."""

    def __init__(self, number: int, folder: Path, model: ServedModel, fault: str | None) -> None:
        self.number = number
        self.socket = folder / f"r{number}.sock"
        self.folder = folder / f"model-{number}"
        self.folder.mkdir()
        self._logs = folder
        self._process: ServerProcess | None = None
        self._command = [sys.executable, "-m"]
        common = ["--listen", f"unix:{self.socket}", "--name", MODEL, "--version", VERSION]
        if fault is None:
            model.install(self.folder)
            flags = ["--model", str(self.folder), "--input-type", InputType.DOUBLES.value, "--log-level", "WARNING"]
            self._command += ["skysail_container", *common, *flags]
        else:
            self._command += ["benchmarks.rogue_container", *common, "--fault", fault]

    @property
    def address(self) -> str:
        return f"unix:{self.socket}"

    @property
    def process(self) -> ServerProcess:
        """What `start` started last."""
        assert self._process is not None
        return self._process

    def start(self) -> None:
        """Start the process and wait until it listens.

        :raises ServerError: it does not.
        """
        self.socket.unlink(missing_ok=True)
        self._process = ServerProcess(f"replica-{self.number}", self._command, self._logs)
        self._process.wait_until(lambda: socket_listens(self.socket))

    def kill(self) -> None:
        """kill -9; `start` brings it back."""
        self.process.kill()

    def suspend(self) -> None:
        """SIGSTOP: it keeps its connections and says nothing."""
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def misbehave(self) -> None:
        """Only for a replica with a fault of its own."""
        self.process.send_signal(signal.SIGUSR1)

    def behave(self) -> None:
        self.process.send_signal(signal.SIGUSR2)

    def set_pace(self, pace: Pace) -> None:
        """Only for the paced model."""
        pace.write(self.folder)

    def batches(self) -> BatchLog:
        """Only for the paced model."""
        return read_batch_log(self.folder)

    def stop(self) -> None:
        if self._process is not None:
            self._process.stop()


@dataclass(frozen=True, slots=True)
class ServingStack:
    """A running frontend and what is behind it."""

    port: int
    frontend: ServerProcess
    replicas: tuple[ServedReplica, ...]
    applications: tuple[ServedApplication, ...]
    run_dir: Path

    def metrics(self) -> dict[str, float]:
        """Every unlabelled sum of the page `/metrics` by name, rendered here from the worker's own file: a scrape
        would take the frontend's time while it is measured."""
        sums: dict[str, float] = {}
        for family in text_string_to_metric_families(prometheus_text(self.run_dir).decode()):
            for sample in family.samples:
                if "le" not in sample.labels:
                    sums[sample.name] = sums.get(sample.name, 0.0) + sample.value
        return sums


@contextmanager
def start_stack(
    folder: Path,
    model: ServedModel,
    n_replicas: int,
    applications: Sequence[ServedApplication],
    fault: str | None = None,
) -> Iterator[ServingStack]:
    """Start everything, each part ready before the next; stop all at the end.

    The last replica is a rogue container with `fault`, if one is named. `folder` takes sockets and logs; it must be
    empty and its path short (unix sockets allow 107 bytes).

    :raises ServerError: a process does not start.
    """
    with ExitStack() as stack:
        redis = start_process(stack, "redis", redis_command(folder / "redis.sock"), folder)
        redis.wait_until(lambda: socket_listens(folder / "redis.sock"))
        redis_url = f"unix://{folder / 'redis.sock'}?db=0"
        replicas = []
        for number in range(n_replicas):
            is_rogue = fault is not None and number == n_replicas - 1
            replica = ServedReplica(number, folder, model, fault if is_rogue else None)
            stack.callback(replica.stop)
            replica.start()
            replicas.append(replica)
        asyncio.run(write_records(redis_url, _records(applications, replicas)))
        port, run_dir = free_port(), folder / "frontend"
        command = [sys.executable, "-m", "skysail_frontend", "--host", "127.0.0.1", "--port", str(port)]
        command += ["--workers", "1", "--redis-url", redis_url, "--run-dir", str(run_dir), "--log-level", "error"]
        frontend = start_process(stack, "frontend", command, folder)
        serving = ServingStack(port, frontend, tuple(replicas), tuple(applications), run_dir)
        frontend.wait_until(lambda: _is_ready(serving, model))
        yield serving


def _is_ready(serving: ServingStack, model: ServedModel) -> bool:
    """Whether all applications give predictions and all replicas are connected."""
    ((probe, _),) = model.queries(1)
    answered = all(
        answers_with(serving.port, one.path, probe.encode(), lambda body: json.loads(body)["default"] is False)
        for one in serving.applications
    )
    return answered and serving.metrics().get("skysail_replicas") == len(serving.replicas)


def _records(applications: Sequence[ServedApplication], replicas: Sequence[ServedReplica]) -> list[Record]:
    """What management would write. No application uses the cache: the model is what is measured."""
    now = datetime.now(UTC)
    doubles = InputType.DOUBLES
    records: list[Record] = [
        Application(
            name=one.name,
            input_type=doubles,
            default_output=-1.0,
            latency_slo_micros=round(1e6 * one.slo_s),
            links=(Link(MODEL),),
            cache=False,
            created_at=now,
        )
        for one in applications
    ]
    records += [
        Application(
            name=BULKY,
            input_type=doubles,
            default_output="x" * BULKY_BYTES,
            latency_slo_micros=100_000,
            created_at=now,
        ),
        Model(name=MODEL, input_type=doubles, current_version=VERSION, created_at=now),
        Version(model=MODEL, version=VERSION, input_type=doubles, state="ready", created_at=now),
    ]
    records += [
        ReplicaRecord(
            model=MODEL, version=VERSION, replica_id=one.number, address=one.address, state="ready", since=now
        )
        for one in replicas
    ]
    return records
