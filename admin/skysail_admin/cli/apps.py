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

_FALLBACK = "A model of the same input type, asked when the linked model has no room."
_PRIORITY = "high, normal or low: its standing among the applications that share a model."
_CACHE = "Whether a prediction for equal input may be given again."


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
    fallback: Annotated[str | None, typer.Option("--fallback", metavar="MODEL", help=_FALLBACK)] = None,
    priority: Annotated[str, typer.Option("--priority", help=_PRIORITY)] = "normal",
    cache: Annotated[bool, typer.Option("--cache/--no-cache", help=_CACHE)] = True,
) -> None:
    """Register an application."""
    session = session_of(context)
    with session.client() as client:
        made = client.register_application(
            name,
            input_type,
            read_json_or_text(default_output),
            slo_ms=slo_ms,
            fallback=fallback,
            priority=priority,
            cache=cache,
        )
    session.output.result(made, lambda: session.output.line(f"registered [bold]{made.name}[/]; next: skysail link add"))


@app.command("list")
def list_(context: typer.Context) -> None:
    """List the applications."""
    session = session_of(context)
    with session.client() as client:
        found = client.applications()
    columns = ("APPLICATION", "INPUT TYPE", "SLO MS", "DEFAULT OUTPUT", "PRIORITY", "CACHE", "MODELS", "FALLBACK")
    session.output.result(
        found,
        lambda: session.output.table(
            columns,
            (
                (
                    *(a.name, a.input_type, f"{a.latency_slo_ms:g}", a.default_output),
                    *(a.priority, a.cache, _links(a), a.fallback_model),
                )
                for a in found
            ),
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
    fallback: Annotated[str | None, typer.Option("--fallback", metavar="MODEL", help=_FALLBACK)] = None,
    no_fallback: Annotated[bool, typer.Option("--no-fallback", help="Have no fallback any more.")] = False,
    priority: Annotated[str | None, typer.Option("--priority", help=_PRIORITY)] = None,
    cache: Annotated[bool | None, typer.Option("--cache/--no-cache", help=_CACHE)] = None,
) -> None:
    """Change what an application answers with, and how; what is not said stays."""
    if no_fallback and fallback is not None:
        raise InvalidRequestError("say --fallback or --no-fallback, not both", field="fallback_model")
    given = {"slo_ms": slo_ms, "fallback": fallback, "priority": priority, "cache": cache}
    changes: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    if default_output is not None:
        changes["default_output"] = read_json_or_text(default_output)
    if no_fallback:
        changes["fallback"] = None
    if not changes:
        raise InvalidRequestError("say what to change; see: skysail app update --help")
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
        ("fallback", found.fallback_model),
        ("priority", found.priority),
        ("cache", found.cache),
    )
    output.result(found, lambda: output.facts(facts))


def _links(found: Application) -> str:
    return ", ".join(
        link.model if link.role == "primary" else f"{link.model} ({link.role} {link.weight:g})" for link in found.links
    )
