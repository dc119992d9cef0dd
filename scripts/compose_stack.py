"""A compose project of a trial's own: its token, its ports, and docker compose with them. Used by try_compose.py."""

import json
import os
import secrets
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from skysail_admin import Skysail
from skysail_admin.errors import SkysailError

__all__ = ["PROJECT", "ROOT", "Stack", "TrialError", "all_healthy", "expect", "wait_until"]

ROOT = Path(__file__).resolve().parents[1]
PROJECT = "skysail-trial"


class TrialError(Exception):
    """Something that should hold of the stack does not."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Stack:
    """The compose project of this trial: its token, its ports, and docker compose with them."""

    def __init__(self) -> None:
        self.token = secrets.token_urlsafe(32)
        self.query_port, self.management_port, self.example_port, self.prometheus_port = (free_port() for _ in range(4))
        self.environment = {
            **os.environ,
            "SKYSAIL_TOKEN": self.token,
            "SKYSAIL_QUERY_PORT": str(self.query_port),
            "SKYSAIL_MANAGEMENT_PORT": str(self.management_port),
            "SKYSAIL_EXAMPLE_PORT": str(self.example_port),
            "SKYSAIL_PROMETHEUS_PORT": str(self.prometheus_port),
            "SKYSAIL_WORKERS": "2",
        }

    def compose(self, *arguments: str, check: bool = True, quiet: bool = True, **environment: str) -> str:
        """Run `docker compose ARGUMENTS` and give back what it printed."""
        command = ["docker", "compose", "-p", PROJECT, *arguments]
        merged = {**self.environment, **environment}
        output = subprocess.PIPE if quiet else None
        done = subprocess.run(
            command, cwd=ROOT, env=merged, stdout=output, stderr=subprocess.STDOUT, text=True, check=False
        )
        if check and done.returncode:
            raise TrialError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}")
        return done.stdout or ""

    def inside(self, service: str, *command: str, check: bool = True) -> str:
        return self.compose("exec", "-T", service, *command, check=check).strip()

    def inspect(self, service: str) -> dict[str, Any]:
        container = self.compose("ps", "-a", "-q", service).strip()
        done = subprocess.run(["docker", "inspect", container], capture_output=True, text=True, check=True)
        found: dict[str, Any] = json.loads(done.stdout)[0]
        return found

    def client(self, token: str | None = None) -> Skysail:
        return Skysail(
            f"http://127.0.0.1:{self.management_port}", f"http://127.0.0.1:{self.query_port}", token=token or self.token
        )


def expect(holds: bool, what: str) -> None:
    if not holds:
        raise TrialError(what)


def wait_until(condition: Callable[[], bool], what: str, limit_s: float = 60.0) -> float:
    """Poll until `condition` holds and return the seconds it took; errors of the client count as not yet."""
    started_s = time.monotonic()
    while True:
        try:
            if condition():
                return time.monotonic() - started_s
        except (SkysailError, httpx.HTTPError, OSError):
            pass  # a part is coming up: the limit below decides
        if time.monotonic() - started_s > limit_s:
            raise TrialError(f"not within {limit_s:.0f} s: {what}")
        time.sleep(0.2)


def all_healthy(stack: Stack) -> bool:
    states = [json.loads(line) for line in stack.compose("ps", "--format", "json").splitlines() if line.startswith("{")]
    return len(states) >= 3 and all(state["Health"] == "healthy" for state in states)
