"""Spark pipelines on disk: directories that `PipelineModel.save` wrote, and MLeap bundles in a directory or a zip."""

from __future__ import annotations

import zipfile
from collections.abc import Collection
from pathlib import Path
from typing import Any

from skysail_admin.errors import InvalidRequestError
from skysail_admin.packing.archive import ArchiveEntry
from skysail_admin.packing.manifest import MANIFEST_NAME, manifest_bytes, new_manifest

__all__ = ["bundle_file_entries", "is_bundle_file", "spark_location", "spark_manifest"]

_METADATA = "metadata/part-"
_BUNDLE = "bundle.json"


def spark_location(names: Collection[str]) -> str | None:
    """Where in a folder with files of these names a stage is that Spark saved, as a pipeline is one, or a bundle.

    "." is the folder itself, else the one folder in it that is such a directory; None: there is none, or several.
    """
    if _BUNDLE in names or any(name.startswith(_METADATA) for name in names):
        return "."
    below = {
        top for top, _, rest in (name.partition("/") for name in names) if rest == _BUNDLE or rest.startswith(_METADATA)
    }
    return below.pop() if len(below) == 1 else None


def spark_manifest(file: str, input_type: str, warm_up_rows: list[Any] | None) -> dict[str, Any]:
    """The manifest of a pipeline whose rows nobody described."""
    return new_manifest("spark", file, input_type, warm_up_rows=warm_up_rows)


def is_bundle_file(path: Path) -> bool:
    """Whether the file is a zip with an MLeap bundle."""
    if not path.is_file() or not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return _BUNDLE in archive.namelist()


def bundle_file_entries(
    path: Path, input_type: str, *, method: str, warm_up_rows: list[Any] | None
) -> list[ArchiveEntry]:
    """The zip itself and a manifest.

    :raises InvalidRequestError: another method than transform is asked for.
    """
    check_method(method)
    manifest = spark_manifest(path.name, input_type, warm_up_rows)
    return [ArchiveEntry(path.name, path), ArchiveEntry(MANIFEST_NAME, manifest_bytes(manifest))]


def check_method(method: str) -> None:
    """
    :raises InvalidRequestError: a pipeline has one thing that it does.
    """
    if method != "predict":
        raise InvalidRequestError(
            f"method {method!r} is for estimators; of a Spark pipeline choose the columns to answer with: outputs",
            field="method",
        )
