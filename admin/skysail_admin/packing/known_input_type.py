"""The input type of a model that nobody was told: what its manifest or its validation rows say, objects for Spark's."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from skysail_admin.errors import InvalidRequestError
from skysail_admin.input_types import canonical_input_type
from skysail_admin.packing.manifest import MANIFEST_NAME
from skysail_admin.packing.portable import is_portable, read_portable
from skysail_admin.packing.spark import is_spark_object
from skysail_admin.packing.spark_folder import is_bundle_file, spark_location
from skysail_admin.packing.validation_file import VALIDATION_FILES, validation_inputs
from skysail_admin.packing.validation_rows import inputs_given

__all__ = ["known_input_type"]


def known_input_type(model: Any, asked: str | None, validation: Any = None) -> str:
    """The input type that is asked for, else the one that a folder, a `.skysail` file or the validation rows that are
    handed over say.

    :raises InvalidRequestError: there is no such type, or the model says none.
    """
    if asked is not None:
        return canonical_input_type(asked)
    found = _said(model)
    if found is None and validation is not None:
        found = _of_rows(inputs_given(validation, is_object=True))
    if found is None:
        raise InvalidRequestError("the model does not say its input type, so it has to be given", field="input_type")
    return canonical_input_type(found)


def _said(model: Any) -> str | None:
    if is_portable(model):
        return _text(read_portable(Path(model).expanduser())[0])
    if is_spark_object(model):
        return "json"
    if not isinstance(model, str | os.PathLike):
        return None
    folder = Path(model).expanduser()
    if not folder.is_dir():
        return "json" if is_bundle_file(folder) else None
    if (folder / MANIFEST_NAME).is_file():
        try:
            return _text(json.loads((folder / MANIFEST_NAME).read_bytes()))
        except ValueError:  # packing tells what is wrong with it
            return None
    name = next((name for name in VALIDATION_FILES if (folder / name).is_file()), None)
    if name is not None:
        return _of_rows(validation_inputs(folder / name, is_object=True))
    if (folder / "model.py").exists():
        return None
    files = [path for pattern in ("*", "*/*", "*/metadata/*") for path in folder.glob(pattern)]
    return "json" if spark_location([path.relative_to(folder).as_posix() for path in files]) else None


def _text(manifest: Any) -> str | None:
    if not isinstance(manifest, dict):
        return None
    value = manifest.get("input_type", "json" if manifest.get("framework") == "spark" else None)
    return value if isinstance(value, str) else None


def _of_rows(rows: list[Any]) -> str | None:
    """Objects are json, texts are strings, flat lists of numbers are doubles; anything else has to be said."""
    if all(isinstance(row, dict) for row in rows):
        return "json"
    if all(isinstance(row, str) for row in rows):
        return "strings"
    is_flat = all(isinstance(row, list) and all(isinstance(item, int | float) for item in row) for row in rows)
    return "doubles" if is_flat else None
