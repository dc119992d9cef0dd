"""Containers as processes of this machine, listening on unix sockets, or on TCP for frontends on other machines.

They outlive management: nothing of theirs runs through it, and the next management process finds and adopts them. The
one descriptor they may inherit is the lifeline of whoever supervises management, so that they end when that one ends.
"""

import asyncio
import logging
import os
import secrets
import signal
import socket
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from skysail_management.artifacts import ArtifactStore
from skysail_management.backend import BackendEvent, ContainerBuilding, ContainerReady, Launched
from skysail_management.container_family import (
    MARK,
    ContainerFamily,
    MarkedProcesses,
    end_leftovers,
    mark_of,
    new_mark,
)
from skysail_management.container_limits import ContainerLimits
from skysail_management.container_log import ContainerLogs
from skysail_management.container_process import (
    ContainerCommand,
    ContainerProcess,
    RunningContainer,
    find_containers,
    listens_at,
    listens_before_it_ends,
    takes_connections,
)
from skysail_management.environments import Environments
from skysail_management.errors import InvalidError, ManagementError
from skysail_management.load_report import read_load_report
from skysail_management.records import Replica, Version
from skysail_management.replica_slot import ReplicaKey
from skysail_management.user_metrics import metrics_path
from skysail_management.watched_container import WatchedContainer

__all__ = ["RUNTIME_COMMAND", "LocalBackend"]

logger = logging.getLogger(__name__)

RUNTIME_COMMAND = (sys.executable, "-m", "skysail_container")

_LOOK_AT_BUILD_EVERY_S = 0.5
"""How often the progress of an environment is looked at; every change of it is written to the registry."""

_CUT_LOGS_EVERY_S = 2.0
_SWEEP_ENVIRONMENTS_EVERY_S = 600.0


