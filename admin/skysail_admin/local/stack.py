"""One stack, from its checks to its end, in this process."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from skysail_admin.errors import StackError
from skysail_admin.local.events import Notify, StackEvent
from skysail_admin.local.external_redis import check_reachable
from skysail_admin.local.lifeline import Lifeline, is_anybody_left
from skysail_admin.local.locks import FileLock, is_held
from skysail_admin.local.parts import MANAGEMENT_FLAG, QUERY_FLAG, parts_of
from skysail_admin.local.paths import StackPaths, prepare
from skysail_admin.local.ports import check_free
from skysail_admin.local.redis_server import redis_url
from skysail_admin.local.settings import StackSettings
from skysail_admin.local.stack_state import PartRecord, StackRecord, read_running, write
from skysail_admin.local.supervisor import Supervisor

__all__ = ["run_stack"]

_LEFTOVERS_TIMEOUT_S = 45.0
_PROBE_S = 0.3


def run_stack(
    settings: StackSettings, notify: Notify, *, runtime_dir: str | None = None, watched_fd: int | None = None
) -> None:
    """Runs the stack until SIGINT, SIGTERM or SIGHUP (a second one ends the parts at once).

    :param runtime_dir: `$XDG_RUNTIME_DIR`.
    :param watched_fd: the read end of a pipe; the stack stops when it closes.
    :raises StackError: it cannot start, and nothing runs; the message is one line that says what to do.
    """
    settings = settings.resolved()
    _check_workers(settings)
    paths = prepare(settings.data_dir, runtime_dir)
    with _only_stack(paths, notify) as (lifeline, redis_lock):
        _check_ports(settings)
        if settings.redis_url:
            check_reachable(settings.redis_url)
        try:
            asyncio.run(_run(settings, paths, lifeline, redis_lock, notify, watched_fd))
        finally:
            paths.state_file.unlink(missing_ok=True)


async def _run(
    settings: StackSettings,
    paths: StackPaths,
    lifeline: Lifeline,
    redis_lock: FileLock,
    notify: Notify,
    watched_fd: int | None,
) -> None:
    started_at_s = time.time()

    def notify_and_write(event: StackEvent) -> None:
        with suppress(OSError):  # a full disk must not stop the stack; only `status` goes without
            write(paths.state_file, _record(settings, paths, started_at_s, supervisor))
        notify(event)

    supervisor = Supervisor(parts_of(settings, paths, lifeline, redis_lock), notify_and_write)
    await supervisor.run(_stop_event(supervisor, watched_fd))


@contextmanager
def _only_stack(paths: StackPaths, notify: Notify) -> Iterator[tuple[Lifeline, FileLock]]:
    """Nobody else runs on the data dir, and nothing is left of whoever did."""
    stack_lock, redis_lock, lifeline = FileLock(paths.stack_lock), FileLock(paths.redis_lock), Lifeline(paths.lifeline)
    if not stack_lock.acquire_within(_PROBE_S):  # `status` holds it for a moment to see whether it is free
        raise StackError(_already_running(paths))
    try:
        if is_held(paths.redis_lock) or is_anybody_left(paths.lifeline):
            notify(StackEvent("waiting", text="processes of an earlier stack are still stopping"))
        if not redis_lock.acquire_within(_LEFTOVERS_TIMEOUT_S) or not lifeline.hold_within(_LEFTOVERS_TIMEOUT_S):
            raise StackError(f"processes of an earlier stack still use {paths.data_dir}; stop them and try again")
        yield lifeline, redis_lock
    finally:
        lifeline.cut()
        redis_lock.release()
        shutil.rmtree(paths.run_dir, ignore_errors=True)  # sockets only; the parts are gone
        stack_lock.release()


def _already_running(paths: StackPaths) -> str:
    record = read_running(paths.data_dir)
    who = f" (pid {record.pid}, queries at {record.query_url})" if record else ""
    return (
        f"a stack already runs on {paths.data_dir}{who}; stop it with: skysail down, or choose another with --data-dir"
    )


def _check_ports(settings: StackSettings) -> None:
    if settings.query_port == settings.management_port:
        raise StackError(f"{QUERY_FLAG} and {MANAGEMENT_FLAG} are both {settings.query_port}; they must differ")
    check_free(settings.host, settings.management_port, MANAGEMENT_FLAG)
    check_free(settings.host, settings.query_port, QUERY_FLAG)


def _check_workers(settings: StackSettings) -> None:
    if settings.workers < 1:
        raise StackError(f"--workers {settings.workers}: at least one process has to answer queries")


def _stop_event(supervisor: Supervisor, watched_fd: int | None) -> asyncio.Event:
    """Set by the first signal to stop, or by the end of the watched pipe."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()

    def stop_now() -> None:
        if stop.is_set():
            supervisor.kill()
        stop.set()

    def pipe_readable() -> None:
        if watched_fd is not None and not os.read(watched_fd, 1):
            loop.remove_reader(watched_fd)
            stop.set()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stop_now)
    if watched_fd is not None:
        loop.add_reader(watched_fd, pipe_readable)
    return stop


def _record(settings: StackSettings, paths: StackPaths, started_at_s: float, supervisor: Supervisor) -> StackRecord:
    parts = tuple(
        PartRecord(
            name=keeper.part.name,
            title=keeper.part.title,
            state=keeper.state,
            pid=keeper.pid,
            restarts=keeper.restarts,
            since_s=keeper.since_s,
            address=keeper.part.address,
        )
        for keeper in supervisor.keepers
    )
    return StackRecord(
        pid=os.getpid(),
        started_at_s=started_at_s,
        url=settings.management_url,
        query_url=settings.query_url,
        redis_url=settings.redis_url or redis_url(paths),
        run_dir=str(paths.run_dir),
        logs_dir=str(paths.logs_dir),
        parts=parts,
    )
