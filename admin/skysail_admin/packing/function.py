"""A Python function (or any callable) from a batch to outputs, as the files of an artifact."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cloudpickle

from skysail_admin.errors import InvalidRequestError
from skysail_admin.packing.archive import ArchiveEntry
from skysail_admin.packing.manifest import MANIFEST_NAME, installed_versions, manifest_bytes, new_manifest
from skysail_admin.packing.user_code import travelling_by_value

__all__ = ["function_entries"]

_FILE = "function.pkl"


def function_entries(
    function: Callable[[Any], Any], staging: Path, input_type: str, *, warm_up_rows: list[Any] | None
) -> list[ArchiveEntry]:
    """Writes the function into `staging`, with its closure and with every function and class of the user's own modules
    that it refers to.

    :raises InvalidRequestError: something it refers to cannot be pickled (an open file, a lock, a connection).
    """
    path = staging / _FILE
    try:
        with travelling_by_value(), path.open("wb") as file:
            cloudpickle.dump(function, file)
    except (pickle.PicklingError, TypeError, AttributeError, ValueError) as error:
        raise InvalidRequestError(
            f"the function cannot be packed: {error}. Everything it refers to travels with it and must be picklable; "
            "open files and connections inside the function",
            field="model",
        ) from error
    libraries = installed_versions({"cloudpickle", "numpy"})
    manifest = new_manifest("python", _FILE, input_type, libraries=libraries, warm_up_rows=warm_up_rows)
    return [ArchiveEntry(_FILE, path), ArchiveEntry(MANIFEST_NAME, manifest_bytes(manifest))]
