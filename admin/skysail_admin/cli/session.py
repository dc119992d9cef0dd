"""What one run of the command knows: how to write, and which Skysail is meant."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import typer

from skysail_admin.cli.output import Output
from skysail_admin.client import DEFAULT_QUERY_URL, DEFAULT_URL, Skysail
from skysail_admin.errors import InvalidRequestError
from skysail_admin.local.stack_state import read_running

__all__ = ["ModelName", "Session", "parse_model", "session_of"]


@dataclass
class Session:
    """The global options; addresses not given are those of the stack that runs on the data dir, else the defaults."""

    output: Output
    data_dir: Path
    url: str | None = None
    query_url: str | None = None
    token: str | None = None

    def client(self) -> Skysail:
        running = None if self.url and self.query_url else read_running(self.data_dir)
        url = self.url or (running.url if running else DEFAULT_URL)
        query_url = self.query_url or (running.query_url if running else DEFAULT_QUERY_URL)
        return Skysail(url, query_url, self.token)


def session_of(context: typer.Context) -> Session:
    session = context.find_root().obj
    if not isinstance(session, Session):
        raise TypeError("the program's callback has not run")
    return session


@dataclass(frozen=True)
class ModelName:
    """`MODEL[:VERSION[:REPLICA]]` as people write it."""

    name: str
    version: str | None = None
    replica_id: int | None = None


def parse_model(text: str, *, n_parts: int = 3) -> ModelName:
    """:raises InvalidRequestError: more than `n_parts` parts, an empty one, or a replica that is no number."""
    name, *rest = text.split(":")
    version = rest[0] if rest else None
    replica = rest[1] if len(rest) > 1 else None
    if len(rest) >= n_parts or not all((name, *rest)) or (replica is not None and not replica.isdigit()):
        pattern = ("MODEL", "MODEL[:VERSION]", "MODEL[:VERSION[:REPLICA]]")[n_parts - 1]
        raise InvalidRequestError(f"{text!r} is not of the form {pattern}")
    return ModelName(name, version, None if replica is None else int(replica))
