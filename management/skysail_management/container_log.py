"""The containers' output, one file per replica, each kept below a size.

Containers write to their file themselves (a pipe through management would break when management dies), opened for
appending, so that the file can be cut while they write: its end is copied to `<id>.log.1`, then it is emptied. Lines
written between the two steps are lost, which is rare and better than a full disk.
"""

import logging
import os
import shutil
from pathlib import Path
from typing import NamedTuple

__all__ = ["ContainerLogs", "LogText"]

logger = logging.getLogger(__name__)

_LAST_WORDS_BYTES = 4_000
_LAST_WORDS_LINES = 40
"""A traceback through a framework, with the error at its end."""


class LogText(NamedTuple):
    """A piece of a log and the offset at which the next piece begins."""

    text: str
    next_offset: int
    begins_line: bool = True

    def prefixed(self, prefix: str) -> "LogText":
        """The piece with `prefix` before every line that begins in it."""
        if not self.text:
            return self
        end = "\n" if self.text.endswith("\n") else ""
        rest = self.text.removesuffix("\n").replace("\n", f"\n{prefix}")
        return self._replace(text=f"{prefix if self.begins_line else ''}{rest}{end}")


class ContainerLogs:
    """Logs below `directory`, as `<model>/<version>/<replica id>.log`. All methods block shortly."""

    def __init__(self, directory: Path, *, max_file_bytes: int = 8 << 20, max_piece_bytes: int = 1 << 20) -> None:
        self._directory = directory
        self._max_file_bytes = max_file_bytes
        self._max_piece_bytes = max_piece_bytes

    def path(self, model: str, version: str, replica_id: int) -> Path:
        return self._directory / model / version / f"{replica_id}.log"

    def open_for_container(self, model: str, version: str, replica_id: int) -> int:
        """A descriptor that appends to the replica's log. The caller closes it."""
        path = self.path(model, version, replica_id)
        path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)

    def tail(self, model: str, version: str, replica_id: int, n_lines: int) -> LogText:
        """The last lines, of the file before too if this one was cut lately."""
        path = self.path(model, version, replica_id)
        size = _size(path)
        data = _end_of(path, self._max_piece_bytes)
        if len(data) < self._max_piece_bytes:
            data = _end_of(_older(path), self._max_piece_bytes - len(data)) + data
        lines = data.decode("utf-8", "replace").splitlines(keepends=True)
        return LogText("".join(lines[-n_lines:] if n_lines else []), size)

    def read(self, model: str, version: str, replica_id: int, offset: int) -> LogText:
        """What was written after `offset`; from the beginning if the file was cut since."""
        path = self.path(model, version, replica_id)
        if offset > _size(path):
            offset = 0
        try:
            with path.open("rb") as file:
                file.seek(max(0, offset - 1))
                begins_line = offset == 0 or file.read(1) == b"\n"
                data = _whole_characters(file.read(self._max_piece_bytes))
        except FileNotFoundError:
            return LogText("", 0)
        return LogText(data.decode("utf-8", "replace"), offset + len(data), begins_line)

    def size(self, model: str, version: str, replica_id: int) -> int:
        """Bytes in the replica's file: what is written next begins there."""
        return _size(self.path(model, version, replica_id))

    def append(self, model: str, version: str, replica_id: int, line: str) -> None:
        """Add a line of our own.

        :raises OSError: it cannot be written.
        """
        ends_line = _end_of(self.path(model, version, replica_id), 1) in (b"", b"\n")
        descriptor = self.open_for_container(model, version, replica_id)
        try:
            os.write(descriptor, f"{'' if ends_line else chr(10)}{line}\n".encode())
        finally:
            os.close(descriptor)

    def last_words(self, model: str, version: str, replica_id: int, since: int = 0) -> str:
        """The last lines that were written after the offset `since`, in a form that fits into a reason."""
        path = self.path(model, version, replica_id)
        n_new = _size(path) - since
        n_bytes = min(n_new, _LAST_WORDS_BYTES) if n_new >= 0 else _LAST_WORDS_BYTES  # less: it was cut meanwhile
        text = _end_of(path, n_bytes).decode("utf-8", "replace")
        return "\n".join(text.splitlines()[-_LAST_WORDS_LINES:]).strip()

    def cut_long_files(self) -> None:
        """Cut every file over the limit."""
        for path in self._directory.glob("*/*/*.log"):
            if _size(path) > self._max_file_bytes:
                _older(path).write_bytes(_end_of(path, self._max_file_bytes))
                os.truncate(path, 0)
                logger.info("cut the log %s", path)

    def remove(self, model: str, version: str) -> None:
        """Remove the logs of a version that is gone."""
        folder = self._directory / model / version
        if folder.is_dir():
            shutil.rmtree(folder)
        if folder.parent.is_dir() and not any(folder.parent.iterdir()):
            folder.parent.rmdir()


def _whole_characters(data: bytes) -> bytes:
    """The data without a UTF-8 character that has only just begun: its rest comes with the next piece."""
    for n_begun in range(1, min(4, len(data)) + 1):
        byte = data[-n_begun]
        if byte & 0b1100_0000 == 0b1100_0000:  # the first byte of several
            n_needed = 2 if byte < 0b1110_0000 else 3 if byte < 0b1111_0000 else 4
            return data[:-n_begun] if n_begun < n_needed else data
        if byte < 0b1000_0000:
            break
    return data


def _older(path: Path) -> Path:
    return path.with_name(f"{path.name}.1")


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _end_of(path: Path, n_bytes: int) -> bytes:
    try:
        with path.open("rb") as file:
            file.seek(max(0, _size(path) - n_bytes))
            return file.read(n_bytes)
    except FileNotFoundError:
        return b""
