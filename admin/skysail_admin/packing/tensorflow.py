"""TensorFlow models: SavedModel directories, .keras files, and Keras models in memory.

Whoever has a Keras model has imported Keras, so this never has to.
"""

from __future__ import annotations

import json
import sys
import zipfile
from collections.abc import Collection
from pathlib import Path
from typing import Any

from skysail_admin.errors import InvalidRequestError
from skysail_admin.packing.archive import ArchiveEntry, write_archive
from skysail_admin.packing.manifest import MANIFEST_NAME, installed_versions, manifest_bytes, new_manifest

__all__ = [
    "is_keras_file",
    "is_keras_model",
    "is_saved_model",
    "keras_file_entries",
    "keras_model_entries",
    "saved_model_manifest",
]

_FILE = "model.keras"
_METADATA = "metadata.json"
_CONFIG = "config.json"
_SAVED_MODEL_FILES = frozenset({"saved_model.pb", "saved_model.pbtxt"})


def is_saved_model(names: Collection[str]) -> bool:
    """Whether a folder with files of these names is a SavedModel directory."""
    return not _SAVED_MODEL_FILES.isdisjoint(names)


def saved_model_manifest(input_type: str, warm_up_rows: list[Any] | None) -> dict[str, Any]:
    """The manifest of a SavedModel directory, which is the model folder itself."""
    return new_manifest("tensorflow", ".", input_type, warm_up_rows=warm_up_rows)


def is_keras_file(path: Path) -> bool:
    """Whether the file is a Keras archive, or at least called one."""
    return path.is_file() and (path.suffix.lower() == ".keras" or _has_keras_content(path))


def keras_file_entries(
    path: Path, input_type: str, *, method: str, warm_up_rows: list[Any] | None
) -> list[ArchiveEntry]:
    """The file itself and a manifest.

    :raises InvalidRequestError: it is not a Keras archive.
    """
    _check_method(method)
    if not _has_keras_content(path):
        raise InvalidRequestError(f"{path} is not a .keras file, or is damaged", field="model")
    manifest = new_manifest("tensorflow", path.name, input_type, warm_up_rows=warm_up_rows)
    return [ArchiveEntry(path.name, path), ArchiveEntry(MANIFEST_NAME, manifest_bytes(manifest))]


def is_keras_model(model: object) -> bool:
    keras = sys.modules.get("keras")
    return keras is not None and isinstance(model, getattr(keras, "Model", ()))


def keras_model_entries(
    model: Any, staging: Path, input_type: str, *, method: str, warm_up_rows: list[Any] | None
) -> list[ArchiveEntry]:
    """Saves the model into `staging`.

    :raises InvalidRequestError: it was never built, so that its input is not known.
    """
    _check_method(method)
    if not getattr(model, "inputs", None):  # a Sequential that was not built raises
        raise InvalidRequestError(
            "the Keras model was never built, so its input is not known: start it with keras.Input(shape), or make a "
            "SavedModel of it with model.export(folder) and deploy that folder",
            field="model",
        )
    saved = staging / "saved.keras"
    model.save(saved)
    path = staging / _FILE
    _write_repeatably(saved, path)
    manifest = new_manifest(
        "tensorflow",
        _FILE,
        input_type,
        libraries=installed_versions({"keras", "tensorflow", "tensorflow-cpu"}),
        warm_up_rows=warm_up_rows,
    )
    return [ArchiveEntry(_FILE, path), ArchiveEntry(MANIFEST_NAME, manifest_bytes(manifest))]


def _check_method(method: str) -> None:
    if method != "predict":
        raise InvalidRequestError(
            f"method {method!r} is for estimators; a TensorFlow model is called by a signature (see the manifest)",
            field="method",
        )


def _has_keras_content(path: Path) -> bool:
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return {_METADATA, _CONFIG} <= set(archive.namelist())


def _write_repeatably(saved: Path, path: Path) -> None:
    """Keras writes down when it saved; without that the same model gives the same bytes, and so the same artifact."""
    with zipfile.ZipFile(saved) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    metadata = json.loads(contents[_METADATA])
    metadata.pop("date_saved", None)
    contents[_METADATA] = json.dumps(metadata, sort_keys=True).encode()
    write_archive([ArchiveEntry(name, content) for name, content in contents.items()], path)
