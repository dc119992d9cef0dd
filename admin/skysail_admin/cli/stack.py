"""`skysail up`, `skysail down` and `skysail status`"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from skysail_admin.cli.session import Session, session_of
from skysail_admin.cli.stack_progress import StackProgress
from skysail_admin.errors import SkysailError
from skysail_admin.local import background
from skysail_admin.local.settings import DEFAULT_MANAGEMENT_PORT, DEFAULT_QUERY_PORT, StackSettings
from skysail_admin.local.stack import run_stack
from skysail_admin.local.stack_state import StackRecord, read_running

__all__ = ["down", "status", "up"]

DataDir = Annotated[
    Path | None,
    typer.Option("--data-dir", envvar="SKYSAIL_DATA_DIR", help="Where everything is kept; without it ~/.skysail."),
]


def up(
    context: typer.Context,
    detach: Annotated[
        bool, typer.Option("--detach", "-d", help="Return when everything answers; leave it running.")
    ] = False,
    query_port: Annotated[
        int, typer.Option("--query-port", envvar="SKYSAIL_QUERY_PORT", help="The query frontend's port.")
    ] = DEFAULT_QUERY_PORT,
    management_port: Annotated[
        int, typer.Option("--management-port", envvar="SKYSAIL_MANAGEMENT_PORT", help="Management's port.")
    ] = DEFAULT_MANAGEMENT_PORT,
    data_dir: DataDir = None,
    workers: Annotated[
        int, typer.Option("--workers", envvar="SKYSAIL_WORKERS", help="Processes of the query frontend.")
    ] = 1,
    redis_url: Annotated[
        str | None, typer.Option("--redis-url", envvar="SKYSAIL_REDIS_URL", help="A Redis to use instead of our own.")
    ] = None,
) -> None:
    """Start the stack on this machine: Redis, management and the query frontend."""
    session = session_of(context)
    settings = StackSettings(
        data_dir=data_dir or session.data_dir,
        query_port=query_port,
        management_port=management_port,
        workers=workers,
        redis_url=redis_url or None,
        token=session.token,
    ).resolved()
    runtime_dir = os.environ.get("XDG_RUNTIME_DIR")
    with StackProgress(session.output, settings, detach=detach) as progress:
        if not detach:
            run_stack(settings, progress.notify, runtime_dir=runtime_dir)
            return
        supervisor = background.start(settings, progress.notify, runtime_dir=runtime_dir)
    supervisor.returncode = 0  # it stays; nobody here waits for it


def down(context: typer.Context, data_dir: DataDir = None) -> None:
    """Stop the stack that runs on this machine; returns when all of it is gone."""
    session = session_of(context)
    chosen = data_dir or session.data_dir
    with session.output.stderr.status("stopping the stack", spinner="dots"):
        stopped = background.stop(chosen)
    text = "everything has stopped" if stopped else f"no stack runs on {chosen}"
    session.output.result({"stopped": stopped is not None}, lambda: session.output.line(text))


def status(context: typer.Context, data_dir: DataDir = None) -> None:
    """Show whether the stack runs and what it holds."""
    session = session_of(context)
    record = read_running(data_dir or session.data_dir)
    if record is not None and session.url is None:
        session.url, session.query_url = record.url, session.query_url or record.query_url
    with session.client() as client:
        try:
            answer = client.status()
        except SkysailError:
            if record is not None and not session.output.as_json:
                _show_parts(session, record)
            raise
    session.output.result({"stack": record, "management": answer}, lambda: _show(session, record, answer))


def _show(session: Session, record: StackRecord | None, answer: dict[str, Any]) -> None:
    if record is not None:
        _show_parts(session, record)
    replicas = answer.get("replicas", {})
    session.output.facts(
        (
            ("version", answer.get("version")),
            ("applications", answer.get("applications")),
            ("models", answer.get("models")),
            ("replicas", ", ".join(f"{n} {state}" for state, n in replicas.items()) or None),
        )
    )


def _show_parts(session: Session, record: StackRecord) -> None:
    rows = [(part.title, part.state, part.pid, part.restarts, part.address) for part in record.parts]
    session.output.table(("PART", "STATE", "PID", "RESTARTS", "ADDRESS"), rows)
    session.output.facts((("supervisor", f"pid {record.pid}"), ("logs", record.logs_dir)))
