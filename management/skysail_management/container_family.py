"""The processes that descend from a container, wherever its model put them. Everything here blocks shortly.

A process that forks twice and makes a session of its own leaves parents, group and session behind, and after a kill -9
of management nobody is left whose orphan it could be (PR_SET_CHILD_SUBREAPER). What it keeps is the environment it was
started with, and every container has a mark of its own in there: so whatever its model starts is found without root,
cgroups or a living ancestor. What cleared its environment is found by its parents, while it has them, and is remembered
from then on.
"""

import os
import secrets
import select
import signal
import time
from collections.abc import Callable, Iterable, Iterator, Set
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

__all__ = ["MARK", "ContainerFamily", "MarkedProcesses", "end_leftovers", "mark_of", "new_mark"]

MARK = "SKYSAIL_CONTAINER_MARK"
"""The variable that each container has in its environment, and all that descends from it."""

_PREFIX = f"{MARK}=".encode()
_SCAN_EVERY_S = 0.5
_END_LIMIT_S = 5.0
"""Processes that cannot be killed (they wait for a device) are not waited for any longer."""


def new_mark(directory: Path) -> str:
    """A mark that no other container has, of containers that belong to whoever owns the directory."""
    return f"{directory}/{secrets.token_hex(8)}"


def mark_of(pid: int) -> str:
    """The mark of the container that a process descends from; "" if it has none, is gone, or is another user's."""
    return _mark_in(_environment(pid))


class MarkedProcesses:
    """Which processes have which mark, for many containers at a time: the machine is looked through twice a second
    at most, and each process read once.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._looked_s = -_SCAN_EVERY_S
        self._marks: dict[int, str] = {}

    def of(self, mark: str) -> list[int]:
        """The processes with this mark."""
        now_s = self._clock()
        if now_s - self._looked_s >= _SCAN_EVERY_S:
            self._looked_s = now_s
            self._marks = dict(self._scan())
        return [pid for pid, found in self._marks.items() if found == mark]

    def _scan(self) -> Iterator[tuple[int, str]]:
        for pid in _running():
            known = self._marks.get(pid)
            if known is not None:
                yield pid, known
            elif environment := _environment(pid):  # nothing: it ends, or is amid an exec and looked at again
                yield pid, _mark_in(environment)


class _Process(NamedTuple):
    """A process for all time: the pid alone may be another one's later."""

    pid: int
    group: int
    started_ticks: int


class ContainerFamily:
    """A container's process with all that descends from it."""

    def __init__(self, pid: int, mark: str, marked: MarkedProcesses) -> None:
        """:param mark: "" if the container has none: then only what has its parents is found."""
        self.pid = pid
        self._mark = mark
        self._marked = marked
        self._seen: set[_Process] = set()

    def look(self) -> list[int]:
        """The container and what descends from it, now."""
        pids = _with_descendants([self.pid, *(self._marked.of(self._mark) if self._mark else ())])
        self._seen = {process for process in map(_process, pids) if process is not None}
        return pids

    def end(self) -> int:
        """Kill what is left of it, once the container itself is gone; how many it were."""
        return _end_all(self._left)

    def _left(self) -> list[int]:
        left = [process.pid for process in self._seen if _is_running(process)]
        return left + [pid for pid in _running() if self._mark and mark_of(pid) == self._mark]


def end_leftovers(directory: Path, living: Set[str]) -> int:
    """Kill what has a mark made for the directory that is not among the `living`; how many it were."""

    def left() -> list[int]:
        marks = {pid: mark_of(pid) for pid in _running()}
        return [pid for pid, mark in marks.items() if mark.rpartition("/")[0] == str(directory) and mark not in living]

    return _end_all(left)


def _end_all(find: Callable[[], Iterable[int]]) -> int:
    """Kill what is found, with its descendants, until nothing more is found; how many it were."""
    deadline_s = time.monotonic() + _END_LIMIT_S
    ended: set[_Process] = set()
    while time.monotonic() < deadline_s:
        found = set(filter(None, map(_process, _with_descendants(find())))) - ended
        if not found:
            break
        ended |= found
        _kill(found, deadline_s)
    return len(ended)


def _kill(processes: Set[_Process], deadline_s: float) -> None:
    """Kill them and wait for their ends; what has forked in between is the next look's.

    With their groups, which the kernel kills at one go: so none gets away by forking faster than anybody can look.
    """
    for group in {process.group for process in processes} - {os.getpgrp()}:
        with suppress(OSError):  # it is gone
            os.killpg(group, signal.SIGKILL)
    awaited = {pidfd for process in processes if (pidfd := _killed(process)) is not None}
    poll = select.poll()
    for pidfd in awaited:
        poll.register(pidfd, select.POLLIN)
    while awaited and (left_s := deadline_s - time.monotonic()) > 0:
        for pidfd, _ in poll.poll(left_s * 1000):
            poll.unregister(pidfd)
            awaited.remove(pidfd)
            os.close(pidfd)
    for pidfd in awaited:
        os.close(pidfd)


def _killed(process: _Process) -> int | None:
    """The descriptor that tells the end of the process, which is killed; None: it is gone, or not ours to kill."""
    try:
        pidfd = os.pidfd_open(process.pid)
    except OSError:
        return None
    if _is_running(process):
        with suppress(OSError):
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)
            return pidfd
    os.close(pidfd)
    return None


def _with_descendants(pids: Iterable[int]) -> list[int]:
    found = list(dict.fromkeys(pids))
    known = set(found)
    for parent in found:  # grows while it is walked through
        new = [child for child in _children(parent) if child not in known]
        known.update(new)
        found += new
    return found


def _children(pid: int) -> list[int]:
    """Nothing if the process is gone, or the kernel does not tell (CONFIG_PROC_CHILDREN)."""
    found: list[int] = []
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            with suppress(OSError):
                found += map(int, (task / "children").read_bytes().split())
    return found


def _process(pid: int) -> _Process | None:
    """None: it is gone, or ended and only nobody asked how."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return None
    return None if fields[0] in (b"Z", b"X") else _Process(pid, int(fields[2]), int(fields[19]))


def _is_running(process: _Process) -> bool:
    """Whether it is still the same one; it may have gone to another group meanwhile."""
    now = _process(process.pid)
    return now is not None and now.started_ticks == process.started_ticks


def _running() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]  # noqa: PTH208  # a third of iterdir's time


def _environment(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return b""


def _mark_in(environment: bytes) -> str:
    for variable in environment.split(b"\0"):
        if variable.startswith(_PREFIX):
            return os.fsdecode(variable[len(_PREFIX) :])
    return ""
