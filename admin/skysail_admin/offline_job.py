"""Offline jobs of the container (`python -m skysail_container.offline`): started here, or by spark-submit elsewhere."""

from __future__ import annotations

import json
import shlex
import signal
import subprocess
import tempfile
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from skysail_admin.errors import (
    AlreadyExistsError,
    DeployFailedError,
    InvalidRequestError,
    SkysailError,
    StackError,
    UnavailableError,
)

__all__ = ["option_words", "run_offline", "submit_line"]

PREFIX = "skysail: "
"""Begins the job's own lines on stderr, where Spark writes too."""

_LOG_LINES = 40
_STOP_S = 20.0
_ERRORS: dict[str, type[SkysailError]] = {
    "invalid": InvalidRequestError,
    "exists": AlreadyExistsError,
    "environment": StackError,
    "online": UnavailableError,
}
_DIFFERENT = 1
"""The exit code of a comparison that found differences."""

_LAUNCHER = '''"""For spark-submit: an offline job of skysail_container, which the driver's Python has to have."""

import sys

from skysail_container.offline.__main__ import main

sys.exit(main())
'''


def option_words(options: dict[str, Any]) -> list[str]:
    """`{"input": ["a"], "overwrite": True, "limit": None}` as `--input a --overwrite`."""
    words = []
    for name, value in options.items():
        flag = f"--{name.replace('_', '-')}"
        for one in value if isinstance(value, list | tuple) else [value]:
            if one is True:
                words.append(flag)
            elif one is not None and one is not False:
                words.append(f"{flag}={one}" if str(one).startswith("-") else flag)
                if not str(one).startswith("-"):
                    words.append(str(one))
    return words


def run_offline(python: str, options: dict[str, Any], show: Callable[[str], object]) -> tuple[dict[str, Any], bool]:
    """Runs the job to its end; what it found, and whether it was successful (no differences, for a comparison).

    :param show: called with each line of progress.
    :raises SkysailError: (a subclass) with the job's own words.
    """
    with tempfile.TemporaryDirectory(prefix="skysail-batch-") as folder:
        report = Path(folder) / "report.json"
        command = [python, "-m", "skysail_container.offline", *option_words({**options, "report": report})]
        log: deque[str] = deque(maxlen=_LOG_LINES)
        exit_code = _run(command, log, show)
        if not report.is_file():
            raise _no_report(python, exit_code, "\n".join(log))
        found: dict[str, Any] = json.loads(report.read_bytes())
    if "error" in found:
        raise _error(found["error"], "\n".join(log))
    return found, exit_code != _DIFFERENT


def submit_line(launcher: Path, master: str, conf: Sequence[str], options: dict[str, Any]) -> str:
    """The line that runs the job on a cluster; writes the file that it names.

    :raises InvalidRequestError: that cannot be written.
    """
    try:
        launcher.write_text(_LAUNCHER)
    except OSError as error:
        raise InvalidRequestError(f"{launcher} cannot be written: {error.strerror}") from error
    settings = [word for setting in conf for word in ("--conf", setting)]
    return shlex.join(["spark-submit", "--master", master, *settings, str(launcher), *option_words(options)])


def _run(command: Sequence[str], log: deque[str], show: Callable[[str], object]) -> int:
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
        )
    except OSError as error:
        raise InvalidRequestError(f"{command[0]} cannot be started: {error.strerror}; say another --python") from error
    try:
        for line in process.stderr or ():
            text = line.rstrip("\n")
            if not text.startswith(PREFIX):
                log.append(text)
            elif not text.startswith(f"{PREFIX}error: "):  # that one comes with the report
                show(text.removeprefix(PREFIX))
        return process.wait()
    finally:
        _end(process)


def _end(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
    process.wait()
    if process.stderr is not None:
        process.stderr.close()


def _no_report(python: str, exit_code: int, log: str) -> SkysailError:
    if "No module named" in log and "skysail_container" in log:
        return StackError(f"skysail_container is not installed in {python}: pip install 'skysail-container[pyspark]'")
    if exit_code == 2:
        return InvalidRequestError(log.rpartition("error: ")[2].strip() or "the job does not understand its arguments")
    how = f"signal {-exit_code}" if exit_code < 0 else f"exit code {exit_code}"
    return StackError(f"the job ended with {how}; the same command goes on where it stopped", log_tail=log)


def _error(error: dict[str, Any], log: str) -> SkysailError:
    kind, message = str(error.get("kind")), str(error.get("message"))
    if kind == "model":
        return DeployFailedError(message, logs=log)
    found = _ERRORS.get(kind, StackError)
    return StackError(message, log_tail=log) if found is StackError else found(message)
