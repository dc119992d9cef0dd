"""Containers as real processes, and model folders for them."""

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from harness.wait_until import wait_until

__all__ = [
    "ContainerProcess",
    "function_folder",
    "manifest_folder",
    "running_container",
    "short_folder",
    "sklearn_folder",
    "source_folder",
    "started_container",
]

READY = re.compile(r"ready: model \S+ for \S+ on (\S+),")


class ContainerProcess:
    """A started container. Its address is known once it is ready."""

    def __init__(self, process: "subprocess.Popen[bytes]", log_path: Path) -> None:
        self.process = process
        self._log_path = log_path

    @property
    def log(self) -> str:
        """What it wrote to its standard output and error so far."""
        return self._log_path.read_text(errors="replace")

    @property
    def address(self) -> str:
        """`unix:/path` or `tcp:host:port`, as its ready line says."""
        match = READY.search(self.log)
        assert match is not None, self.log
        return match[1]

    def wait_ready(self, timeout_s: float = 40.0) -> "ContainerProcess":
        wait_until(
            lambda: READY.search(self.log) or self.process.poll() is not None, "the container's ready line", timeout_s
        )
        assert self.process.poll() is None, f"the container exited with {self.process.returncode}:\n{self.log}"
        return self

    def wait_exit(self, timeout_s: float = 20.0) -> int:
        """Its exit code, once it has ended."""
        return self.process.wait(timeout_s)

    def wait_for_log(self, text: str, timeout_s: float = 20.0) -> None:
        wait_until(lambda: text in self.log, f"{text!r} in the container's log", timeout_s)


@contextmanager
def short_folder() -> Iterator[Path]:
    """A folder whose path is short enough for unix sockets (107 bytes)."""
    with tempfile.TemporaryDirectory(prefix="sky-") as path:
        yield Path(path)


@contextmanager
def started_container(
    model: Path,
    *flags: str,
    listen: str | None = None,
    pass_fds: tuple[int, ...] = (),
    environment: dict[str, str] | None = None,
    is_leader: bool = False,
) -> Iterator[ContainerProcess]:
    """A container that may still be loading; it is killed at the end should it still run.

    `is_leader`: of a process group of its own, as backends start it.
    """
    with short_folder() as folder:
        log_path = folder / "log"
        with log_path.open("wb") as log:
            process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "skysail_container",
                    f"--model={model}",
                    f"--listen={listen or f'unix:{folder}/rpc.sock'}",
                    *flags,
                ],
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                pass_fds=pass_fds,
                start_new_session=is_leader,
                env=None if environment is None else {**os.environ, **environment},
            )
        try:
            yield ContainerProcess(process, log_path)
        finally:
            process.kill()
            process.wait()


@contextmanager
def running_container(model: Path, *flags: str, listen: str | None = None) -> Iterator[ContainerProcess]:
    """A container that is ready."""
    with started_container(model, *flags, listen=listen) as container:
        yield container.wait_ready()


def manifest_folder(folder: Path, framework: str, file: str, manifest: dict[str, Any]) -> Path:
    """`folder` with a manifest."""
    folder.mkdir(parents=True, exist_ok=True)
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    values = {"format": 1, "framework": framework, "file": file, "python": python, **manifest}
    (folder / "skysail.json").write_text(json.dumps(values))
    return folder


def sklearn_folder(folder: Path, estimator: object, **manifest: Any) -> Path:
    """A model folder with a fitted estimator."""
    import joblib

    folder.mkdir(parents=True, exist_ok=True)
    joblib.dump(estimator, folder / "model.joblib")
    return manifest_folder(folder, "sklearn", "model.joblib", {"method": "predict", **manifest})


def function_folder(folder: Path, function: Callable[[Any], object], **manifest: Any) -> Path:
    """A model folder with a plain function."""
    import cloudpickle

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "function.pkl").write_bytes(cloudpickle.dumps(function))
    return manifest_folder(folder, "python", "function.pkl", manifest)


def source_folder(folder: Path, source: str, **manifest: Any) -> Path:
    """A model folder with a model.py; with a manifest only when something is to stand in it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.py").write_text(source)
    return manifest_folder(folder, "folder", "model.py", manifest) if manifest else folder