class LocalBackend:
    """An async context manager; leaving it stops watching, not the containers."""

    def __init__(
        self,
        artifacts: ArtifactStore,
        logs: ContainerLogs,
        socket_directory: Path,
        *,
        drain_limit_s: float,
        tcp_host: str | None = None,
        lifeline_fd: int | None = None,
        command: Sequence[str] = RUNTIME_COMMAND,
        environments: Environments | None = None,
        limits: ContainerLimits | None = None,
    ) -> None:
        """:param environments: None: every model runs in this Python, whatever it asks for."""
        self._artifacts = artifacts
        self._logs = logs
        self._socket_directory = socket_directory
        self._drain_limit_s = drain_limit_s
        self._tcp_host = tcp_host
        self._lifeline_fd = lifeline_fd
        self._command = command
        self._environments = environments
        self._limits = limits or ContainerLimits()
        self._processes: dict[ReplicaKey, ContainerProcess] = {}
        self._marked = MarkedProcesses()
        self._events: asyncio.Queue[BackendEvent] = asyncio.Queue()
        self._tasks = asyncio.TaskGroup()
        self._watchers: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        await self._tasks.__aenter__()
        self._begin(self._cut_logs(), "cut container logs")
        if self._environments is not None:
            self._begin(self._sweep(self._environments), "sweep environments")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for task in self._watchers:
            task.cancel()
        await self._tasks.__aexit__(kind, error, traceback)
        for process in self._processes.values():
            process.disown()

    def _begin(self, work: "asyncio._CoroutineLike[None]", name: str) -> None:
        task = self._tasks.create_task(work, name=name)
        self._watchers.add(task)
        task.add_done_callback(self._watchers.discard)

    async def start(self, version: Version, replica_id: int) -> Launched:
        key = (version.model, version.version, replica_id)
        log_offset = self._logs.size(*key)
        mark = new_mark(self._socket_directory)
        try:
            address = self._new_address()
            process = await self._launch(key, self._container_command(version, address, mark))
        except OSError as error:
            raise ManagementError(f"the container could not be started: {error}") from error
        family = ContainerFamily(process.pid, mark, self._marked)
        limit_bytes = self._limits.memory_limit_bytes(version)
        self._watch(WatchedContainer(key, process, address, family, limit_bytes, log_offset))
        logger.info("started %s:%s:%d as process %d", *key, process.pid)
        return Launched(address, process.pid)

    async def _launch(self, key: ReplicaKey, command: ContainerCommand) -> ContainerProcess:
        output = self._logs.open_for_container(*key)
        try:
            return await ContainerProcess.start(command, output)
        finally:
            os.close(output)

    def _new_address(self) -> str:
        """An address that nobody listens at; of another one's luck with the port the backoff takes care."""
        if self._tcp_host is None:
            return f"unix:{self._socket_directory / secrets.token_hex(6)}.sock"
        family = socket.getaddrinfo(self._tcp_host, 0, type=socket.SOCK_STREAM)[0][0]
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.bind((self._tcp_host, 0))
            port = probe.getsockname()[1]
        return f"tcp:[{self._tcp_host}]:{port}" if ":" in self._tcp_host else f"tcp:{self._tcp_host}:{port}"

    def _container_command(self, version: Version, address: str, mark: str) -> ContainerCommand:
        if version.artifact is None:
            raise InvalidError("this version has no artifact, and the local backend can start nothing else")
        folder = self._artifacts.folder(version.artifact)
        options = {
            "--model": str(folder),
            "--listen": address,
            "--name": version.model,
            "--version": version.version,
            "--input-type": version.input_type.value,
            "--batch-limit-s": f"{self._limits.batch_limit_s:g}",
            "--report-file": str(self._report_path(address)),
            "--metrics-file": str(metrics_path(self._socket_directory, address)),
        }
        memory_limit_mb = version.memory_limit_mb or self._limits.memory_limit_mb
        if memory_limit_mb is not None:
            options["--memory-limit-mb"] = str(memory_limit_mb)
        if self._lifeline_fd is not None:
            options["--lifeline-fd"] = str(self._lifeline_fd)
        arguments = [text for option in options.items() for text in option]
        if self._environments is None:
            arguments = [*self._command, *arguments]
        else:
            arguments = self._environments.command(folder, arguments, self._command)
        inherited = () if self._lifeline_fd is None else (self._lifeline_fd,)
        return ContainerCommand(arguments, _container_environment(os.environ, mark), folder, inherited)

    def _report_path(self, address: str) -> Path:
        """Where the container that listens at the address writes its report; its successor there replaces it."""
        name = address.rpartition("/")[2] if address.startswith("unix:") else f"tcp-{address.rpartition(':')[2]}"
        return self._socket_directory / f"{name}.report"

    def _watch(self, watched: WatchedContainer) -> None:
        self._processes[watched.key] = watched.process
        self._begin(self._follow(watched), "watch {}:{}:{}".format(*watched.key))

    async def _follow(self, watched: WatchedContainer) -> None:
        key, process, address = watched.key, watched.process, watched.address
        if self._environments is not None:
            await self._tell_of_build(self._environments, key, process)
        self._begin(watched.limit_memory(), "limit memory {}:{}:{}".format(*key))
        if await listens_before_it_ends(process, address):
            self._events.put_nowait(ContainerReady(key, read_load_report(self._report_path(address))))
        status = await asyncio.shield(process.ended)
        self._remove_traces(address)
        exited = watched.exit_event(status, self._logs)
        await watched.end_family(self._logs)
        del self._processes[key]
        self._events.put_nowait(exited)

    async def _tell_of_build(self, environments: Environments, key: ReplicaKey, process: ContainerProcess) -> None:
        """Tell how far the container's environment is, until the container itself runs in it."""
        told = ""
        while not process.ended.done() and environments.is_building(process.pid):
            progress = environments.progress(self._logs.last_words(*key))
            if progress and progress != told:
                told = progress
                self._events.put_nowait(ContainerBuilding(key, progress))
            await asyncio.wait([process.ended], timeout=_LOOK_AT_BUILD_EVERY_S)
        if told and not process.ended.done():
            self._events.put_nowait(ContainerBuilding(key, ""))

    async def adopt(self, containers: Sequence[tuple[Replica, Version]], *, end_strays: bool) -> set[ReplicaKey]:
        found = await asyncio.to_thread(find_containers, self._artifacts.directory)
        running: dict[tuple[str, int | None], RunningContainer] = {(one.address, one.pid): one for one in found}
        adopted: dict[ReplicaKey, RunningContainer] = {}
        for replica, version in containers:
            container = running.get((replica.address, replica.pid))
            if container is not None and await self._adopt_one(replica, version, container):
                adopted[(replica.model, replica.version, replica.replica_id)] = container
        living = {mark_of(container.pid) for container in adopted.values()} - {""}
        strays = [one for one in found if one not in adopted.values() and mark_of(one.pid) not in living]
        if end_strays:
            await self._end_strays(strays)
            n_ended = await asyncio.to_thread(end_leftovers, self._socket_directory, living)
            if n_ended:
                logger.warning("ended %d processes that containers left behind", n_ended)
        elif strays:
            logger.warning("%d containers run that the registry does not know; they are left alone", len(strays))
        return set(adopted)

    async def _adopt_one(self, replica: Replica, version: Version, found: RunningContainer) -> bool:
        if replica.state not in ("starting", "ready"):
            return False
        if replica.state == "ready" and not await takes_connections(found.address):
            return False
        process = ContainerProcess.adopt(found.pid, listens_at(found.address))
        if process is None:
            return False
        key = (replica.model, replica.version, replica.replica_id)
        logger.info("adopted process %d of %s:%s:%d", found.pid, *key)
        family = ContainerFamily(found.pid, mark_of(found.pid), self._marked)
        limit_bytes = self._limits.memory_limit_bytes(version)
        self._watch(WatchedContainer(key, process, found.address, family, limit_bytes))
        return True

    async def _end_strays(self, strays: Iterable[RunningContainer]) -> None:
        for found in strays:
            stray = ContainerProcess.adopt(found.pid, listens_at(found.address))
            if stray is not None:
                logger.warning("process %d (%s) is nobody's container: ending it", found.pid, found.address)
                stray.send(signal.SIGKILL)
                await stray.ended
                self._remove_traces(found.address)

    def stop(self, key: ReplicaKey) -> None:
        process = self._processes.get(key)
        if process is not None:
            self._begin(self._end(process), "stop {}:{}:{}".format(*key))

    async def _end(self, process: ContainerProcess) -> None:
        process.send(signal.SIGTERM)
        done, _ = await asyncio.wait([process.ended], timeout=self._drain_limit_s)
        if not done:
            logger.warning("process %d did not drain within %g s: killing it", process.pid, self._drain_limit_s)
            process.send(signal.SIGKILL)

    async def next_event(self) -> BackendEvent:
        return await self._events.get()

    async def _sweep(self, environments: Environments) -> None:
        while True:
            try:
                await asyncio.to_thread(environments.sweep, self._artifacts)
            except OSError as error:
                logger.warning("environments cannot be swept: %s", error)
            await asyncio.sleep(_SWEEP_ENVIRONMENTS_EVERY_S)

    async def _cut_logs(self) -> None:
        while True:
            await asyncio.sleep(_CUT_LOGS_EVERY_S)
            await asyncio.to_thread(self._logs.cut_long_files)

    def _remove_traces(self, address: str) -> None:
        self._report_path(address).unlink(missing_ok=True)
        metrics_path(self._socket_directory, address).unlink(missing_ok=True)
        if address.startswith("unix:"):
            Path(address.removeprefix("unix:")).unlink(missing_ok=True)


def _container_environment(ours: Mapping[str, str], mark: str) -> dict[str, str]:
    """Models run foreign code: they get none of our settings, the token among them, and write no caches.

    They begin in their own folder, whose files must not stand in for modules of the runtime (PYTHONSAFEPATH).
    """
    kept = {name: value for name, value in ours.items() if not name.startswith("SKYSAIL_")}
    return kept | {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONSAFEPATH": "1", "PYTHONUNBUFFERED": "1", MARK: mark}
