"""What the command writes: tables for people, one JSON document for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, is_dataclass
from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from skysail_admin.errors import DeployFailedError, SkysailError, StackError

__all__ = ["Output", "as_plain"]

_WIDTH_WITHOUT_TERMINAL = 200


class Output:
    """Results go to stdout, everything said on the way to stderr. With `as_json`, stdout carries exactly one JSON
    document: the result, or `{"error": {...}}`."""

    def __init__(self, as_json: bool = False) -> None:
        self.as_json = as_json
        self.stdout = Console(width=None if sys.stdout.isatty() else _WIDTH_WITHOUT_TERMINAL, highlight=False)
        self.stderr = Console(stderr=True, highlight=False)

    def result(self, data: Any, show: Callable[[], object]) -> None:
        """The command's result: `data` for programs, what `show` writes for people."""
        if self.as_json:
            self.document(data)
        else:
            show()

    def document(self, data: Any) -> None:
        sys.stdout.write(json.dumps(as_plain(data), indent=2) + "\n")
        sys.stdout.flush()

    def line(self, text: str) -> None:
        """A line of the result, for people."""
        self.stdout.print(text, soft_wrap=True)

    def say(self, text: str) -> None:
        """A remark on the way, for people."""
        if not self.as_json:
            self.stderr.print(text, soft_wrap=True)

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[object]], *, empty: str = "nothing yet") -> None:
        """A table; `empty` says instead that there are no rows, and what to do about it."""
        table = Table(*columns, box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False)
        for row in rows:
            table.add_row(*(_cell(value) for value in row))
        if table.row_count:
            self.stdout.print(table)
        else:
            self.say(f"[dim]{escape(empty)}[/]")

    def facts(self, pairs: Iterable[tuple[str, object]]) -> None:
        """Names and values, one pair per line."""
        grid = Table.grid(padding=(0, 2))
        for name, value in pairs:
            grid.add_row(f"[bold]{escape(name)}[/]", _cell(value))
        self.stdout.print(grid)

    def error(self, error: SkysailError) -> None:
        """What went wrong: on stderr for people, with the part's or container's own last words; on stdout as JSON."""
        if self.as_json:
            self.document({"error": _error_object(error)})
            return
        words = _last_words(error)
        if words:
            self.stderr.print(escape(words), style="dim", soft_wrap=True)
        self.stderr.print(f"[bold red]error:[/] {escape(error.message)}", soft_wrap=True)


def as_plain(value: Any) -> Any:
    """Records as JSON objects, all the way down."""
    if is_dataclass(value) and not isinstance(value, type):
        return as_plain(asdict(value))
    if isinstance(value, dict):
        return {str(key): as_plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [as_plain(item) for item in value]
    return value


def _cell(value: object) -> str:
    if value is None:
        return "[dim]-[/]"
    if isinstance(value, bool):
        return "[green]yes[/]" if value else "no"
    text = escape(str(value))
    colour = {"ready": "green", "starting": "yellow", "backoff": "red", "failed": "red"}.get(text)
    return f"[{colour}]{text}[/]" if colour else text


def _error_object(error: SkysailError) -> dict[str, Any]:
    found: dict[str, Any] = {"code": error.code, "message": error.message, "field": error.field}
    words = _last_words(error)
    return found | {"logs": words} if words else found


def _last_words(error: SkysailError) -> str:
    if isinstance(error, DeployFailedError):
        return error.logs.rstrip()
    return error.log_tail.rstrip() if isinstance(error, StackError) else ""
