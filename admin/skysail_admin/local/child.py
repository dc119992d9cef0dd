"""A running process of a part."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import time
from pathlib import Path

from skysail_admin.errors import StackError
from skysail_admin.local.part import Part

__all__ = ["Child", "log_tail", "rotate"]

_LOG_LIMIT_BYTES = 20 << 20


class Child:
    """One process, from its start to its end; a restarted part gets another.

    In a session of its own, so that a Ctrl-C in the terminal reaches the supervisor alone, which then stops the parts
    in order. Output goes straight to the part's log and outlives the supervisor.
    """

    def __init__(self, process: asyncio.subprocess.Process, part: Part) -> None:
        self._process = process
        self._part = part
        self._started_s = time.monotonic()

    @classmethod
    async def start(cls, part: Part) -> Child:
        """:raises StackError: the program cannot be run."""
        rotate(part.log_path)
        with part.log_path.open("ab") as log:
            try:
                process = await asyncio.create_subprocess_exec(
                    *part.command,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    env={**os.environ, **part.environment},
                    pass_fds=part.inherited_fds,
                    start_new_session=True,
                )
            except OSError as error:
                raise StackError(f"{part.title} cannot be started: {error}") from error
        return cls(process, part)

    def __repr__(self) -> str:
        return f"Child({self._part.name}, pid {self.pid})"

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.returncode

    @property
    def ran_s(self) -> float:
        return time.monotonic() - self._started_s

    async def wait(self) -> int:
        return await self._process.wait()

    def kill(self) -> None:
        if self.returncode is None:
            self._process.kill()

    async def stop(self) -> None:
        """SIGTERM, and SIGKILL to one that has not ended after its grace. Returns when it is gone."""
        if self.returncode is None:
            self._process.terminate()
        try:
            async with asyncio.timeout(self._part.stop_grace_s):
                await self.wait()
        except TimeoutError:
            self.kill()
            await self.wait()
        except BaseException:
            self.kill()
            raise

    def how_it_ended(self) -> str:
        """ "exit code 1" or "signal SIGKILL"."""
        code = self.returncode or 0
        if code >= 0:
            return f"exit code {code}"
        try:
            return f"signal {signal.Signals(-code).name}"
        except ValueError:
            return f"signal {-code}"


def log_tail(path: Path, n_lines: int = 15) -> str:
    """The last lines of a log; empty if there is none."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 64 * 1024))
            return "\n".join(file.read().decode(errors="replace").splitlines()[-n_lines:])
    except FileNotFoundError:
        return ""


def rotate(path: Path, limit_bytes: int = _LOG_LIMIT_BYTES) -> None:
    """Moves what a log over the limit holds to `<name>.1`. The writers append, so they go on at the start."""
    if path.exists() and path.stat().st_size > limit_bytes:
        shutil.copyfile(path, path.with_name(path.name + ".1"))
        os.truncate(path, 0)
