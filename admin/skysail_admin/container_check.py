"""Running a model on this machine as a container would, without serving it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from skysail_admin.errors import DeployFailedError, StackError, WaitTimeoutError
from skysail_admin.packing.archive import extract_archive
from skysail_admin.packing.artifact import Artifact

__all__ = ["BatchTimes", "CheckReport", "check_artifact"]

LOG_LINES = 60
"""Lines of the container's log that are kept for an error."""

ENVIRONMENT_FILES = ("requirements.txt", "packages.txt", "setup.sh")
"""A folder with one of these is run in an environment of its own."""

_LAUNCHER = "skysail_management.environment_launcher"
_STOP_S = 10.0


@dataclass(frozen=True)
class BatchTimes:
    """What batches of one size took, from decoded rows to outputs for the wire."""

    n_rows: int
    n_runs: int
    p50_ms: float
    p99_ms: float
    max_ms: float


@dataclass(frozen=True)
class CheckReport:
    """What the container found. `ok`: it would serve the model; else `error` says why not, `differences` where the
    outputs of validation rows are not the expected ones (the first ten of `n_differences`), `log` the container's last
    words."""

    ok: bool
    error: str | None
    differences: tuple[str, ...]
    n_differences: int
    served_by: str
    notes: tuple[str, ...]
    input_type: str
    load_s: float | None
    validation_file: str | None
    n_validation_rows: int
    n_expected: int
    batches: tuple[BatchTimes, ...]
    log: str = ""


def check_artifact(
    artifact: Artifact, environments: Path, timeout_s: float, show: Callable[[str], object] = lambda line: None
) -> CheckReport:
    """Unpacks the artifact into a temporary folder and lets a container load, validate, warm up and time it.

    :param environments: where environments are kept for models that ask for one.
    :param show: called with each line that the container writes.
    :raises StackError: there is no container on this machine (skysail-container is not installed).
    :raises DeployFailedError: the container, or the making of its environment, ended without a report.
    :raises WaitTimeoutError: no report within `timeout_s`.
    """
    with tempfile.TemporaryDirectory(prefix="skysail-test-") as name:
        folder, report = Path(name) / "model", Path(name) / "report.json"
        extract_archive(artifact.path, folder)
        log: deque[str] = deque(maxlen=LOG_LINES)
        command = _command(folder, report, artifact.input_type, environments)
        exit_code = _run(command, timeout_s, _both(log.append, show))
        if not report.is_file():
            raise _no_report(exit_code, "\n".join(log))
        return _parsed(json.loads(report.read_bytes()), artifact.input_type, "\n".join(log))


def _command(folder: Path, report: Path, input_type: str, environments: Path) -> list[str]:
    arguments = ["--model", str(folder), "--check", str(report), "--input-type", input_type]
    if any((folder / name).is_file() for name in ENVIRONMENT_FILES):
        return [sys.executable, "-m", _LAUNCHER, "--environments", str(environments), "--", *arguments]
    return [sys.executable, "-m", "skysail_container", *arguments]


def _both(first: Callable[[str], object], second: Callable[[str], object]) -> Callable[[str], None]:
    def call(line: str) -> None:
        first(line)
        second(line)

    return call


def _run(command: Sequence[str], timeout_s: float, say: Callable[[str], object]) -> int:
    """Runs the command to its end; its exit code."""
    with _started(command) as process:
        is_late = threading.Event()

        def end() -> None:
            is_late.set()
            process.kill()

        guard = threading.Timer(timeout_s, end)
        guard.daemon = True
        guard.start()
        try:
            for line in process.stdout or ():
                say(line.rstrip("\n"))
            exit_code = process.wait()
        finally:
            guard.cancel()
        if is_late.is_set():
            raise WaitTimeoutError(f"the model was not loaded, checked and timed within {timeout_s:g} s")
        return exit_code


@contextmanager
def _started(command: Sequence[str]) -> Iterator[subprocess.Popen[str]]:
    """The process, which is gone at the end, whatever happens."""
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def _no_report(exit_code: int, log: str) -> Exception:
    if "No module named skysail_container" in log or "No module named 'skysail_management'" in log:
        return StackError("the container is not installed here: pip install 'skysail-admin[local]'", log_tail=log)
    if exit_code == 5:
        return DeployFailedError("the model's environment could not be built", logs=log)
    how = f"signal {-exit_code}" if exit_code < 0 else f"exit code {exit_code}"
    return DeployFailedError(f"the container ended with {how} while it loaded or ran the model", logs=log)


def _parsed(found: dict[str, Any], input_type: str, log: str) -> CheckReport:
    return CheckReport(
        ok=found["ok"],
        error=found["error"],
        differences=tuple(found["differences"]),
        n_differences=found["n_differences"],
        served_by=found["served_by"],
        notes=tuple(found["notes"]),
        input_type=found.get("input_type", input_type),
        load_s=found.get("load_s"),
        validation_file=found.get("validation_file"),
        n_validation_rows=found.get("n_validation_rows", 0),
        n_expected=found.get("n_expected", 0),
        batches=tuple(BatchTimes(**batch) for batch in found["batches"]),
        log=log,
    )
