"""`skysail.json`, the manifest inside an artifact: how its model is loaded and what it was made with."""

from __future__ import annotations

import importlib.metadata
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from skysail_admin.errors import InvalidRequestError
from skysail_admin.packing.archive import ArchiveEntry

__all__ = [
    "MANIFEST_NAME",
    "check_known",
    "installed_versions",
    "manifest_bytes",
    "manifest_in",
    "new_manifest",
    "with_fields",
]

MANIFEST_NAME = "skysail.json"
_FORMAT = 1

_FRAMEWORKS_WITH = {
    "outputs": frozenset({"onnx", "tensorflow", "pytorch", "spark", "folder", "mlflow"}),
    "signature": frozenset({"tensorflow"}),
    "threads": frozenset({"sklearn", "onnx", "tensorflow", "pytorch", "xgboost", "lightgbm"}),
}
"""Which frameworks know a field that the deployer may set; all know the others."""


def new_manifest(
    framework: str,
    file: str,
    input_type: str,
    *,
    libraries: dict[str, str] | None = None,
    method: str | None = None,
    warm_up_rows: list[Any] | None = None,
    outputs: Sequence[str] | None = None,
    classes: Sequence[Any] | None = None,
    signature: str | None = None,
    threads: int | None = None,
    accelerate: bool | None = None,
    tolerance: float | None = None,
    validation: str | None = None,
    input_schema: dict[str, Any] | None = None,
    spark_schema: list[dict[str, str]] | None = None,
) -> dict[str, Any]:
    """:param framework: sklearn, python, folder, tensorflow, onnx, xgboost, lightgbm, pytorch, mlflow or spark; `file`
    is what it loads. What is None is not written, and has the container's default.
    """
    manifest: dict[str, Any] = {
        "format": _FORMAT,
        "framework": framework,
        "file": file,
        "python": f"{sys.version_info.major}.{sys.version_info.minor}",
        "libraries": libraries or {},
        "input_type": input_type,
    }
    optional = {
        "method": method,
        "warm_up_rows": warm_up_rows,
        "outputs": None if outputs is None else list(outputs),
        "classes": None if classes is None else list(classes),
        "signature": signature,
        "threads": threads,
        "accelerate": accelerate,
        "tolerance": tolerance,
        "validation": validation,
        "input_schema": input_schema,
        "spark_schema": spark_schema,
    }
    return manifest | {name: value for name, value in optional.items() if value is not None}


def manifest_bytes(manifest: dict[str, Any]) -> bytes:
    """The same manifest always gives the same bytes."""
    return json.dumps(manifest, sort_keys=True, indent=2, allow_nan=False).encode() + b"\n"


def manifest_in(entries: Iterable[ArchiveEntry]) -> dict[str, Any]:
    """The manifest among the files of an artifact."""
    source = next(entry.source for entry in entries if entry.name == MANIFEST_NAME)
    manifest: dict[str, Any] = json.loads(source if isinstance(source, bytes) else source.read_bytes())
    return manifest


def with_fields(entries: list[ArchiveEntry], fields: Mapping[str, Any]) -> list[ArchiveEntry]:
    """`entries` with the fields that are not None written into their manifest.

    :raises InvalidRequestError: the model's framework does not know such a field.
    """
    chosen = {name: value for name, value in fields.items() if value is not None}
    if not chosen:
        return entries
    sources = {entry.name: entry.source for entry in entries}
    manifest = manifest_in(entries)
    for name in chosen:
        check_known(manifest.get("framework"), name)
    sources[MANIFEST_NAME] = manifest_bytes({**manifest, **chosen})
    return [ArchiveEntry(name, content) for name, content in sources.items()]


def check_known(framework: object, field: str) -> None:
    """
    :raises InvalidRequestError: models of the framework do not know the field, so it would have no effect.
    """
    if field in _FRAMEWORKS_WITH and framework not in _FRAMEWORKS_WITH[field]:
        raise InvalidRequestError(f"a model of {framework} has no {field} to choose", field=field)


def installed_versions(distributions: Iterable[str]) -> dict[str, str]:
    """The versions of those of the distributions that are installed here."""
    found = {}
    for name in sorted(distributions):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
