"""The files of a bundle, in a folder or in a zip."""

import zipfile
from pathlib import Path
from typing import Final

from skysail_container.spark.errors import StageError

__all__ = ["BundleFiles"]

_MAX_BYTES: Final = 1 << 30
"""Of one file: more is no model but a trap."""


class BundleFiles:
    """Invariant: names are relative, with slashes, and lead nowhere but into the bundle."""

    def __init__(self, path: Path) -> None:
        """
        :raises StageError: it is neither a folder nor a readable zip.
        """
        self.path = path
        self._archive: zipfile.ZipFile | None = None
        if path.is_dir():
            return
        try:
            self._archive = zipfile.ZipFile(path)
        except (OSError, zipfile.BadZipFile) as error:
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

    def __contains__(self, name: str) -> bool:
        if self._archive is None:
            return (self.path / name).is_file()
        return name in self._archive.namelist()

    def close(self) -> None:
        if self._archive is not None:
            self._archive.close()

    def _content(self, name: str) -> bytes | None:
        if name not in self or ".." in name.split("/"):
            return None
        try:
            if self._archive is None:
                found = self.path / name
                self._check_size(name, found.stat().st_size)
                return found.read_bytes()
            self._check_size(name, self._archive.getinfo(name).file_size)
            return self._archive.read(name)
        except (OSError, zipfile.BadZipFile, RuntimeError, NotImplementedError) as error:
            raise StageError(str(self.path), f"{name} cannot be read: {error}") from error

    def _check_size(self, name: str, n_bytes: int) -> None:
        if n_bytes > _MAX_BYTES:
            raise StageError(str(self.path), f"{name} is longer than {_MAX_BYTES >> 30} GB")
