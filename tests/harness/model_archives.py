"""Model archives for tests: honest ones, small and deterministic, and the parts to make hostile ones of."""

import hashlib
import io
import zipfile
from collections.abc import AsyncIterator, Mapping
from typing import NamedTuple

__all__ = ["SUM_MODEL", "ModelArchive", "archive_of", "in_pieces", "model_archive"]

SUM_MODEL = "def predict(rows):\n    return [float(sum(row)) for row in rows]\n"


class ModelArchive(NamedTuple):
    """A zip and its name in the artifact store."""

    body: bytes
    sha256: str


def archive_of(files: Mapping[str, str | bytes]) -> ModelArchive:
    """A zip of these files, the same bytes every time."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in sorted(files.items()):
            archive.writestr(zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0)), content, zipfile.ZIP_DEFLATED)
    body = buffer.getvalue()
    return ModelArchive(body, hashlib.sha256(body).hexdigest())


def model_archive(source: str = SUM_MODEL) -> ModelArchive:
    """A folder model with this `model.py`."""
    return archive_of({"model.py": source})


async def in_pieces(body: bytes, size: int = 65_536) -> AsyncIterator[bytes]:
    """A body as it streams in."""
    for start in range(0, len(body), size):
        yield body[start : start + size]
