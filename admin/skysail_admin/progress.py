"""Telling whoever waits how far a deployment is: a callback in the API, a progress bar in a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

__all__ = ["ProgressCallback", "ProgressEvent", "progress_to", "readable_bytes"]

Stage = Literal["packing", "uploading", "starting", "ready"]


@dataclass(frozen=True)
class ProgressEvent:
    """`done` of `total` (bytes while uploading, replicas while starting); `total` 0 when nobody knows."""

    stage: Stage
    text: str
    done: int = 0
    total: int = 0


ProgressCallback = Callable[[ProgressEvent], None]


@contextmanager
def progress_to(callback: ProgressCallback | None) -> Iterator[ProgressCallback]:
    """The callback itself; without one, a progress bar on stderr if that is a terminal, else nothing."""
    if callback is not None:
        yield callback
    elif sys.stderr.isatty():
        with _progress_bar() as show:
            yield show
    else:
        yield _quiet


def readable_bytes(n_bytes: int) -> str:
    """1536 as "1.5 KiB"."""
    size = float(n_bytes)
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if size < 1024 or unit == "GiB":
            return f"{n_bytes} bytes" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1024
    raise AssertionError("unreachable")


def _quiet(event: ProgressEvent) -> None:
    """Nobody looks."""


@contextmanager
def _progress_bar() -> Iterator[ProgressCallback]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(bar_width=24), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None)

        def show(event: ProgressEvent) -> None:
            bar.update(task, description=event.text, completed=event.done, total=event.total or None)

        yield show
