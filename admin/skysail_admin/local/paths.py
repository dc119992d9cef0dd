"""Where a stack keeps its files, and a run dir short enough for unix sockets."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import stat
from dataclasses import dataclass
from pathlib import Path

from skysail_admin.errors import StackError

__all__ = ["StackPaths", "prepare"]

_SOCKET_PATH_LIMIT = 107
"""Bytes of a unix socket's path on Linux (`sun_path` minus its final zero)."""
_SOCKET_NAME_RESERVE = 40
"""Bytes that the parts may use for names of sockets inside the run dir."""
_NEEDED_FREE_BYTES = 64 << 20
"""With less than this on the disk nothing useful can be deployed and Redis cannot persist."""


@dataclass(frozen=True)
class StackPaths:
    data_dir: Path
    run_dir: Path

    @property
    def logs_dir(self) -> Path:
        return self.data_dir / "logs"

    @property
    def redis_dir(self) -> Path:
        return self.data_dir / "redis"

    @property
    def redis_socket(self) -> Path:
        return self.run_dir / "redis.sock"

    @property
    def state_file(self) -> Path:
        return self.data_dir / "stack.json"

    @property
    def stack_lock(self) -> Path:
        return self.data_dir / "stack.lock"

    @property
    def redis_lock(self) -> Path:
        return self.data_dir / "redis.lock"

    @property
    def lifeline(self) -> Path:
        return self.data_dir / "lifeline"

    def log_of(self, part: str) -> Path:
        return self.logs_dir / f"{part}.log"


def prepare(data_dir: Path, runtime_dir: str | None = None, needed_free_bytes: int = _NEEDED_FREE_BYTES) -> StackPaths:
    """Makes the folders.

    :param runtime_dir: `$XDG_RUNTIME_DIR`, for when the data dir's own path is too long for sockets.
    :raises StackError: the data dir cannot be written, or the disk is full.
    """
    paths = StackPaths(data_dir, _run_dir(data_dir, runtime_dir))
    try:
        for folder in (paths.data_dir, paths.logs_dir, paths.redis_dir):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _probe_write(data_dir)
    except OSError as error:
        raise StackError(_why_unusable(data_dir, error)) from error
    free_bytes = shutil.disk_usage(data_dir).free
    if free_bytes < needed_free_bytes:
        raise StackError(
            f"the disk of {data_dir} is full: {free_bytes >> 20} MiB left and {needed_free_bytes >> 20} MiB needed; "
            "free some space, or choose another place with --data-dir"
        )
    _make_private(paths.run_dir)
    return paths


def _run_dir(data_dir: Path, runtime_dir: str | None) -> Path:
    own = data_dir / "run"
    if len(os.fsencode(own)) + _SOCKET_NAME_RESERVE <= _SOCKET_PATH_LIMIT:
        return own
    name = "skysail-" + hashlib.sha256(os.fsencode(data_dir)).hexdigest()[:10]
    if runtime_dir and len(os.fsencode(runtime_dir)) + 1 + len(name) + _SOCKET_NAME_RESERVE <= _SOCKET_PATH_LIMIT:
        return Path(runtime_dir) / name
    return Path(f"/tmp/{name}-{os.getuid()}")  # noqa: S108 - made 0700 and checked to be ours before use


def _make_private(folder: Path) -> None:
    """Makes the folder for this user alone; refuses one that somebody else made or may write to."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.lstat()
    except OSError as error:
        raise StackError(_why_unusable(folder, error)) from error
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o022:
        raise StackError(f"{folder} belongs to somebody else or is open to others; remove it and start again")


def _probe_write(folder: Path) -> None:
    probe = folder / ".probe"
    probe.write_bytes(b"\0" * 4096)
    probe.unlink()


def _why_unusable(folder: Path, error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"the disk of {folder} is full; free some space, or choose another place with --data-dir"
    return f"{folder} cannot be written: {error.strerror or error}; choose another place with --data-dir"
