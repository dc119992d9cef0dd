"""Starting a stack in the background, and stopping one that runs there."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from skysail_admin.errors import StackError
from skysail_admin.local.child import log_tail, rotate
from skysail_admin.local.events import Notify, StackEvent, error_of_event
from skysail_admin.local.lifeline import is_anybody_left
from skysail_admin.local.locks import is_held
from skysail_admin.local.paths import StackPaths, prepare
from skysail_admin.local.settings import StackSettings
from skysail_admin.local.stack_state import StackRecord, read_running

__all__ = ["start", "stop"]

_POLL_INTERVAL_S = 0.05
_STOP_TIMEOUT_S = 110.0
"""Longer than the parts' grace periods together."""
_KILL_TIMEOUT_S = 45.0


def start(
    settings: StackSettings, notify: Notify, *, runtime_dir: str | None = None, lifeline_fd: int | None = None
) -> subprocess.Popen[bytes]:
    """Starts a supervisor of its own session and returns when the stack answers.

    :param lifeline_fd: the read end of a pipe; the stack stops when its write end closes.
    :raises StackError: it does not come up; nothing is left running.
    """
    settings = settings.resolved()
    paths = prepare(settings.data_dir, runtime_dir)
    log_path = paths.log_of("supervisor")
    read_fd, write_fd = os.pipe()
    with os.fdopen(read_fd, "rb") as lines:
        try:
            supervisor = _spawn(settings, log_path, write_fd, lifeline_fd)
        finally:
            os.close(write_fd)
        _follow(lines, notify, supervisor)
    if supervisor.poll() is not None:
        raise StackError(f"the supervisor ended; its log: {log_path}", log_tail=log_tail(log_path))
    return supervisor


def _follow(lines: Iterable[bytes], notify: Notify, supervisor: subprocess.Popen[bytes]) -> None:
    try:
        for line in lines:
            _hand_on(StackEvent.from_line(line), notify, supervisor)
    except BaseException:  # a failure reported, or Ctrl-C while it was starting
        _end(supervisor)
        raise


def stop(data_dir: Path, on_wait: Callable[[], object] = lambda: None) -> StackRecord | None:
    """Stops the stack that runs on the data dir and returns it when every process of it is gone; None if none ran.

    :raises StackError: it does not stop, not even when killed.
    """
    data_dir = data_dir.expanduser().resolve()
    record = read_running(data_dir)
    if record is None and not is_held(data_dir / "stack.lock"):
        return None
    if record is None:
        raise StackError(f"a stack is just starting or ending on {data_dir}; try again in a moment")
    try:
        supervisor = os.pidfd_open(record.pid)
    except ProcessLookupError:  # it has ended in this very moment
        return record
    try:
        _end_through(supervisor, StackPaths(data_dir, Path(record.run_dir)), on_wait)
    finally:
        os.close(supervisor)
    return record


def _spawn(settings: StackSettings, log_path: Path, events_fd: int, lifeline_fd: int | None) -> subprocess.Popen[bytes]:
    flags = {
        "--data-dir": str(settings.data_dir),
        "--query-port": str(settings.query_port),
        "--management-port": str(settings.management_port),
        "--workers": str(settings.workers),
        "--events-fd": str(events_fd),
    }
    if lifeline_fd is not None:
        flags["--lifeline-fd"] = str(lifeline_fd)
    command = [sys.executable, "-m", "skysail_admin.local", *(word for pair in flags.items() for word in pair)]
    rotate(log_path)
    with log_path.open("ab") as log:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=_environment(settings),
            pass_fds=(events_fd,) if lifeline_fd is None else (events_fd, lifeline_fd),
            start_new_session=True,
        )


def _environment(settings: StackSettings) -> dict[str, str]:
    """Secrets and addresses with passwords go by environment: a command line is everybody's to read."""
    return {
        **os.environ,
        "SKYSAIL_REDIS_URL": settings.redis_url or "",
        "SKYSAIL_TOKEN": settings.token or "",
    }


def _hand_on(event: StackEvent, notify: Notify, supervisor: subprocess.Popen[bytes]) -> None:
    if event.kind == "failed":
        supervisor.wait()
        raise error_of_event(event)
    notify(event)


def _end(supervisor: subprocess.Popen[bytes]) -> None:
    if supervisor.poll() is None:
        supervisor.terminate()
        supervisor.wait()


def _end_through(supervisor: int, paths: StackPaths, on_wait: Callable[[], object]) -> None:
    """:param supervisor: its pidfd, which never names another process."""
    _signal(supervisor, signal.SIGTERM)
    if _gone_within(supervisor, paths, _STOP_TIMEOUT_S, on_wait):
        return
    _signal(supervisor, signal.SIGKILL)  # the parts see their lifeline close
    if not _gone_within(supervisor, paths, _KILL_TIMEOUT_S, on_wait):
        raise StackError(f"processes of the stack on {paths.data_dir} do not end; see {paths.logs_dir}")


def _signal(supervisor: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        signal.pidfd_send_signal(supervisor, number)


def _gone_within(supervisor: int, paths: StackPaths, timeout_s: float, on_wait: Callable[[], object]) -> bool:
    """Whether the supervisor has ended and nothing of its stack is left, in time."""
    deadline_s = time.monotonic() + timeout_s
    while not _has_ended(supervisor) or is_held(paths.redis_lock) or is_anybody_left(paths.lifeline):
        if time.monotonic() >= deadline_s:
            return False
        on_wait()
        time.sleep(_POLL_INTERVAL_S)
    return True


def _has_ended(pidfd: int) -> bool:
    """A pidfd is readable once its process has ended, reaped or not (pidfd_open(2))."""
    return bool(select.select([pidfd], [], [], 0)[0])
