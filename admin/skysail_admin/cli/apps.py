"""`skysail app ...`"""

from __future__ import annotations

from typing import Annotated, Any

import typer

from skysail_admin.applications import DEFAULT_SLO_MS
from skysail_admin.cli.json_argument import read_json_or_text
from skysail_admin.cli.session import session_of
from skysail_admin.errors import InvalidRequestError
from skysail_admin.records import Application

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Applications: what clients query by name.")

Name = Annotated[str, typer.Argument(metavar="APP", help="The application's name.")]


@app.command()
def register(
    context: typer.Context,
    name: Name,
    input_type: Annotated[
        str, typer.Option("--input-type", "-t", help="integers, floats, doubles, strings, bytes, json or tensor.")
    ],
    default_output: Annotated[
        str,
        typer.Option("--default-output", "-d", help="The answer when there is no prediction in time; JSON or text."),
    ],
    slo_ms: Annotated[float, typer.Option("--slo-ms", help="Milliseconds a query may take.")] = DEFAULT_SLO_MS,
) -> None:
    """Register an application."""
    session = session_of(context)
    with session.client() as client:
        made = client.register_application(name, input_type, read_json_or_text(default_output), slo_ms=slo_ms)
    session.output.result(made, lambda: session.output.line(f"registered [bold]{made.name}[/]; next: skysail link add"))


@app.command("list")
def list_(context: typer.Context) -> None:
    """List the applications."""
    session = session_of(context)
    with session.client() as client:
        found = client.applications()
    columns = ("APPLICATION", "INPUT TYPE", "SLO MS", "DEFAULT OUTPUT", "MODELS")
    session.output.result(
        found,
        lambda: session.output.table(
            columns,
            ((a.name, a.input_type, f"{a.latency_slo_ms:g}", a.default_output, _links(a)) for a in found),
            empty="no applications yet; next: skysail app register",
        ),
    )


@app.command()
def get(context: typer.Context, name: Name) -> None:
    """Show one application."""
    session = session_of(context)
    with session.client() as client:
        _show(context, client.application(name))


@app.command()
def update(
    context: typer.Context,
    name: Name,
    default_output: Annotated[str | None, typer.Option("--default-output", "-d", help="JSON or text.")] = None,
    slo_ms: Annotated[float | None, typer.Option("--slo-ms", help="Milliseconds a query may take.")] = None,
) -> None:
    """Change an application's default output or latency objective."""
    changes: dict[str, Any] = {}
    if default_output is not None:
        changes["default_output"] = read_json_or_text(default_output)
    if slo_ms is not None:
        changes["slo_ms"] = slo_ms
    if not changes:
        raise InvalidRequestError("say what to change: --default-output or --slo-ms")
    with session_of(context).client() as client:
        _show(context, client.update_application(name, **changes))


@app.command()
def delete(context: typer.Context, name: Name) -> None:
    """Delete an application and its links; its models stay."""
    session = session_of(context)
    with session.client() as client:
        client.delete_application(name)
    session.output.result({"deleted": name}, lambda: session.output.line(f"deleted {name}"))


def _show(context: typer.Context, found: Application) -> None:
    output = session_of(context).output
    facts = (
        ("application", found.name),
        ("input type", found.input_type),
        ("latency objective", f"{found.latency_slo_ms:g} ms"),
        ("default output", repr(found.default_output)),
        ("models", _links(found) or None),
    )
    output.result(found, lambda: output.facts(facts))


def _links(found: Application) -> str:
    return ", ".join(
        link.model if link.role == "primary" else f"{link.model} ({link.role} {link.weight:g})" for link in found.links
    )
