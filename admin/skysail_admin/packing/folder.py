"""A model folder: which of its files go into the artifact, and what keeps it from being one."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from skysail_admin.errors import InvalidRequestError
from skysail_admin.packing.archive import ArchiveEntry
from skysail_admin.packing.described_input import described_input
from skysail_admin.packing.manifest import MANIFEST_NAME, check_known, manifest_bytes, new_manifest
from skysail_admin.packing.mlflow import is_mlflow_model, mlflow_manifest
from skysail_admin.packing.spark_folder import spark_location, spark_manifest
from skysail_admin.packing.tensorflow import is_saved_model, saved_model_manifest
from skysail_admin.packing.validation_file import VALIDATION_FILES

__all__ = ["folder_entries"]

_JUNK_FOLDERS = frozenset(
    {".git", ".hg", ".svn", "__pycache__", ".venv", ".ipynb_checkpoints", ".mypy_cache", ".pytest_cache"}
    | {".ruff_cache", "node_modules"}
)
_JUNK_FILES = frozenset({".DS_Store"})
_JUNK_SUFFIXES = frozenset({".pyc", ".pyo"})
_MODEL_FILE = "model.py"


def folder_entries(folder: Path, input_type: str, warm_up_rows: list[Any] | None = None) -> list[ArchiveEntry]:
    """The folder's files, and a manifest if it has none.

    :raises InvalidRequestError: it is no folder, has neither `model.py` nor a readable `skysail.json`, or holds a
        link that leaves it or something that is not a file (a socket, a device).
    """
    if not folder.is_dir():
        raise InvalidRequestError(f"{folder} is not a folder", field="model")
    entries = list(_walk(folder, folder.resolve(), ()))
    names = {entry.name for entry in entries}
    if MANIFEST_NAME in names:
        manifest = _checked_manifest(folder / MANIFEST_NAME, names, input_type)
    else:
        manifest = _new_manifest(folder, names, input_type, warm_up_rows)
    derived = _validation(folder, names, manifest, input_type)
    if derived or MANIFEST_NAME not in names:
        entries = [entry for entry in entries if entry.name != MANIFEST_NAME]
        entries.append(ArchiveEntry(MANIFEST_NAME, manifest_bytes(manifest | derived)))
    return entries


def _validation(folder: Path, names: set[str], manifest: dict[str, Any], input_type: str) -> dict[str, Any]:
    """What the manifest is to say besides: the validation file, and the schema that its rows imply."""
    name = manifest.get("validation") or next((name for name in VALIDATION_FILES if name in names), None)
    described = {"input_schema", "spark_schema"} if manifest.get("framework") == "spark" else {"input_schema"}
    if name is None or described <= manifest.keys():
        return {}
    if name not in names:
        raise InvalidRequestError(f"the validation file {name!r} is not in {folder}", field="model")
    return {"validation": name, **described_input(folder / name, manifest, input_type)}


def _new_manifest(folder: Path, names: set[str], input_type: str, warm_up_rows: list[Any] | None) -> dict[str, Any]:
    """By the file that tells what the folder is; MLflow keeps models of any kind, also some with a model.py."""
    if is_mlflow_model(names):
        return mlflow_manifest(folder, input_type, warm_up_rows)
    if is_saved_model(names):
        return saved_model_manifest(input_type, warm_up_rows)
    if _MODEL_FILE in names:
        return new_manifest("folder", _MODEL_FILE, input_type, warm_up_rows=warm_up_rows)
    if location := spark_location(names):
        return spark_manifest(location, input_type, warm_up_rows)
    raise InvalidRequestError(
        f"{folder} has no {_MODEL_FILE} (with a function predict(rows) or a class Model) and no {MANIFEST_NAME}; "
        "nor is it a SavedModel, an MLflow directory or a saved Spark pipeline",
        field="model",
    )


def _walk(folder: Path, root: Path, above: tuple[Path, ...]) -> Iterator[ArchiveEntry]:
    """Files below `folder`. `above`: the real paths of the folders on the way here, so that a link back is seen."""
    real = folder.resolve()
    if real in above:
        raise InvalidRequestError(f"{folder} is a link to a folder that contains it", field="model")
    for path in sorted(folder.iterdir()):
        if path.is_symlink():
            _check_link(path, root)
        if path.is_dir():
            if not _is_junk_folder(path):
                yield from _prefixed(path.name, _walk(path, root, (*above, real)))
        elif not _is_junk_file(path):
            _check_regular(path)
            yield ArchiveEntry(path.name, path)


def _prefixed(prefix: str, entries: Iterator[ArchiveEntry]) -> Iterator[ArchiveEntry]:
    for entry in entries:
        yield ArchiveEntry(f"{prefix}/{entry.name}", entry.source)


def _is_junk_folder(path: Path) -> bool:
    return path.name in _JUNK_FOLDERS or (path / "pyvenv.cfg").exists()


def _is_junk_file(path: Path) -> bool:
    """Hidden `.crc` files are the checksums that Hadoop writes beside every file."""
    is_checksum = path.name.startswith(".") and path.suffix == ".crc"
    return path.name in _JUNK_FILES or path.suffix in _JUNK_SUFFIXES or is_checksum


def _check_link(path: Path, root: Path) -> None:
    target = path.resolve()
    if not target.is_relative_to(root):
        raise InvalidRequestError(f"{path} is a link to {target}, outside the model's folder", field="model")
    if not target.exists():
        raise InvalidRequestError(f"{path} is a link to nothing", field="model")


def _check_regular(path: Path) -> None:
    if not stat.S_ISREG(path.stat().st_mode):
        raise InvalidRequestError(f"{path} is not a file; a model's folder holds files and folders", field="model")


def _checked_manifest(path: Path, names: set[str], input_type: str) -> dict[str, Any]:
    try:
        manifest = json.loads(path.read_bytes())
    except ValueError as error:
        raise InvalidRequestError(f"{path} is not JSON: {error}", field="model") from error
    if not isinstance(manifest, dict):
        raise InvalidRequestError(f"{path} does not hold a JSON object", field="model")
    file = manifest.get("file")
    if file is not None and file not in names and not _is_folder(file, names):
        raise InvalidRequestError(f"{path} names the file {file!r}, which is not in the folder", field="model")
    written = manifest.get("input_type", input_type)
    if written != input_type:
        raise InvalidRequestError(f"{path} says input type {written}, not {input_type}", field="input_type")
    if manifest.get("outputs"):
        check_known(manifest.get("framework"), "outputs")
    return manifest


def _is_folder(file: object, names: set[str]) -> bool:
    """Whether `file` names a directory with files, as a SavedModel is one; "." is the model folder itself."""
    return file == "." or any(name.startswith(f"{file}/") for name in names)
