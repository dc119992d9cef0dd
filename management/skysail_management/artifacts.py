"""The artifact store: model archives by the sha256 of their bytes, each with its extracted, read-only folder.

Invariants:
- `<sha256>.zip` exists only when it is whole, verified and on disk, and its folder `<sha256>/` too;
- everything unfinished lies in `incoming/`, which is emptied at start;
- an artifact that was uploaded or asked for within PIN_S is not removed, so that an upload is not swept away before
  its version is registered.
One management process owns the directory.
"""

import asyncio
import errno
import hashlib
import logging
import os
import re
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex

from skysail_management.archive import ArchiveLimits, extract_archive
from skysail_management.completion import complete
from skysail_management.errors import InvalidError, NotFoundError, StorageFullError, TooLargeError
from skysail_management.files import make_contents_read_only, move_into_place, remove_folder, write_new_file

__all__ = ["PIN_S", "Artifact", "ArtifactStore"]

logger = logging.getLogger(__name__)

PIN_S = 600.0
"""Ten minutes from an upload to the registration of its version."""

_BUFFER_BYTES = 1 << 20
_SHA256 = re.compile(r"[0-9a-f]{64}\Z")


@dataclass(frozen=True, slots=True)
class Artifact:
    """A stored archive. `is_new` is False when it was there before."""

    sha256: str
    size_bytes: int
    n_files: int
    is_new: bool


