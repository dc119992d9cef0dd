"""What a one-machine stack is started with."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

__all__ = ["DEFAULT_MANAGEMENT_PORT", "DEFAULT_QUERY_PORT", "StackSettings", "default_data_dir"]

DEFAULT_QUERY_PORT = 1337
DEFAULT_MANAGEMENT_PORT = 1338
_HOST = "127.0.0.1"


def default_data_dir() -> Path:
    return Path.home() / ".skysail"


@dataclass(frozen=True)
class StackSettings:
    """Immutable; read from flags and the environment once, at the edge."""

    data_dir: Path
    """Registry, artifacts and logs live here; two stacks cannot share it."""
    query_port: int = DEFAULT_QUERY_PORT
    """TCP port of the query frontend."""
    management_port: int = DEFAULT_MANAGEMENT_PORT
    """TCP port of management."""
    workers: int = 1
    """Processes of the query frontend."""
    redis_url: str | None = None
    """An external Redis; without it one is started, on a unix socket, with its data in the data dir."""
    token: str | None = None
    """Management asks every caller for it. Handed to the parts in their environment, never on a command line."""
    host: str = _HOST
    """Address that both services bind. Loopback, always, for now."""

    @property
    def query_url(self) -> str:
        return f"http://{self.host}:{self.query_port}"

    @property
    def management_url(self) -> str:
        return f"http://{self.host}:{self.management_port}"

    def resolved(self) -> StackSettings:
        """The same with an absolute data dir."""
        return replace(self, data_dir=self.data_dir.expanduser().resolve())
