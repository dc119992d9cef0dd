"""`skysail predict`, `skysail feedback` and `skysail logs`"""

from __future__ import annotations

import json
import sys
from typing import Annotated, Any

import typer

from skysail_admin.cli.json_argument import read_json, read_json_or_text
from skysail_admin.cli.output import Output
from skysail_admin.cli.session import parse_model, session_of
from skysail_admin.client import Skysail
from skysail_admin.errors import InvalidRequestError
from skysail_admin.records import Prediction

__all__ = ["feedback", "logs", "predict"]

App = Annotated[str, typer.Argument(metavar="APP", help="The application's name.")]


def predict(
    context: typer.Context,
    app_name: App,
    input_: Annotated[str, typer.Argument(metavar="INPUT", help="JSON, @FILE, or - for stdin.")],
    batch: Annotated[bool, typer.Option("--batch", "-b", help="INPUT is an array of inputs.")] = False,
    version: Annotated[str | None, typer.Option("--version", help="Ask this version, not the current one.")] = None,
) -> None:
    """Ask an application for a prediction."""
    session = session_of(context)
    rows = read_json(input_)
    if batch and not isinstance(rows, list):
        raise InvalidRequestError("with --batch INPUT is an array of inputs", field="input_batch")
    with session.client() as client:
        if batch:
            answers = client.predict_batch(app_name, rows, version)
            session.output.result(answers, lambda: _show_batch(session.output, answers))
        else:
            answer = client.predict(app_name, rows, version)
            session.output.result(answer, lambda: _show_one(session.output, answer))


def feedback(
    context: typer.Context,
    app_name: App,
    query_id: Annotated[int, typer.Argument(metavar="QUERY_ID", help="As the prediction named it.")],
    label: Annotated[str, typer.Argument(metavar="LABEL", help="What was true: JSON or text.")],
) -> None:
    """Tell an application what was true for an earlier query."""
    session = session_of(context)
    with session.client() as client:
        answer = client.update(app_name, query_id, read_json_or_text(label))
    joined = f"joined with the prediction of {answer.get('model')}:{answer.get('version')}"
    session.output.result(answer, lambda: session.output.line(joined))


def logs(
    context: typer.Context,
    named: Annotated[str, typer.Argument(metavar="MODEL[:VERSION[:REPLICA]]", help="Whose container.")],
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what is added, until Ctrl-C.")] = False,
    tail: Annotated[int, typer.Option("--tail", "-n", help="Lines to start with.", min=0)] = 200,
) -> None:
    """Show what a model's container writes (the current version's first replica if no other is named)."""
    session = session_of(context)
    wanted = parse_model(named)
    with session.client() as client:
        version = wanted.version or _version_with_replica(client, wanted.name)
        if follow and not session.output.as_json:
            for text in client.follow_container_logs(wanted.name, version, wanted.replica_id, tail):
                _write(text)
            return
        text = client.get_container_logs(wanted.name, version, wanted.replica_id, tail)
    session.output.result({"logs": text}, lambda: _write(text))


def _version_with_replica(client: Skysail, name: str) -> str:
    """The current version; without one, the newest that is there."""
    model = client.model(name)
    version = model.current_version or model.next_version or (model.versions[-1] if model.versions else None)
    if version is None:
        raise InvalidRequestError(f"model {name!r} has no versions")
    return version


def _show_one(output: Output, answer: Prediction) -> None:
    _write(json.dumps(answer.output) + "\n")
    output.say(f"[dim]query {answer.query_id}[/]{_remark(answer)}")


def _show_batch(output: Output, answers: list[Prediction]) -> None:
    rows = ((n, json.dumps(a.output), a.default, a.default_reason, a.query_id) for n, a in enumerate(answers))
    output.table(("ROW", "OUTPUT", "DEFAULT", "REASON", "QUERY"), rows, empty="an empty batch")


def _remark(answer: Prediction) -> str:
    if answer.default:
        return f": [yellow]default output[/], {answer.default_explanation}"
    return ": answered by the fallback model" if answer.fallback else ""


def _write(text: Any) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