class ArtifactStore:
    """Artifacts below one directory. Slow work happens in threads, and every change of what is in the store in one
    step of the event loop: of two uploads of one artifact the first to be ready wins and the other is dropped."""

    def __init__(
        self,
        directory: Path,
        *,
        max_archive_bytes: int = 2 << 30,
        limits: ArchiveLimits | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.directory = directory
        self._incoming = directory / "incoming"
        self._max_archive_bytes = max_archive_bytes
        self._limits = limits or ArchiveLimits()
        self._clock = clock
        self._pinned_until: dict[str, float] = {}

    def prepare(self) -> None:
        """Make the directories and clear away what an earlier process left unfinished. Blocks."""
        self.directory.mkdir(parents=True, exist_ok=True)
        remove_folder(self._incoming)
        self._incoming.mkdir(mode=0o700)
        for path in self.directory.iterdir():
            if _SHA256.match(path.name) and not self._archive(path.name).exists():
                remove_folder(path)

    def _archive(self, sha256: str) -> Path:
        return self.directory / f"{sha256}.zip"

    def folder(self, sha256: str) -> Path:
        """The extracted artifact.

        :raises NotFoundError: it is not in the store.
        """
        if not self.has(sha256):
            raise NotFoundError(f"artifact {sha256} is not in the store", field="artifact")
        return self.directory / sha256

    def file(self, sha256: str) -> Path:
        """The archive itself.

        :raises NotFoundError: it is not in the store.
        """
        if not self.has(sha256):
            raise NotFoundError(f"artifact {sha256} is not in the store", field="artifact")
        return self._archive(sha256)

    def has(self, sha256: str) -> bool:
        """Whether the artifact is in the store."""
        return _SHA256.match(sha256) is not None and self._archive(sha256).is_file()

    def pin(self, sha256: str) -> bool:
        """Whether the artifact is in the store; if so it stays there for PIN_S, referenced or not."""
        if not self.has(sha256):
            return False
        self._pinned_until[sha256] = self._clock() + PIN_S
        return True

    def unpin(self, sha256: str) -> None:
        """From now on the artifact stays as long as a version refers to it."""
        self._pinned_until.pop(sha256, None)

    def describe(self, sha256: str) -> Artifact:
        """What is known of a stored artifact. Blocks shortly.

        :raises NotFoundError: it is not in the store.
        """
        n_files = sum(len(names) for _, _, names in os.walk(self.folder(sha256)))
        return Artifact(sha256, self._archive(sha256).stat().st_size, n_files, is_new=False)

    def total_bytes(self) -> int:
        """The size of all archives. Blocks shortly."""
        return sum(path.stat().st_size for path in self.directory.glob("*.zip"))

    async def put(self, sha256: str, body: AsyncIterator[bytes]) -> Artifact:
        """Take in an archive as it streams by; nothing is left of it after an error.

        :raises InvalidError: the bytes have another sha256, or are no archive of a model.
        :raises TooLargeError: over a limit.
        :raises StorageFullError: the disk is full.
        """
        if _SHA256.match(sha256) is None:
            raise InvalidError(f"sha256: expected 64 characters 0-9a-f, got {sha256[:80]!r}", field="sha256")
        if self.pin(sha256):
            await self._read_to_the_end(body)
            return self.describe(sha256)
        unfinished = self._incoming / token_hex(8)
        with _disk_errors():
            try:
                await self._receive(sha256, body, unfinished.with_suffix(".zip"))
                size_bytes = unfinished.with_suffix(".zip").stat().st_size
                n_files = await complete(asyncio.to_thread(self._extract, unfinished))
                return Artifact(sha256, size_bytes, n_files, is_new=self._settle(sha256, unfinished))
            finally:
                await complete(asyncio.to_thread(_discard, unfinished))

    async def _read_to_the_end(self, body: AsyncIterator[bytes]) -> None:
        """Not reading would break the connection under a client that is still sending."""
        n_bytes = 0
        async for chunk in body:
            n_bytes += len(chunk)
            self._check_size(n_bytes)

    def _check_size(self, n_bytes: int) -> None:
        if n_bytes > self._max_archive_bytes:
            message = f"artifact: expected at most {self._max_archive_bytes} bytes, got more"
            raise TooLargeError(message, field="artifact")

    async def _receive(self, sha256: str, body: AsyncIterator[bytes], path: Path) -> None:
        digest = hashlib.sha256()
        n_bytes = 0
        with write_new_file(path) as file:
            buffer = bytearray()
            async for chunk in body:
                buffer += chunk
                n_bytes += len(chunk)
                self._check_size(n_bytes)
                if len(buffer) >= _BUFFER_BYTES:
                    full, buffer = bytes(buffer), bytearray()
                    await asyncio.to_thread(_write, file.write, digest.update, full)
            await asyncio.to_thread(_write, file.write, digest.update, bytes(buffer))
            await asyncio.to_thread(os.fsync, file.fileno())
        if digest.hexdigest() != sha256:
            raise InvalidError(
                f"sha256: expected the body's own, got {sha256} for a body of {n_bytes} bytes with "
                f"{digest.hexdigest()}",
                field="sha256",
            )

    def _extract(self, unfinished: Path) -> int:
        extracted = extract_archive(unfinished.with_suffix(".zip"), _made(unfinished), self._limits)
        if not any((unfinished / name).is_file() for name in ("skysail.json", "model.py")):
            raise InvalidError("artifact: expected skysail.json or model.py at its top, got neither", field="artifact")
        make_contents_read_only(unfinished)
        return extracted.n_files

    def _settle(self, sha256: str, unfinished: Path) -> bool:
        """Move what is verified and extracted into place, pinned; False if it was there before."""
        if self.pin(sha256):
            return False
        folder = self.directory / sha256
        if folder.exists():  # its archive could not be moved after it
            folder.chmod(0o700)
            folder.rename(self._incoming / token_hex(8))
        move_into_place(unfinished, folder)
        folder.chmod(0o555)
        move_into_place(unfinished.with_suffix(".zip"), self._archive(sha256))
        return self.pin(sha256)

    async def remove(self, doomed: Iterable[str]) -> None:
        """Remove those of the artifacts that are there and not pinned.

        They are out of the store before the first await; the deletion of their bytes comes after.
        """
        now = self._clock()
        self._pinned_until = {sha256: until for sha256, until in self._pinned_until.items() if until > now}
        moved = []
        for sha256 in doomed:
            if self.has(sha256) and sha256 not in self._pinned_until:
                moved.append(self._move_out(sha256))
                logger.info("removed artifact %s: no version refers to it", sha256)
        await complete(asyncio.to_thread(_discard_all, moved))

    def stored(self, older_than_s: float) -> set[str]:
        """The artifacts that were stored at least so long ago. Blocks shortly."""
        latest = time.time() - older_than_s
        return {path.stem for path in self.directory.glob("*.zip") if path.stat().st_mtime <= latest}

    def _move_out(self, sha256: str) -> Path:
        rubbish = self._incoming / token_hex(8)
        self._archive(sha256).rename(rubbish.with_suffix(".zip"))
        (self.directory / sha256).chmod(0o700)
        (self.directory / sha256).rename(rubbish)
        return rubbish


def _write(write: Callable[[bytes], int], update: Callable[[bytes], None], chunk: bytes) -> None:
    update(chunk)
    write(chunk)


def _made(folder: Path) -> Path:
    folder.mkdir(mode=0o700)
    return folder


def _discard_all(moved: list[Path]) -> None:
    for unfinished in moved:
        _discard(unfinished)


def _discard(unfinished: Path) -> None:
    unfinished.with_suffix(".zip").unlink(missing_ok=True)
    remove_folder(unfinished)


@contextmanager
def _disk_errors() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageFullError(
                f"artifact: no room left for it ({os.strerror(error.errno)}); free space where the data directory is"
            ) from error
        raise
