"""The settings of one management process, read once at its start."""

import argparse
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from skysail_management.api.guard import is_loopback

__all__ = ["BACKENDS", "INDEX_OPTIONS", "Settings", "SettingsError", "read_settings", "without_password"]

BACKENDS = ("local", "none")
INDEX_OPTIONS = ("refused", "allowed")


class SettingsError(Exception):
    """A setting that management cannot start with; one line for the operator."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Every flag has a twin in the environment: `--redis-url` is SKYSAIL_REDIS_URL. The flag wins."""

    host: str = "127.0.0.1"
    """Address to listen at. Any other than loopback needs a token (decision 13)."""

    port: int = 1338
    """Port to listen at; 0 takes a free one and logs it."""

    redis_url: str = "redis://127.0.0.1:6379/0"
    """Redis of the registry: redis://host:port/db, rediss://... or unix:///path?db=0."""

    data_dir: Path = Path(".skysail/management")
    """Where artifacts and logs are kept. One management process at a time."""

    run_dir: Path | None = None
    """Where containers' unix sockets are made; below the data directory if unset. Frontends need the same path."""

    backend: str = "local"
    """Who runs containers: `local` processes, or `none`."""

    container_host: str | None = None
    """Address of this machine for containers to listen at over TCP, for frontends elsewhere. Unset: unix sockets.
    RPC knows no passwords: only within a private network."""

    token: str | None = None
    """What every request must carry as `Authorization: Bearer <token>`."""

    lifeline_fd: int | None = None
    """Read end of a pipe held by a supervisor. At its end management stops, and so do its containers."""

    redis_wait_s: float = 60.0
    """How long to wait for Redis at the start; a large append-only file takes a while to load."""

    start_limit_s: float = 300.0
    """How long a container may take to load its model before it counts as failed."""

    build_limit_s: float = 1800.0
    """How long the environment of a model with requirements may take to be built: 2 GB over a slow line."""

    index_options: str = "refused"
    """Whether a model's requirements.txt may say where packages come from: indexes, URLs. Pip's own configuration on
    this machine holds in any case."""

    drain_limit_s: float = 10.0
    """How long a container may take to finish its queries before it is killed."""

    memory_limit_mb: int | None = None
    """What a container may take, in MiB, with all it forks, if its version has no limit of its own. Unset: four fifths
    of the machine's memory."""

    batch_limit_s: float = 60.0
    """How long one batch may keep a model busy, or until its deadline if that is later; then it counts as blocked."""

    max_artifact_bytes: int = 2 << 30
    """Of one uploaded archive: large enough for most models, small enough for a disk."""

    log_level: str = "info"
    """debug, info, warning or error."""

    def socket_directory(self) -> Path:
        return self.run_dir or self.data_dir / "run" / "containers"


_HELP = {
    "host": "address to listen at; any other than loopback needs a token",
    "port": "port to listen at",
    "redis_url": "redis://host:port/db or unix:///path?db=0",
    "data_dir": "where artifacts and logs are kept",
    "run_dir": "where containers' unix sockets are made; without it below the data directory",
    "backend": "who runs containers: local or none",
    "container_host": "this machine's address, for containers to listen at over TCP instead of unix sockets",
    "token": "what every request must carry; better given as SKYSAIL_TOKEN",
    "lifeline_fd": "file descriptor of a supervisor's pipe",
    "redis_wait_s": "seconds to wait for Redis at the start",
    "start_limit_s": "seconds a container may take to load its model",
    "build_limit_s": "seconds the environment of a model may take to be built",
    "index_options": "whether a model's requirements may name package indexes and URLs: refused or allowed",
    "drain_limit_s": "seconds a container may take to finish its queries",
    "memory_limit_mb": "MiB a container may take; without it four fifths of the machine's memory",
    "batch_limit_s": "seconds one batch may keep a model busy before its container is ended as blocked",
    "max_artifact_bytes": "size limit of one uploaded archive",
    "log_level": "debug, info, warning or error",
}

_CONVERTERS = {
    "port": int,
    "data_dir": Path,
    "run_dir": Path,
    "lifeline_fd": int,
    "redis_wait_s": float,
    "start_limit_s": float,
    "build_limit_s": float,
    "drain_limit_s": float,
    "memory_limit_mb": int,
    "batch_limit_s": float,
    "max_artifact_bytes": int,
}


def read_settings(arguments: Sequence[str], environment: Mapping[str, str]) -> Settings:
    """The settings of flags and environment. A wrong flag ends the process with exit code 2, as argparse does.

    :raises SettingsError: a value that does not do.
    """
    given = vars(_parser().parse_args(arguments))
    values: dict[str, object] = {}
    for name in _HELP:
        text = given[name] if given[name] is not None else environment.get(f"SKYSAIL_{name.upper()}") or None
        if text is not None:
            values[name] = _converted(name, text)
    settings = Settings(**values)  # type: ignore[arg-type]  # each value went through its field's converter
    _check(settings)
    return settings


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m skysail_management", description="The Skysail registry and management API.", allow_abbrev=False
    )
    for name, text in _HELP.items():
        parser.add_argument(f"--{name.replace('_', '-')}", help=f"{text} (SKYSAIL_{name.upper()})")
    return parser


def _converted(name: str, text: str) -> object:
    try:
        return _CONVERTERS.get(name, str)(text)
    except ValueError as error:
        raise SettingsError(f"--{name.replace('_', '-')}: expected a number, got {text!r}") from error


def _check(settings: Settings) -> None:
    if settings.backend not in BACKENDS:
        raise SettingsError(f"--backend: expected {' or '.join(BACKENDS)}, got {settings.backend!r}")
    if settings.index_options not in INDEX_OPTIONS:
        raise SettingsError(f"--index-options: expected refused or allowed, got {settings.index_options!r}")
    if not 0 <= settings.port <= 65_535:
        raise SettingsError(f"--port: expected 0 to 65535, got {settings.port}")
    if settings.log_level not in ("debug", "info", "warning", "error"):
        raise SettingsError(f"--log-level: expected debug, info, warning or error, got {settings.log_level!r}")
    for name in (
        "redis_wait_s",
        "start_limit_s",
        "build_limit_s",
        "drain_limit_s",
        "batch_limit_s",
        "max_artifact_bytes",
    ):
        if not getattr(settings, name) > 0:
            raise SettingsError(f"--{name.replace('_', '-')}: expected more than 0, got {getattr(settings, name)}")
    if settings.memory_limit_mb is not None and settings.memory_limit_mb < 1:
        raise SettingsError(f"--memory-limit-mb: expected at least 1, got {settings.memory_limit_mb}")
    if settings.lifeline_fd is not None and not _is_open(settings.lifeline_fd):
        raise SettingsError(f"--lifeline-fd: there is no open file descriptor {settings.lifeline_fd}")
    if settings.token is None and not is_loopback(settings.host):
        raise SettingsError(
            f"--host {settings.host} is not loopback: give a token (SKYSAIL_TOKEN), or listen at 127.0.0.1"
        )


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except (OSError, OverflowError):
        return False
    return True


def without_password(url: str) -> str:
    """`url` as it may be shown and logged: what stands before its host is left out."""
    return re.sub(r"//[^/@]*@", "//***@", url)
