"""Launchers of environments as real processes, and model folders that ask for one."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from harness.container_process import ContainerProcess, short_folder

__all__ = ["VERSION_MODEL", "launched", "model_folder"]

VERSION_MODEL = "import numpy\n\n\ndef predict(rows):\n    return [numpy.__version__ for _ in rows]\n"
"""Answers every row with the version of numpy that it sees."""


def model_folder(folder: Path, files: Mapping[str, str]) -> Path:
    """A folder with these files, and a model.py if there is none among them."""
    folder.mkdir(parents=True)
    for name, text in {"model.py": VERSION_MODEL, **files}.items():
        (folder / name).write_text(text)
    return folder


@contextmanager
def launched(
    model: Path,
    environments: Path,
    *flags: str,
    variables: Mapping[str, str] | None = None,
    lifeline_fd: int | None = None,
) -> Iterator[ContainerProcess]:
    """A launcher, which becomes a container; it is killed at the end should it still run."""
    with short_folder() as folder:
        log_path = folder / "log"
        launcher = [sys.executable, "-m", "skysail_management.environment_launcher"]
        container = ["--model", str(model), "--listen", f"unix:{folder}/rpc.sock", "--input-type", "doubles"]
        if lifeline_fd is not None:
            container += ["--lifeline-fd", str(lifeline_fd)]
        with log_path.open("wb") as log:
            process = subprocess.Popen(
                [*launcher, "--environments", str(environments), *flags, "--", *container],
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env={**os.environ, **(variables or {})},
                pass_fds=() if lifeline_fd is None else (lifeline_fd,),
                start_new_session=True,
            )
        try:
            yield ContainerProcess(process, log_path)
        finally:
            process.kill()
            process.wait()
