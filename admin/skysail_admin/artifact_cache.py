"""Versions' artifacts on this machine, for scoring without the stack: fetched once, checked, unpacked."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from skysail_admin.connection import Connection, segment
from skysail_admin.errors import InvalidRequestError, SkysailError
from skysail_admin.packing.archive import extract_archive, sha256_of
from skysail_admin.records import Version

__all__ = ["CachedArtifact", "cached_artifact"]


@dataclass(frozen=True)
class CachedArtifact:
    """A version's `archive`, as it was uploaded, and the `folder` with what is in it."""

    archive: Path
    folder: Path


def cached_artifact(management: Connection, version: Version, cache: Path) -> CachedArtifact:
    """The artifact of the version, below `cache` under its sha256. Whoever is first puts it there, whole or not at all.

    :raises InvalidRequestError: the version has none, or the cache cannot be written.
    :raises NotFoundError: management does not have it any more.
    :raises SkysailError: what came is not what the version was made of.
    """
    sha256 = version.artifact
    if sha256 is None:
        raise InvalidRequestError(f"{version.key} has no artifact: its containers are run by somebody else")
    place = cache / sha256
    found = CachedArtifact(place / "model.zip", place / "model")
    if place.is_dir():
        return found
    try:
        cache.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix="draft-", dir=cache))
        try:
            _fetch(management, sha256, draft)
            _move(draft, place)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    except OSError as error:
        raise InvalidRequestError(f"{cache} cannot be written: {error}; choose another --data-dir") from error
    return found


def _fetch(management: Connection, sha256: str, draft: Path) -> None:
    archive = draft / "model.zip"
    with archive.open("wb") as file:
        management.download(f"/api/v1/artifacts/{segment(sha256)}", file)
    if sha256_of(archive) != sha256:
        raise SkysailError(f"{management.base_url} sent something else than artifact {sha256}; try again")
    extract_archive(archive, draft / "model")


def _move(draft: Path, place: Path) -> None:
    try:
        draft.rename(place)
    except OSError:
        if not place.is_dir():  # else another process was first, with the same bytes
            raise
