"""One container process, started here or by an earlier management process, watched through its pidfd.

A pidfd becomes readable the moment the process ends, child or not, and a signal sent through it cannot hit a stranger
that got the same pid later (pidfd_open(2), Linux 5.3).
"""

import asyncio
import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

__all__ = [
    "ContainerCommand",
    "ContainerProcess",
    "RunningContainer",
    "find_containers",
    "has_argument",
    "listens_at",
    "listens_before_it_ends",
    "takes_connections",
]

_CONNECT_LIMIT_S = 1.0
_PROBE_FIRST_S = 0.02
_PROBE_LONGEST_S = 0.25
"""How often a socket is tried: at first often."""

_OOM_SCORE = "500"
"""As if it took half of the machine's memory more than it does (proc(5), oom_score_adj)."""


@dataclass(frozen=True, slots=True)
class ContainerCommand:
    """How a process is started: the arguments, the environment, where it begins and what it inherits."""

    arguments: Sequence[str]
    environment: Mapping[str, str]
    directory: Path
    inherited: tuple[int, ...] = ()


class ContainerProcess:
    """Invariant: `ended` is done exactly when the process is gone, with its exit status (None for an adopted one)."""

    def __init__(self, pid: int, pidfd: int, child: "subprocess.Popen[bytes] | None") -> None:
        self.pid = pid
        self._pidfd = pidfd
        self._child = child
        self._loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[int | None] = self._loop.create_future()
        self._loop.add_reader(pidfd, self._on_end)

    @classmethod
    async def start(cls, command: ContainerCommand, output: int) -> "ContainerProcess":
        """Start a process in a session of its own, so that signals meant for management do not reach it.

        :raises OSError: it cannot be started.
        """
        child = await asyncio.to_thread(_spawn, command, output)
        _prefer_for_oom_killer(child.pid)
        return cls(child.pid, os.pidfd_open(child.pid), child)

    @classmethod
    def adopt(cls, pid: int, is_right: Callable[[int], bool]) -> "ContainerProcess | None":
        """The running process with this pid, if it is the one that was meant; checked with its pid held fast."""
        try:
            pidfd = os.pidfd_open(pid)
        except OSError:
            return None
        if not is_right(pid):
            os.close(pidfd)
            return None
        return cls(pid, pidfd, None)

    def _on_end(self) -> None:
        self.release()
        self.kill_group()  # first of all: a child that was not waited for keeps its number from strangers
        self.ended.set_result(self._child.wait() if self._child is not None else None)

    def send(self, signal_number: signal.Signals) -> None:
        """Send a signal; nothing happens if the process is gone."""
        if not self.ended.done():
            try:
                signal.pidfd_send_signal(self._pidfd, signal_number)
            except ProcessLookupError:
                return

    def kill_group(self) -> None:
        """Kill the process with what it forked and started, except what left its group (see ContainerFamily)."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)

    def release(self) -> None:
        """Stop watching, whether the process lives on or not."""
        if self._pidfd >= 0:
            self._loop.remove_reader(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = -1

    def disown(self) -> None:
        """Stop watching a process that lives on: nobody here waits for its end any more."""
        self.release()
        if self._child is not None and self._child.returncode is None:
            self._child.returncode = 0  # a Popen whose process lives on complains when it is collected


def _spawn(command: ContainerCommand, output: int) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        command.arguments,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        env=dict(command.environment),
        cwd=command.directory,
        pass_fds=command.inherited,
        start_new_session=True,
    )


def _prefer_for_oom_killer(pid: int) -> None:
    """When the kernel runs out of memory, a container is to go before the registry and the frontends."""
    with suppress(OSError):  # it is gone, or this machine does not allow it
        Path(f"/proc/{pid}/oom_score_adj").write_text(_OOM_SCORE)


async def takes_connections(address: str) -> bool:
    """Whether something listens at `unix:/path` or `tcp:host:port`."""
    try:
        async with asyncio.timeout(_CONNECT_LIMIT_S):
            _, writer = await _connect(address)
    except OSError:  # TimeoutError is one
        return False
    writer.close()
    return True


async def listens_before_it_ends(process: ContainerProcess, address: str) -> bool:
    """Wait until something listens at the address, which is how a container says that it is ready, or it is gone."""
    pause_s = _PROBE_FIRST_S
    while not process.ended.done():
        if await takes_connections(address):
            return True
        await asyncio.wait([process.ended], timeout=pause_s)
        pause_s = min(pause_s * 1.5, _PROBE_LONGEST_S)
    return False


async def _connect(address: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    if address.startswith("unix:"):
        return await asyncio.open_unix_connection(address.removeprefix("unix:"))
    host, _, port = address.removeprefix("tcp:").rpartition(":")
    return await asyncio.open_connection(host.strip("[]"), int(port))


class RunningContainer(NamedTuple):
    """A process that looks like one of our containers."""

    address: str
    pid: int


def find_containers(artifacts: Path) -> list[RunningContainer]:
    """The processes of this machine that load a model from the directory. Blocks shortly."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            options = _options(int(entry.name))
            if options.get("--model", "").startswith(f"{artifacts}/") and "--listen" in options:
                found.append(RunningContainer(options["--listen"], int(entry.name)))
    return found


def listens_at(address: str) -> Callable[[int], bool]:
    """A check for `ContainerProcess.adopt`: whether a process was started to listen at the address."""
    return lambda pid: _options(pid).get("--listen") == address


def has_argument(pid: int, argument: str) -> bool:
    """Whether the process runs with this argument."""
    return argument in _arguments(pid)


def _options(pid: int) -> dict[str, str]:
    """What follows each argument of a process."""
    return dict(pairwise(_arguments(pid)))


def _arguments(pid: int) -> list[str]:
    """The arguments of a process; none if it is gone or another user's."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text("utf-8", "replace").split("\0")
    except OSError:
        return []
