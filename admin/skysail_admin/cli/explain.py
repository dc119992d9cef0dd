"""`skysail explain`"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Annotated

import typer
from rich.markup import escape

from skysail_admin.cli.output import Output
from skysail_admin.cli.session import session_of
from skysail_admin.explaining.finding import Finding, duration, number
from skysail_admin.explanation import DEFAULT_WINDOW_S, Explanation

__all__ = ["explain"]

_MARKS = {"problem": "[bold red]![/]", "advice": "[yellow]*[/]", "note": "[dim]-[/]"}
_FOOTNOTE = (
    "P50 and P99 are interpolated within histogram buckets: of batches, and for waiting of each batch's oldest query."
)


def explain(
    context: typer.Context,
    app_name: Annotated[str, typer.Argument(metavar="APP", help="The application's name.")],
    seconds: Annotated[
        float, typer.Option("--seconds", "-s", min=0, help="How long to look; 0: at all since the frontend's start.")
    ] = DEFAULT_WINDOW_S,
) -> None:
    """Tell where an application's latency goes, why answers are defaults, and what to do."""
    session = session_of(context)
    with session.client() as client, _waiting(session.output, app_name, seconds):
        found = client.explain(app_name, seconds)
    session.output.result(found, lambda: _show(session.output, found))


def _waiting(output: Output, app_name: str, seconds: float) -> AbstractContextManager[object]:
    if output.as_json or not seconds:
        return nullcontext()
    return output.stderr.status(f"looking at {escape(app_name)} for {seconds:g} s", spinner="dots")


def _show(output: Output, found: Explanation) -> None:
    output.line(f"[bold]{escape(found.verdict)}[/]")
    if found.parts:
        output.line(f"[dim]{escape(_traffic(found))}[/]")
        _show_parts(output, found)
    for finding in found.findings:
        _show_finding(output, finding)


def _traffic(found: Explanation) -> str:
    since = (
        f"in {found.seconds:.1f} s, {number(found.queries / found.seconds)} per second" if found.seconds else "so far"
    )
    text = f"{number(found.queries)} answers {since}; {number(found.defaults)} default outputs"
    if found.p50_ms is None or found.p99_ms is None:
        return text
    return f"{text}; p50 {duration(found.p50_ms / 1000.0)} and p99 {duration(found.p99_ms / 1000.0)} in the frontend"


def _show_parts(output: Output, found: Explanation) -> None:
    rows: list[list[str]] = [
        [part.part, _ms(part.mean_ms), _right(f"{part.share * 100.0:.1f} %"), _ms(part.p50_ms), _ms(part.p99_ms)]
        for part in found.parts
    ]
    total_ms = sum(part.mean_ms for part in found.parts)
    rows.append(["all", _ms(total_ms), _right("100.0 %"), "", ""])
    output.table(("PART", *(_right(title) for title in ("MEAN", "SHARE", "P50", "P99"))), rows)
    output.line(f"[dim]{_FOOTNOTE}[/]\n")


def _show_finding(output: Output, finding: Finding) -> None:
    output.line(f"{_MARKS[finding.level]} {escape(finding.text)}")
    if finding.next_step is not None:
        output.line(f"  [dim]→[/] [cyan]{escape(finding.next_step)}[/]")


def _ms(milliseconds: float | None) -> str:
    return _right("-" if milliseconds is None else duration(milliseconds / 1000.0))


def _right(text: str) -> str:
    return f"{text:>8}"
