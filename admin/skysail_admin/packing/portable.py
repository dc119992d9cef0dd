"""A `.skysail` file: a packed model that can be mailed, kept and deployed elsewhere.

It is the artifact itself, a zip with a manifest, so its sha256 names the model wherever it is.
"""

from __future__ import annotations

import json
import os
import zipfile
import zlib
from pathlib import Path
from typing import Any

from skysail_admin.errors import InvalidRequestError
from skysail_admin.packing.manifest import MANIFEST_NAME

__all__ = ["SUFFIX", "is_portable", "read_portable"]

SUFFIX = ".skysail"

_MAX_MANIFEST_BYTES = 64 << 20
_ZIP_ERRORS = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError, OverflowError)


def is_portable(model: object) -> bool:
    """Whether it is the path of such a file, which may not be there."""
    return isinstance(model, str | os.PathLike) and Path(model).suffix == SUFFIX and not Path(model).is_dir()


def read_portable(path: Path) -> tuple[dict[str, Any], int]:
    """The manifest in the file, and how many files it holds. Nothing is unpacked.

    :raises InvalidRequestError: there is no such file, it is damaged, or it was not made by `skysail model package`.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            if MANIFEST_NAME not in names:
                raise InvalidRequestError(f"{path} has no {MANIFEST_NAME}: it is not a packed model", field="model")
            if archive.getinfo(MANIFEST_NAME).file_size > _MAX_MANIFEST_BYTES:
                raise InvalidRequestError(f"the {MANIFEST_NAME} in {path} is too large", field="model")
            manifest = json.loads(archive.read(MANIFEST_NAME))
    except FileNotFoundError as error:
        raise InvalidRequestError(f"there is no {path}", field="model") from error
    except _ZIP_ERRORS as error:
        raise InvalidRequestError(f"{path} is not a packed model, or damaged: {error}", field="model") from error
    if not isinstance(manifest, dict):
        raise InvalidRequestError(f"the {MANIFEST_NAME} in {path} does not hold a JSON object", field="model")
    return manifest, len(names)
