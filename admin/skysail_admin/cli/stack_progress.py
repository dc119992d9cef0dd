"""How `skysail up` shows what the supervisor tells: a spinner and ticks in a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from types import TracebackType

from rich.markup import escape
from rich.status import Status

from skysail_admin.cli.output import Output
from skysail_admin.local.events import StackEvent
from skysail_admin.local.settings import StackSettings

__all__ = ["StackProgress"]


class StackProgress:
    """Shows events until the context ends."""

    def __init__(self, output: Output, settings: StackSettings, *, detach: bool) -> None:
        self._output = output
        self._settings = settings
        self._detach = detach
        self._started_s = time.monotonic()
        self._spinner: Status | None = None
        self._is_up = False

    def __enter__(self) -> StackProgress:
        if not self._output.as_json:
            self._spinner = self._output.stderr.status("starting", spinner="dots")
            self._spinner.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._quiet()

    def notify(self, event: StackEvent) -> None:
        if event.kind == "up":
            self._up()
        elif event.kind in ("starting", "waiting", "stopping") and self._spinner is not None:
            self._spinner.update(escape(event.text))
        elif event.kind in ("ready", "stopped", "down"):
            self._tick(event)
        elif event.kind == "died":
            self._output.say(f"[yellow]![/] {escape(event.text)}")

    def _tick(self, event: StackEvent) -> None:
        self._output.say(f"[green]✓[/] {escape(event.text)}")

    def _up(self) -> None:
        self._is_up = True
        self._quiet()
        output, settings = self._output, self._settings
        facts = {
            "status": "up",
            "url": settings.management_url,
            "query_url": settings.query_url,
            "data_dir": str(settings.data_dir),
        }
        output.result(facts, self._say_up)

    def _say_up(self) -> None:
        took_s = time.monotonic() - self._started_s
        self._output.say(
            f"[bold green]Skysail is up[/] after {took_s:.1f} s; data in {escape(str(self._settings.data_dir))}"
        )
        how = "skysail down" if self._detach else "Ctrl-C"
        self._output.say(f"Next: skysail app register --help, or {self._settings.query_url}/docs. Stop it with {how}.")

    def _quiet(self) -> None:
        if self._spinner is not None:
            self._spinner.stop()
            self._spinner = None
