"""`skysail link ...`"""

from __future__ import annotations

from typing import Annotated

import typer

from skysail_admin.cli.session import session_of

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Links: which models an application asks.")

App = Annotated[str, typer.Argument(metavar="APP", help="The application's name.")]
Model = Annotated[str, typer.Argument(metavar="MODEL", help="The model's name.")]


@app.command()
def add(
    context: typer.Context,
    app_name: App,
    model: Model,
    role: Annotated[str, typer.Option("--role", help="primary, candidate or shadow.")] = "primary",
    weight: Annotated[float, typer.Option("--weight", help="A candidate's share of the queries.")] = 1.0,
) -> None:
    """Link a model to an application: from now on it is asked."""
    session = session_of(context)
    with session.client() as client:
        found = client.link_model_to_app(app_name, model, role, weight)
    session.output.result(found, lambda: session.output.line(f"linked {app_name} to [bold]{model}[/]"))


@app.command("list")
def list_(context: typer.Context, app_name: App) -> None:
    """List the models an application is linked to."""
    session = session_of(context)
    with session.client() as client:
        found = client.application(app_name).links
    rows = [(link.model, link.role, f"{link.weight:g}") for link in found]
    empty = "no links yet; next: skysail link add"
    session.output.result(found, lambda: session.output.table(("MODEL", "ROLE", "WEIGHT"), rows, empty=empty))


@app.command()
def remove(context: typer.Context, app_name: App, model: Model) -> None:
    """Unlink a model from an application."""
    session = session_of(context)
    with session.client() as client:
        client.unlink_model_from_app(app_name, model)
    session.output.result(
        {"unlinked": model, "application": app_name}, lambda: session.output.line(f"unlinked {model} from {app_name}")
    )
