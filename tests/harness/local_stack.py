"""A whole stack of a test's own: free ports, a short temporary data dir, nothing left at the end."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from harness.free_ports import free_ports
from harness.wait_until import wait_until
from skysail_admin import Skysail
from skysail_admin.local.local_stack import LocalStack
from skysail_admin.local.settings import StackSettings

__all__ = ["data_folder", "live_output", "own_settings", "processes_of", "running_stack"]


@contextmanager
def data_folder() -> Iterator[Path]:
    """A data dir with a short name. At the end no process that knows it may be left."""
    folder = Path(tempfile.mkdtemp(prefix="ske-", dir="/tmp"))
    try:
        yield folder
        assert not processes_of(folder)
    finally:
        for process in processes_of(folder):
            process.kill()
        shutil.rmtree(folder)


def own_settings(folder: Path, **changes: Any) -> StackSettings:
    query_port, management_port = free_ports(2)
    values = {"data_dir": folder, "query_port": query_port, "management_port": management_port, **changes}
    return StackSettings(**values)


@contextmanager
def running_stack(**changes: Any) -> Iterator[tuple[LocalStack, Skysail]]:
    """A stack and a client of it."""
    with data_folder() as folder, LocalStack(own_settings(folder, **changes)) as stack, stack.client() as client:
        yield stack, client


def processes_of(folder: Path) -> list[psutil.Process]:
    """Every process, zombies aside, that has the folder on its command line."""
    found = []
    for process in psutil.process_iter(["cmdline", "status"]):
        words = process.info["cmdline"] or []
        if process.info["status"] != psutil.STATUS_ZOMBIE and any(str(folder) in word for word in words):
            found.append(process)
    return found


def live_output(client: Skysail, app: str, row: Any, timeout_s: float = 30.0, version: str | None = None) -> Any:
    """The application's output as soon as it is a real one."""
    outputs = []

    def is_live() -> bool:
        answer = client.predict(app, row, version)
        if not answer.default:
            outputs.append(answer.output)
        return not answer.default

    wait_until(is_live, f"{app} answers with a prediction", timeout_s)
    return outputs[-1]
