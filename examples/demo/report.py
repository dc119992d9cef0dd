"""What the demo shows: its steps as they are done, and the figures at the end."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass

from benchmarks.closed_loop import Summary
from examples.demo.measurement import Answers
from examples.demo.tumours import Trained
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.status import Status
from rich.table import Table

from skysail_admin.local.settings import DEFAULT_MANAGEMENT_PORT, DEFAULT_QUERY_PORT, StackSettings

__all__ = ["Report", "Steps"]


class Steps:
    """A tick and a line per step; in a terminal a spinner says what is going on in between."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._started_s = time.monotonic()
        self._spinner: Status | None = None

    def doing(self, text: str) -> None:
        if not self._console.is_terminal:
            return
        if self._spinner is None:
            self._spinner = self._console.status(escape(text), spinner="dots")
            self._spinner.start()
        self._spinner.update(escape(text))

    def done(self, text: str) -> None:
        if self._spinner is not None:
            self._spinner.stop()
            self._spinner = None
        self._console.print(
            f"[dim]{time.monotonic() - self._started_s:5.1f} s[/] [green]✓[/] {escape(text)}", soft_wrap=True
        )


@dataclass(frozen=True)
class Report:
    trained: Trained
    single: Answers
    batch: Answers
    load: Summary
    settings: StackSettings
    app: str

    @property
    def is_right(self) -> bool:
        """Whether every held-out row got the model's own answer, each time, and the load got answers only."""
        own = self.trained.own_answers
        return self.single.outputs == own and self.batch.outputs == own and self.load.errors == 0

    @property
    def default_share(self) -> float:
        """Of all queries sent."""
        n_queries = len(self.single.outputs) + len(self.batch.outputs) + self.load.requests
        return (self.single.n_defaults + self.batch.n_defaults + self.load.defaults) / max(1, n_queries)

    def show(self, console: Console) -> None:
        table = Table(box=box.SIMPLE, show_header=False, pad_edge=False)
        for name, value in self._figures():
            table.add_row(name, f"[bold]{value}[/]")
        console.print(table)
        if not self.is_right:
            console.print("[bold red]error:[/] not every answer was the model's own")
            return
        console.print("[bold]Try it yourself:[/]")
        console.print(f"  {escape(self._start_again())}", soft_wrap=True)
        console.print(f"  {escape(self._curl())}", soft_wrap=True)

    def _figures(self) -> list[tuple[str, str]]:
        single, load = self.single, self.load
        accuracy = self.trained.accuracy_of(single.outputs)
        return [
            ("accuracy over REST, row by row", f"{accuracy:.4f} (the model's own: {self.trained.own_accuracy:.4f})"),
            ("accuracy over REST, as a batch", f"{self.trained.accuracy_of(self.batch.outputs):.4f}"),
            ("latency, one at a time", f"p50 {single.percentile_ms(50):.2f} ms, p99 {single.percentile_ms(99):.2f} ms"),
            ("latency, 64 connections", f"p50 {load.p50_ms:.2f} ms, p99 {load.p99_ms:.2f} ms"),
            ("queries per second, 64 connections", f"{load.requests_per_s:,.0f}"),
            ("default outputs", f"{self.default_share:.2%}"),
        ]

    def _start_again(self) -> str:
        """The commands that leave this model running; ports are named where they are not the usual ones."""
        ports = (self.settings.query_port, self.settings.management_port)
        if ports == (DEFAULT_QUERY_PORT, DEFAULT_MANAGEMENT_PORT):
            return "make up && .venv/bin/python examples/quickstart.py"
        variables = f"SKYSAIL_QUERY_PORT={ports[0]} SKYSAIL_MANAGEMENT_PORT={ports[1]}"
        addresses = f"{self.settings.management_url} {self.settings.query_url}"
        return f"make up {variables} && .venv/bin/python examples/quickstart.py {addresses}"

    def _curl(self) -> str:
        row = [float(f"{value:.5g}") for value in self.trained.held_out[0]]
        body = json.dumps({"input": row}, separators=(",", ":"))
        return f"curl -s {self.settings.query_url}/{self.app}/predict -d '{body}'"
