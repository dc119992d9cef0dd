"""A one-machine stack as a context manager: for notebooks, demos and tests."""

from __future__ import annotations

import os
import subprocess
from types import TracebackType

from skysail_admin.client import Skysail
from skysail_admin.local import background
from skysail_admin.local.events import Notify, StackEvent
from skysail_admin.local.settings import StackSettings

__all__ = ["LocalStack"]


class LocalStack:
    """Inside the context the stack runs; it stops with the context, and with this process however that ends.

    :raises StackError: on entering, when it does not come up.
    """

    def __init__(self, settings: StackSettings, notify: Notify | None = None) -> None:
        self.settings = settings.resolved()
        self._notify = notify or _nobody
        self._supervisor: subprocess.Popen[bytes] | None = None
        self._lifeline_fd: int | None = None

    def __enter__(self) -> LocalStack:
        read_fd, self._lifeline_fd = os.pipe()
        try:
            self._supervisor = background.start(
                self.settings, self._notify, runtime_dir=os.environ.get("XDG_RUNTIME_DIR"), lifeline_fd=read_fd
            )
        except BaseException:
            self.stop()
            raise
        finally:
            os.close(read_fd)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    @property
    def pid(self) -> int | None:
        """The supervisor's."""
        return self._supervisor.pid if self._supervisor is not None else None

    def client(self) -> Skysail:
        """A client of this stack; close it, or use it as a context manager."""
        return Skysail(self.settings.management_url, self.settings.query_url, self.settings.token)

    def stop(self) -> None:
        """Returns when every process of the stack is gone. Does nothing the second time."""
        fd, self._lifeline_fd = self._lifeline_fd, None
        if fd is not None:
            os.close(fd)
        supervisor, self._supervisor = self._supervisor, None
        if supervisor is not None:
            if supervisor.poll() is None:
                background.stop(self.settings.data_dir)
            supervisor.wait()


def _nobody(event: StackEvent) -> None:
    """Nobody looks."""
