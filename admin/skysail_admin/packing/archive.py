"""The archive of an artifact: the same files always give the same bytes, so its sha256 can be its name.

Names are sorted, timestamps fixed, modes reduced to 0644 and 0755, and nothing is compressed: what a compressor
makes of the same file differs between its versions, and trained weights hardly shrink.
"""

from __future__ import annotations

import hashlib
import shutil
import stat
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

__all__ = ["ArchiveEntry", "extract_archive", "read_chunks", "sha256_of", "write_archive"]

_TIMESTAMP = (1980, 1, 1, 0, 0, 0)
_CHUNK_BYTES = 1 << 20


class ArchiveEntry(NamedTuple):
    """A file to be stored under `name` (relative, with forward slashes); `source` is a path or the content."""

    name: str
    source: Path | bytes


def write_archive(entries: Iterable[ArchiveEntry], destination: Path) -> None:
    """Writes the entries, sorted by name, as a zip.

    :raises OSError: a file cannot be read, or the disk is full.
    """
    with zipfile.ZipFile(destination, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        for entry in sorted(entries):
            _add(archive, entry)


def extract_archive(archive: Path, folder: Path) -> None:
    """
    :raises OSError: the folder cannot be written.
    """
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(folder)
        for info in opened.infolist():  # zipfile leaves modes aside; a setup.sh may have to be executable
            if mode := info.external_attr >> 16 & 0o111:
                path = folder / info.filename
                path.chmod(path.stat().st_mode | mode)


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_chunks(path: Path) -> Iterator[bytes]:
    """The file's bytes, a mebibyte at a time."""
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            yield chunk


def _add(archive: zipfile.ZipFile, entry: ArchiveEntry) -> None:
    info = zipfile.ZipInfo(entry.name, _TIMESTAMP)
    info.create_system = 3  # Unix: the modes below mean what they say
    info.external_attr = (stat.S_IFREG | _mode_of(entry.source)) << 16
    if isinstance(entry.source, bytes):
        archive.writestr(info, entry.source)
        return
    info.file_size = entry.source.stat().st_size
    with entry.source.open("rb") as source, archive.open(info, "w") as target:
        shutil.copyfileobj(source, target, _CHUNK_BYTES)


def _mode_of(source: Path | bytes) -> int:
    if isinstance(source, bytes):
        return 0o644
    return 0o755 if source.stat().st_mode & stat.S_IXUSR else 0o644
