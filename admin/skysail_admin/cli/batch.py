"""`skysail batch` and `skysail consistency`: a version over a table, with PySpark."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from skysail_admin.artifact_cache import CachedArtifact, cached_artifact
from skysail_admin.cli.models import chosen_version
from skysail_admin.cli.session import Session, parse_model, session_of
from skysail_admin.client import Skysail
from skysail_admin.container_check import ENVIRONMENT_FILES
from skysail_admin.errors import InvalidRequestError
from skysail_admin.offline_job import run_offline, submit_line
from skysail_admin.records import Version

__all__ = ["batch", "consistency"]

Named = Annotated[str, typer.Argument(metavar="MODEL[:VERSION]", help="A version; the current one if none is named.")]
Input = Annotated[
    list[str] | None,
    typer.Option("--input", "-i", help="Parquet, CSV or JSON: a file, a folder or an address; may be repeated."),
]
Sql = Annotated[str | None, typer.Option("--sql", help="A query instead, over the tables of the session's catalog.")]
InputFormat = Annotated[
    str | None, typer.Option("--input-format", help="parquet, csv or json; without it, what the suffix says.")
]
Schema = Annotated[
    str | None, typer.Option("--schema", help="Columns of CSV or JSON, as 'name string, age int'; else found out.")
]
Columns = Annotated[
    str | None,
    typer.Option("--columns", help="The feature columns in the model's order, with commas; else the version's own."),
]
BatchRows = Annotated[int | None, typer.Option("--batch-rows", help="Rows for the model at once; 512.", min=1)]
Master = Annotated[str, typer.Option("--master", help="Spark's master.")]
Conf = Annotated[list[str] | None, typer.Option("--conf", help="KEY=VALUE for Spark; may be repeated.")]
Python = Annotated[
    str, typer.Option("--python", envvar="SKYSAIL_BATCH_PYTHON", help="A Python with PySpark and the model's packages.")
]


def batch(
    context: typer.Context,
    named: Named,
    input_: Input = None,
    output: Annotated[str | None, typer.Option("--output", "-o", help="A folder for the predictions.")] = None,
    sql: Sql = None,
    input_format: InputFormat = None,
    schema: Schema = None,
    output_format: Annotated[str, typer.Option("--output-format", help="parquet, csv or json.")] = "parquet",
    output_table: Annotated[
        str | None, typer.Option("--output-table", help="A table, written at the end from what is in --output.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the output of an earlier job.")] = False,
    columns: Columns = None,
    output_column: Annotated[str, typer.Option("--output-column", help="Where the predictions go.")] = "prediction",
    error_column: Annotated[str, typer.Option("--error-column", help="Why a row has no prediction.")] = "error",
    batch_rows: BatchRows = None,
    chunk_rows: Annotated[
        int | None, typer.Option("--chunk-rows", help="Rows of an output file; 10,000.", min=1)
    ] = None,
    partitions: Annotated[
        int | None, typer.Option("--partitions", help="Spread the rows over so many partitions first.", min=1)
    ] = None,
    master: Master = "local[*]",
    conf: Conf = None,
    python: Python = sys.executable,
    print_submit: Annotated[
        bool, typer.Option("--print-submit", help="Only print the spark-submit line for a cluster.")
    ] = False,
) -> None:
    """Score a table offline with a deployed version. Run again after an interruption, it goes on where it stopped."""
    session = session_of(context)
    _check_input(input_, sql)
    if output is None:
        raise InvalidRequestError("--output is needed, a folder for the predictions", field="output")
    with session.client() as client:
        version, artifact = _fetched(session, client, named)
    options = {
        **_common(version, input_, sql, input_format, schema, columns, batch_rows),
        "output": output,
        "output_format": output_format,
        "output_table": output_table,
        "overwrite": overwrite,
        "output_column": output_column,
        "error_column": error_column,
        "chunk_rows": chunk_rows,
        "partitions": partitions,
    }
    if print_submit:
        launcher = artifact.archive.with_name("skysail_batch.py")
        line = submit_line(launcher, master, conf or [], {"model": artifact.archive, **options})
        session.output.result({"command": line}, lambda: _write(line))
        return
    options |= {"model": artifact.folder, "master": master, "conf": conf or []}
    found, _ = run_offline(python, options, lambda text: session.output.say(f"[dim]{escape(text)}[/]"))
    session.output.result(found, lambda: _show_batch(session, version, found))


def consistency(
    context: typer.Context,
    named: Named,
    input_: Input = None,
    app: Annotated[str | None, typer.Option("--app", help="The application to ask; else one linked to it.")] = None,
    sql: Sql = None,
    input_format: InputFormat = None,
    schema: Schema = None,
    columns: Columns = None,
    tolerance: Annotated[
        float, typer.Option("--tolerance", help="How far numbers may be apart, relative or absolute.", min=0.0)
    ] = 0.0,
    rows: Annotated[int | None, typer.Option("--rows", help="Compare so many rows at most.", min=1)] = None,
    batch_rows: BatchRows = None,
    master: Master = "local[*]",
    conf: Conf = None,
    python: Python = sys.executable,
) -> None:
    """Compare what a version answers online with what it gives offline, row by row. Exit code 1 if anything differs."""
    session = session_of(context)
    _check_input(input_, sql)
    with session.client() as client:
        version, artifact = _fetched(session, client, named)
        asked = app or _linked_app(client, version)
        url = f"{client.frontend.base_url}/{asked}"
    options = {
        **_common(version, input_, sql, input_format, schema, columns, batch_rows),
        "model": artifact.folder,
        "url": url,
        "version": version.version,
        "tolerance": tolerance,
        "limit": rows,
        "master": master,
        "conf": conf or [],
    }
    found, is_same = run_offline(python, options, lambda text: session.output.say(f"[dim]{escape(text)}[/]"))
    session.output.result(found, lambda: _show_consistency(session, version, asked, found))
    if not is_same:
        raise typer.Exit(1)


def _check_input(input_: list[str] | None, sql: str | None) -> None:
    if bool(input_) == bool(sql):
        raise InvalidRequestError("say what to score, by --input or by --sql", field="input")


def _fetched(session: Session, client: Skysail, named: str) -> tuple[Version, CachedArtifact]:
    name, wanted = chosen_version(client, parse_model(named, n_parts=2))
    version = client.version(name, wanted)
    artifact = cached_artifact(client.management, version, session.data_dir / "batch")
    if any((artifact.folder / file).is_file() for file in ENVIRONMENT_FILES):
        session.output.say(f"[yellow]{escape(version.key)} asks for packages of its own; --python has to have them[/]")
    return version, artifact


def _common(
    version: Version,
    input_: list[str] | None,
    sql: str | None,
    input_format: str | None,
    schema: str | None,
    columns: str | None,
    batch_rows: int | None,
) -> dict[str, Any]:
    return {
        "name": version.key,
        "input_type": version.input_type,
        "input": [path if "://" in path else str(Path(path).expanduser().absolute()) for path in input_ or []],
        "sql": sql,
        "input_format": input_format,
        "schema": schema,
        "columns": columns,
        "batch_rows": batch_rows,
    }


def _linked_app(client: Skysail, version: Version) -> str:
    """An application that asks the model.

    :raises InvalidRequestError: there is none.
    """
    for application in client.applications():
        if any(link.model == version.model and link.role == "primary" for link in application.links):
            return application.name
    raise InvalidRequestError(
        f"no application asks {version.model}: link it to one (skysail link add APP {version.model}), or say --app",
        field="app",
    )


def _show_batch(session: Session, version: Version, found: dict[str, Any]) -> None:
    session.output.line(
        f"[bold]{escape(version.key)}[/] scored {found['n_rows']:,} rows, {found['n_errors']:,} with errors, "
        f"in {found['seconds']:.1f} s"
    )
    if found["n_chunks_done_before"]:
        session.output.line(f"{found['n_chunks_done_before']} of {found['n_chunks']} chunks were done before")
    session.output.line(escape(found["output"]))


def _show_consistency(session: Session, version: Version, app: str, found: dict[str, Any]) -> None:
    output = session.output
    output.line(
        f"[bold]{escape(version.key)}[/] as {escape(app)}: {found['n_rows']:,} rows compared, "
        f"{found['n_different']:,} different"
    )
    remarks = (
        (found["n_failed_alike"], "fail on both sides"),
        (found["n_unaskable"], "cannot be asked online: JSON has no NaN and no infinity"),
        (found["n_unanswered"], "got no answer in time: " + ", ".join(found["reasons"])),
    )
    for count, text in remarks:
        if count:
            output.line(f"{count:,} rows {escape(text)}")
    if found["differences"]:
        output.table(("COLUMN", "ROWS"), found["by_column"].items())
        output.table(("ROW", "DIFFERENCE"), ((one["row"], one["difference"]) for one in found["differences"]))


def _write(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
