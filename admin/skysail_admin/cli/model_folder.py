"""`skysail model init | test | package`: a model folder from its first file to the one that is mailed."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from skysail_admin.cli.output import Output
from skysail_admin.cli.session import session_of
from skysail_admin.container_check import CheckReport, check_artifact
from skysail_admin.errors import InvalidRequestError
from skysail_admin.model_template import TEMPLATES, write_template
from skysail_admin.packing.artifact import packed
from skysail_admin.packing.portable import SUFFIX
from skysail_admin.progress import ProgressEvent, progress_to, readable_bytes

__all__ = ["init", "package", "trial"]

DEFAULT_TEST_S = 1800.0
"""Seconds that a test may take; an environment with a large framework is built in some minutes."""

Folder = Annotated[Path, typer.Argument(metavar="FOLDER", help="A folder with a model.py, or any other model's path.")]
InputType = Annotated[
    str | None,
    typer.Option("--input-type", "-t", help="As for deploy; without it, what the folder says."),
]


def init(
    context: typer.Context,
    name: Annotated[Path, typer.Argument(metavar="NAME", help="The folder to make.")],
    kind: Annotated[str, typer.Option("--kind", "-k", help=f"{', '.join(TEMPLATES)}.")] = TEMPLATES[0],
) -> None:
    """Make a folder with a model that works, to put your own into."""
    output = session_of(context).output
    written = write_template(name, kind)

    def show() -> None:
        for path in written:
            output.line(escape(str(path)))
        output.say(f"[dim]next: skysail model test {escape(str(name))}[/]")

    output.result({"folder": str(name), "kind": kind, "files": [path.name for path in written]}, show)


def trial(
    context: typer.Context,
    folder: Folder,
    input_type: InputType = None,
    timeout_s: Annotated[float, typer.Option("--timeout", help="Seconds to wait at most.")] = DEFAULT_TEST_S,
) -> None:
    """Run a model as its container would: load it, check its validation rows, time it. Exit code 1 if it fails."""
    session = session_of(context)
    quiet = _quiet if session.output.as_json else None
    with progress_to(quiet) as show, packed(folder, input_type) as artifact:
        show(ProgressEvent("starting", f"testing {folder}"))

        def tell(line: str) -> None:
            show(ProgressEvent("starting", escape(line[-100:])))

        report = check_artifact(artifact, session.data_dir / "environments", timeout_s, tell)
    session.output.result(report, lambda: _show_report(session.output, folder, report))
    if not report.ok:
        raise typer.Exit(1)


def package(
    context: typer.Context,
    folder: Folder,
    to: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Without it, the folder's name and .skysail.")
    ] = None,
    input_type: InputType = None,
) -> None:
    """Pack a model into one file that can be mailed and deployed elsewhere. The same files give the same bytes."""
    output = session_of(context).output
    target = to or Path(f"{folder.resolve().stem if folder.is_file() else folder.resolve().name}{SUFFIX}")
    if target.suffix != SUFFIX:
        raise InvalidRequestError(f"{target} does not end in {SUFFIX}", field="output")
    with packed(folder, input_type) as artifact:
        draft = target.with_name(f".{target.name}.draft")
        try:
            shutil.copyfile(artifact.path, draft)
            draft.replace(target)
        except OSError as error:
            draft.unlink(missing_ok=True)
            raise InvalidRequestError(f"{target} cannot be written: {error.strerror}", field="output") from error
    facts = {
        "file": str(target),
        "sha256": artifact.sha256,
        "size_bytes": artifact.size_bytes,
        "n_files": artifact.n_files,
        "input_type": artifact.input_type,
    }
    text = f"[bold]{escape(str(target))}[/]: {artifact.n_files} files, {readable_bytes(artifact.size_bytes)}"
    output.result(facts, lambda: output.line(f"{text}, {artifact.input_type}\nsha256 {artifact.sha256}"))


def _show_report(output: Output, folder: Path, report: CheckReport) -> None:
    if not report.ok:
        output.stderr.print(escape(report.log), style="dim", soft_wrap=True)
        output.line(f"[bold red]{escape(str(folder))} would not be served:[/] {escape(report.error or '')}")
        return
    output.line(f"[bold]{escape(str(folder))}[/] would be served: loaded and checked in {report.load_s:g} s")
    for note in report.notes:
        output.line(escape(note))
    if report.validation_file is None:
        output.say("[dim]no validation rows; a validation.jsonl would have them checked before every start[/]")
    columns = ("ROWS", "RUNS", "P50 MS", "P99 MS", "MAX MS", "ROWS/S")
    rows = (
        (b.n_rows, b.n_runs, b.p50_ms, b.p99_ms, b.max_ms, round(1000 * b.n_rows / b.p50_ms)) for b in report.batches
    )
    output.table(columns, rows, empty="nothing to time it with: it has neither validation rows nor warm-up rows")


def _quiet(event: object) -> None:
    """Programs do not look at progress."""
