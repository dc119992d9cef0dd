"""Estimators in skops files, which run no code when they are loaded."""

from __future__ import annotations

import io
import json
import zipfile
from importlib import import_module
from pathlib import Path
from typing import Any

from skysail_admin.errors import InvalidRequestError
from skysail_admin.packing.archive import ArchiveEntry, write_archive
from skysail_admin.packing.manifest import MANIFEST_NAME, installed_versions, manifest_bytes, new_manifest

__all__ = ["SKOPS_SUFFIX", "is_skops_file", "skops_file_entries", "write_skops"]

SKOPS_SUFFIX = ".skops"

_FILE = "model.skops"
_SCHEMA = "schema.json"
_LIBRARIES = ("scikit-learn", "numpy", "scipy", "skops")


def write_skops(model: Any, path: Path) -> bool:
    """Writes `model` as a skops file, the same bytes for the same model.

    False, and nothing is written, when skops is not installed, cannot represent the model, or would not load it again
    without being told to trust some type.
    """
    try:
        skops = import_module("skops.io")
    except ImportError:
        return False
    try:
        content = skops.dumps(model)
        if skops.get_untrusted_types(data=content):
            return False
        write_archive(_numbered(content), path)
        skops.load(path, trusted=[])
    except Exception:  # skops raises many things for what it does not know; joblib knows more
        path.unlink(missing_ok=True)
        return False
    return True


def is_skops_file(path: Path) -> bool:
    return path.suffix == SKOPS_SUFFIX and path.is_file()


def skops_file_entries(
    path: Path, input_type: str, *, method: str, warm_up_rows: list[Any] | None, accelerate: bool = True
) -> list[ArchiveEntry]:
    """A skops file as it is.

    :raises InvalidRequestError: skops is not installed here, or the file is none or holds types that it does not trust.
    """
    unknown = _unknown_types(path)
    if unknown:
        raise InvalidRequestError(
            f"{path} holds types that skops does not trust: {', '.join(unknown)}. If you made the file yourself, load "
            "it and deploy the estimator",
            field="model",
        )
    manifest = new_manifest(
        "sklearn",
        _FILE,
        input_type,
        method=method,
        libraries=installed_versions(_LIBRARIES),
        warm_up_rows=warm_up_rows,
        accelerate=None if accelerate else False,
    )
    return [ArchiveEntry(_FILE, path), ArchiveEntry(MANIFEST_NAME, manifest_bytes(manifest))]


def _unknown_types(path: Path) -> list[str]:
    try:
        unknown: list[str] = import_module("skops.io").get_untrusted_types(file=path)
    except ImportError as error:
        raise InvalidRequestError(f"{path} needs skops to be read: pip install skops", field="model") from error
    except Exception as error:  # zip, JSON and skops each have their own errors
        raise InvalidRequestError(
            f"{path} is not a skops file: {type(error).__name__}: {error}", field="model"
        ) from error
    return unknown


def _numbered(content: bytes) -> list[ArchiveEntry]:
    """The files of a skops file. skops names objects and arrays by their addresses in memory; here they are counted."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    schema = json.loads(files.pop(_SCHEMA))
    numbers: dict[int, int] = {}
    names: dict[str, str] = {}
    _count(schema, numbers, names)
    entries = [ArchiveEntry(names[name], data) for name, data in files.items() if name in names]
    return [ArchiveEntry(_SCHEMA, json.dumps(schema, indent=2).encode()), *entries]


def _count(node: Any, numbers: dict[int, int], names: dict[str, str]) -> None:
    """Replaces addresses in `node` by numbers in the order in which they appear."""
    if isinstance(node, list):
        for item in node:
            _count(item, numbers, names)
    elif isinstance(node, dict):
        if isinstance(node.get("__id__"), int):
            node["__id__"] = numbers.setdefault(node["__id__"], len(numbers) + 1)
        file = node.get("file")
        if isinstance(file, str) and "__loader__" in node:
            node["file"] = names.setdefault(file, f"{len(names) + 1}{Path(file).suffix}")
        for value in node.values():
            _count(value, numbers, names)
