"""The parts of a stack in the order they start: Redis, management, query frontend."""

from __future__ import annotations

import importlib.util
import sys

from skysail_admin.errors import StackError
from skysail_admin.local.lifeline import Lifeline
from skysail_admin.local.locks import FileLock
from skysail_admin.local.part import Part
from skysail_admin.local.paths import StackPaths
from skysail_admin.local.probes import http_probe, redis_probe
from skysail_admin.local.redis_server import find_redis_server, redis_command, redis_url
from skysail_admin.local.settings import StackSettings

__all__ = ["MANAGEMENT_FLAG", "QUERY_FLAG", "parts_of"]

_CONTAINERS_GRACE_S = 35.0
"""Containers outlive management on purpose; once it has stopped they finish their batches and end."""
_FRONTEND_GRACE_S = 35.0
"""The query frontend answers what it took in, for at most 30 s."""

_SERVICES = ("skysail_management", "skysail_frontend", "skysail_container")

QUERY_FLAG = "--query-port"
MANAGEMENT_FLAG = "--management-port"


def parts_of(settings: StackSettings, paths: StackPaths, lifeline: Lifeline, redis_lock: FileLock) -> list[Part]:
    """:raises StackError: the stack is not installed, or there is no redis-server to run."""
    _check_installed()
    url = settings.redis_url or redis_url(paths)
    services = [
        _management(settings, paths, url, lifeline),
        _frontend(settings, paths, url, lifeline),
    ]
    return services if settings.redis_url else [_redis(paths, redis_lock.fd), *services]


def _redis(paths: StackPaths, lock_fd: int) -> Part:
    probe = redis_probe(paths.redis_socket)
    return Part(
        name="redis",
        title="Redis",
        command=tuple(redis_command(find_redis_server(), paths)),
        address=str(paths.redis_socket),
        ready=probe,
        alive=probe,
        log_path=paths.log_of("redis"),
        inherited_fds=(lock_fd,),
        start_timeout_s=300.0,  # it may have much to load
    )


def _management(settings: StackSettings, paths: StackPaths, url: str, lifeline: Lifeline) -> Part:
    port = settings.management_port
    flags = {
        "--host": settings.host,
        "--port": str(port),
        "--redis-url": url,
        "--data-dir": str(paths.data_dir),
        "--run-dir": str(paths.run_dir / "containers"),
        "--lifeline-fd": str(lifeline.read_fd),
    }
    return Part(
        name="management",
        title="management",
        command=_module("skysail_management", flags),
        address=settings.management_url,
        ready=http_probe(settings.host, port, "/readyz", settings.token),
        alive=http_probe(settings.host, port, "/healthz", settings.token),
        log_path=paths.log_of("management"),
        environment={"SKYSAIL_TOKEN": settings.token} if settings.token else {},
        inherited_fds=(lifeline.read_fd,),
        after_stop=lambda: lifeline.cut_and_wait(_CONTAINERS_GRACE_S),
        port=port,
        port_flag=MANAGEMENT_FLAG,
    )


def _frontend(settings: StackSettings, paths: StackPaths, url: str, lifeline: Lifeline) -> Part:
    port = settings.query_port
    flags = {
        "--host": settings.host,
        "--port": str(port),
        "--redis-url": url,
        "--run-dir": str(paths.run_dir / "frontend"),
        "--workers": str(settings.workers),
        "--lifeline-fd": str(lifeline.read_fd),
    }
    return Part(
        name="frontend",
        title="query frontend",
        command=_module("skysail_frontend", flags),
        address=settings.query_url,
        ready=http_probe(settings.host, port, "/readyz"),
        alive=http_probe(settings.host, port, "/healthz"),
        log_path=paths.log_of("frontend"),
        inherited_fds=(lifeline.read_fd,),
        stop_grace_s=_FRONTEND_GRACE_S,
        port=port,
        port_flag=QUERY_FLAG,
    )


def _module(name: str, flags: dict[str, str]) -> tuple[str, ...]:
    return (sys.executable, "-m", name, *(word for pair in flags.items() for word in pair))


def _check_installed() -> None:
    missing = [name for name in _SERVICES if importlib.util.find_spec(name) is None]
    if missing:
        raise StackError(
            f"{' and '.join(missing)} cannot be found: only the client is installed here; "
            "for the stack: pip install 'skysail-admin[local]'"
        )
