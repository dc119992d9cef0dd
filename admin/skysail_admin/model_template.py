"""A folder to begin a model with."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from skysail_admin.errors import AlreadyExistsError, InvalidRequestError

__all__ = ["TEMPLATES", "write_template"]

TEMPLATES = ("dataframe", "tensor", "function")

_SUFFIX = ".txt"
"""Behind the name of every file of a template, so that no tool takes it for what it will be."""


def write_template(folder: Path, kind: str) -> list[Path]:
    """Makes `folder` with a model that works; the files in it.

    :raises InvalidRequestError: there is no such kind.
    :raises AlreadyExistsError: there is something at `folder` already.
    """
    if kind not in TEMPLATES:
        raise InvalidRequestError(f"{kind!r} is not one of {', '.join(TEMPLATES)}", field="kind")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise AlreadyExistsError(f"{folder} is there already, and not empty")
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    files = resources.files("skysail_admin").joinpath("templates", kind)
    for file in sorted(files.iterdir(), key=lambda file: file.name):
        path = folder / file.name.removesuffix(_SUFFIX)
        path.write_bytes(file.read_bytes())
        written.append(path)
    return written
