"""Files that are either there and whole, or not there: new files, durable renames, read-only folders. All block."""

import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

__all__ = ["make_contents_read_only", "move_into_place", "remove_folder", "write_new_file"]


@contextmanager
def write_new_file(path: Path) -> Iterator[BinaryIO]:
    """A new file for writing; on disk at the end of the block.

    :raises FileExistsError: something is there already, be it a dangling link.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())


def move_into_place(source: Path, target: Path) -> None:
    """Rename, and have the rename on disk."""
    source.rename(target)
    directory = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def make_contents_read_only(folder: Path) -> None:
    """Take the right to write from everything in the folder, but not from the folder itself, which is to be moved."""
    for directory, _, names in os.walk(folder):
        for name in names:
            (Path(directory) / name).chmod(stat.S_IRUSR | stat.S_IRGRP | stat.S_IROTH)
    for directory, _, _ in os.walk(folder, topdown=False):
        if Path(directory) != folder:
            Path(directory).chmod(0o555)


def remove_folder(folder: Path) -> None:
    """Remove a folder and everything in it, read-only or not; nothing happens if it is not there."""
    if not folder.is_dir():
        return
    for directory, _, _ in os.walk(folder):
        Path(directory).chmod(0o700)
    shutil.rmtree(folder)
