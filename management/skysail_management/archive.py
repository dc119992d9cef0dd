"""Extracting a model archive that nobody vouches for.

Everything is checked before it is written, sizes are counted while they are written: what the archive says of itself
is not believed. Nothing is ever created but plain files and directories below the given folder.
"""

import errno
import io
import os
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO

from skysail_management.errors import InvalidError, TooLargeError
from skysail_management.files import write_new_file

__all__ = ["ArchiveLimits", "Extracted", "extract_archive"]


@dataclass(frozen=True, slots=True)
class ArchiveLimits:
    """What an archive may hold."""

    max_files: int = 10_000
    """Files and folders together: a model is a handful, a packaged environment some thousands."""

    max_total_bytes: int = 8 << 30
    """All files after extraction."""

    max_ratio: int = 250
    """Of a file's size to its compressed size; the bound of deflate is 1,032. Small files are exempt."""

    ratio_exempt_bytes: int = 16 << 20
    """Files up to this size may compress as well as they like: a matrix of zeros does."""


@dataclass(frozen=True, slots=True)
class Extracted:
    """What came out."""

    n_files: int
    n_bytes: int


_CHUNK_BYTES = 1 << 20
_MAX_DIRECTORY_BYTES = 2 << 20
"""Of the archive's table of contents, which is read in one piece."""

_MAX_DEPTH = 32
_MAX_NAME_BYTES = 1_024
_MAX_PART_BYTES = 255
_DRIVE = re.compile(r"^[A-Za-z]:")
_ENCRYPTED_FLAGS = 0x1 | 0x40 | 0x2000
_ZIP_ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
    ValueError,  # zipfile lets these two through for absurd offsets and dates
    OverflowError,
)
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


def extract_archive(archive: Path, folder: Path, limits: ArchiveLimits) -> Extracted:
    """Extract the zip file `archive` into the existing, empty `folder`; every file is on disk when this returns.

    Blocks. After an error the folder holds rubbish; the caller removes it.

    :raises InvalidError: not a zip file, or one that holds something that no model needs.
    :raises TooLargeError: over one of the limits.
    :raises OSError: the disk is full or broken.
    """
    with archive.open("rb") as raw, _zip_errors(), zipfile.ZipFile(_BoundedReads(raw)) as opened:
        members = _checked_members(opened.infolist(), limits)
        n_bytes = 0
        n_files = 0
        for path, info in members.items():
            target = folder.joinpath(*path)
            if info.is_dir():
                target.mkdir(parents=True, exist_ok=True)
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            with opened.open(info) as source:
                n_bytes += _copy(source, target, info, limits, limits.max_total_bytes - n_bytes)
            n_files += 1
    if n_files == 0:
        raise _refusal("expected at least one file, got none")
    return Extracted(n_files, n_bytes)


class _BoundedReads(io.BufferedReader):
    """A file of which no more than the largest honest table of contents is ever read in one piece."""

    def __init__(self, raw: BinaryIO) -> None:
        super().__init__(io.FileIO(raw.fileno(), closefd=False))
        self._n_bytes = os.fstat(raw.fileno()).st_size

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or size < 0:
            size = max(0, self._n_bytes - self.tell())
        if size > _MAX_DIRECTORY_BYTES:
            raise TooLargeError(
                f"artifact: its table of contents is over {_MAX_DIRECTORY_BYTES} bytes", field="artifact"
            )
        return super().read(size)


def _refusal(what: str) -> InvalidError:
    return InvalidError(f"artifact: {what}", field="artifact")


def _over(limit: str) -> TooLargeError:
    return TooLargeError(f"artifact: expected {limit}, got more", field="artifact")


@contextmanager
def _zip_errors() -> Iterator[None]:
    try:
        yield
    except _ZIP_ERRORS as error:
        raise _refusal(f"expected a sound zip file, got one with: {error}") from error
    except OSError as error:
        if error.errno == errno.EINVAL:  # a seek to before the beginning: an offset that lies
            raise _refusal("expected a sound zip file, got one with an absurd offset") from error
        raise


def _checked_members(infos: list[zipfile.ZipInfo], limits: ArchiveLimits) -> dict[tuple[str, ...], zipfile.ZipInfo]:
    if len(infos) > limits.max_files:
        raise _over(f"at most {limits.max_files} entries")
    members: dict[tuple[str, ...], zipfile.ZipInfo] = {}
    for info in infos:
        path = _checked_path(info)
        _check_kind(info)
        if path in members:
            raise _refusal(f"the name {info.filename!r} is in it twice")
        members[path] = info
    _check_no_file_is_a_folder(members)
    return members


def _checked_path(info: zipfile.ZipInfo) -> tuple[str, ...]:
    name = info.orig_filename
    if "\\" in name or _DRIVE.match(name) or not name.isprintable():
        raise _refusal(f"the name {name[:100]!r} has a backslash, a drive or an unprintable character")
    if name.startswith("/"):
        raise _refusal(f"the name {name[:100]!r} is absolute")
    parts = tuple(name.removesuffix("/").split("/"))
    if any(part in ("", ".", "..") for part in parts):
        raise _refusal(f"the name {name[:100]!r} has an empty, '.' or '..' part")
    if len(parts) > _MAX_DEPTH or len(name.encode()) > _MAX_NAME_BYTES:
        raise _refusal(f"the name {name[:100]!r} is too long or too deep")
    if any(len(part.encode()) > _MAX_PART_BYTES for part in parts):
        raise _refusal(f"a part of the name {name[:100]!r} is too long")
    return parts


def _check_kind(info: zipfile.ZipInfo) -> None:
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR) or (kind == stat.S_IFDIR and not info.is_dir()):
        raise _refusal(f"{info.filename!r} is a link, a device or another thing that is neither file nor folder")
    if info.flag_bits & _ENCRYPTED_FLAGS:
        raise _refusal(f"{info.filename!r} is encrypted")
    if info.compress_type not in _METHODS:
        raise _refusal(f"{info.filename!r} is compressed by method {info.compress_type}; expected deflated or stored")


def _check_no_file_is_a_folder(members: dict[tuple[str, ...], zipfile.ZipInfo]) -> None:
    files = {path for path, info in members.items() if not info.is_dir()}
    for path in members:
        for end in range(1, len(path)):
            if path[:end] in files:
                raise _refusal(f"{'/'.join(path[:end])!r} is in it both as a file and as a folder")


def _copy(
    source: IO[bytes],
    target: Path,
    info: zipfile.ZipInfo,
    limits: ArchiveLimits,
    left_bytes: int,
) -> int:
    ratio_bound = max(limits.ratio_exempt_bytes, info.compress_size * limits.max_ratio)
    n_bytes = 0
    with write_new_file(target) as sink:
        while chunk := source.read(_CHUNK_BYTES):
            n_bytes += len(chunk)
            if n_bytes > left_bytes:
                raise _over(f"at most {limits.max_total_bytes} bytes of files")
            if n_bytes > ratio_bound:
                raise _over(f"{info.filename!r} to grow at most {limits.max_ratio} fold")
            sink.write(chunk)
    return n_bytes
