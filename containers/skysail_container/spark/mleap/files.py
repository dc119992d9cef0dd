"""The files of a bundle, in a folder or in a zip."""

import zipfile
import zlib
from pathlib import Path
from typing import Final

from skysail_container.spark.errors import StageError

__all__ = ["BundleFiles"]

_MAX_FILE_BYTES: Final = 1 << 30
"""Of one file: more is no model but a trap."""
_MAX_UNPACKED_BYTES: Final = 1 << 28
_MAX_RATIO: Final = 100
"""A zip that unpacks to more than that, and to more than so many times its own size, is a trap as well: models of
numbers and words shrink to a tenth at best, and those that are all zeros are small."""


class BundleFiles:
    """Invariant: names are relative, with slashes, and lead nowhere but into the bundle."""

    def __init__(self, path: Path) -> None:
        """
        :raises StageError: it is neither a folder nor a readable zip, or one made to fill the memory.
        """
        self.path = path
        self._archive: zipfile.ZipFile | None = None
        self._names: frozenset[str] = frozenset()
        if path.is_dir():
            return
        try:
            self._archive = zipfile.ZipFile(path)
            self._names = frozenset(self._archive.namelist())
            self._check_unpacked(sum(one.file_size for one in self._archive.infolist()))
        except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError) as error:
            raise StageError(str(path), f"it is no readable zip: {error}") from error

    def read(self, *names: str) -> tuple[str, bytes]:
        """The first of these files that there is, and its name.

        :raises StageError: there is none of them, or it cannot be read.
        """
        for name in names:
            content = self._content(name)
            if content is not None:
                return name, content
        raise StageError(str(self.path), f"the bundle has no {' or '.join(names)}")

    def close(self) -> None:
        if self._archive is not None:
            self._archive.close()

    def _content(self, name: str) -> bytes | None:
        if ".." in name.split("/"):
            return None
        try:
            if self._archive is None:
                return self._content_of_file(name)
            if name not in self._names:
                return None
            self._check_size(name, self._archive.getinfo(name).file_size)
            return self._archive.read(name)
        except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error, RuntimeError) as error:
            raise StageError(str(self.path), f"{name} cannot be read: {error}") from error

    def _content_of_file(self, name: str) -> bytes | None:
        found = self.path / name
        if not found.is_file():
            return None
        if not found.resolve().is_relative_to(self.path.resolve()):
            raise StageError(str(self.path), f"{name} is a link that leads out of the bundle")
        self._check_size(name, found.stat().st_size)
        return found.read_bytes()

    def _check_size(self, name: str, n_bytes: int) -> None:
        if n_bytes > _MAX_FILE_BYTES:
            raise StageError(str(self.path), f"{name} is longer than {_MAX_FILE_BYTES >> 30} GB")

    def _check_unpacked(self, n_bytes: int) -> None:
        if n_bytes > max(_MAX_UNPACKED_BYTES, _MAX_RATIO * self.path.stat().st_size):
            raise StageError(str(self.path), f"it would unpack to {n_bytes >> 20} MB, which is no bundle but a trap")
