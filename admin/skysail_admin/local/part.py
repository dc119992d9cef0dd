"""A part of the stack: the program to run and how to see that it answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from skysail_admin.local.probes import Probe

__all__ = ["PORT_IN_USE_EXIT_CODE", "Part"]

PORT_IN_USE_EXIT_CODE = 3
"""Management and the query frontend end with this when somebody else has their port."""


@dataclass(frozen=True)
class Part:
    name: str
    """redis, management or frontend: in events, in the state file and in the log's name."""
    title: str
    """The name for people."""
    command: tuple[str, ...]
    address: str
    """Where it answers, for people."""
    ready: Probe
    """Whether it does its work."""
    alive: Probe
    """Whether it answers at all; a part that does not for `hung_after_s` is ended and started again."""
    log_path: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    """Added to the supervisor's own."""
    inherited_fds: tuple[int, ...] = ()
    start_timeout_s: float = 60.0
    stop_grace_s: float = 15.0
    """Seconds from SIGTERM to SIGKILL."""
    hung_after_s: float = 30.0
    after_stop: Callable[[], Awaitable[None]] | None = None
    """Ends what the part leaves behind on purpose; awaited once its process has stopped for good."""
    port: int | None = None
    port_flag: str = ""
