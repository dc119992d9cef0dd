"""A folder on this machine or wherever pyarrow can write: file, hdfs, s3, gs."""

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any
from uuid import uuid4

from pyarrow import fs

from skysail_container.errors import OfflineJobError

__all__ = ["Storage", "as_uri", "file_facts"]

_DRAFTS = "_skysail/drafts"


def as_uri(path: str) -> str:
    """An address as it is; a path of this machine as one, so that no cluster's default takes it for its own."""
    return path if "://" in path else Path(path).expanduser().absolute().as_uri()


@lru_cache(maxsize=8)
def _opened(uri: str) -> tuple[Any, str]:
    try:
        filesystem, root = fs.FileSystem.from_uri(uri)
    except (ValueError, OSError, ImportError) as error:
        raise OfflineJobError("invalid", f"{uri} cannot be opened: {error}") from error
    return filesystem, root.rstrip("/")


def file_facts(uri: str) -> tuple[str, int, int]:
    """The file's address, its size, and when it was last written, in nanoseconds."""
    filesystem, path = fs.FileSystem.from_uri(uri)
    info = filesystem.get_file_info(path)
    return uri, info.size or 0, info.mtime_ns or 0


class Storage:
    """Files below one folder. A file is there whole or not at all; writing one again replaces it. Can be pickled."""

    def __init__(self, uri: str) -> None:
        self.uri = uri.rstrip("/")

    def write(self, name: str, write: Callable[[Any], object]) -> None:
        """Lets `write` fill an open stream, then puts the file into its place.

        :raises OfflineJobError: it cannot be written there.
        """
        filesystem, root = _opened(self.uri)
        draft = f"{root}/{_DRAFTS}/{uuid4().hex}"
        target = f"{root}/{name}"
        try:
            filesystem.create_dir(f"{root}/{_DRAFTS}", recursive=True)
            filesystem.create_dir(target.rpartition("/")[0], recursive=True)
            with filesystem.open_output_stream(draft) as stream:
                write(stream)
            filesystem.move(draft, target)
        except OSError as error:
            raise OfflineJobError("failed", f"{self.uri}/{name} cannot be written: {error}") from error

    def read(self, name: str) -> bytes | None:
        """What is in the file; None if there is none."""
        filesystem, root = _opened(self.uri)
        if filesystem.get_file_info(f"{root}/{name}").type != fs.FileType.File:
            return None
        with filesystem.open_input_stream(f"{root}/{name}") as stream:
            return bytes(stream.read())

    def names(self, folder: str = "") -> list[str]:
        """Of the files and folders in the folder, without what is below those; none if there is no such folder."""
        filesystem, root = _opened(self.uri)
        selector = fs.FileSelector(f"{root}/{folder}".rstrip("/"), allow_not_found=True)
        return [info.base_name for info in filesystem.get_file_info(selector)]

    def remove_folder(self, name: str) -> None:
        filesystem, root = _opened(self.uri)
        if filesystem.get_file_info(f"{root}/{name}").type == fs.FileType.Directory:
            filesystem.delete_dir(f"{root}/{name}")

    def empty(self) -> None:
        """Removes everything below the folder."""
        filesystem, root = _opened(self.uri)
        filesystem.delete_dir_contents(root, missing_dir_ok=True)
