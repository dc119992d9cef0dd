"""Counters of one worker in a memory-mapped file, so that any worker can sum up all of them when it is scraped.

A cell is a float64 in a file: adding to it costs 75 ns, needs no lock (one process writes a file, others read) and
survives a kill -9 of the worker, whose successor goes on counting where it stopped. prometheus-client's own
multi-process mode costs about a microsecond per increment and has no way to add to a histogram without a lock.

Layout: magic (8 bytes), bytes used (u64), then entries: n_key_bytes (u32), n_cells (u32), key (UTF-8 JSON, padded to 8
with spaces), cells (n_cells little-endian float64). A freed entry's key
has an empty name; its room is used again.
"""

import json
import mmap
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

from skysail_frontend.errors import FrontendError

__all__ = ["Cells", "CellsFile", "CellsFullError", "read_cells", "unmapped_cells"]

Cells: TypeAlias = "memoryview[float]"
"""A memoryview of format 'd'; ``cells[i] += 1.0`` counts."""

FILE_BYTES = 4 * 1024 * 1024
"""Room for some ten thousand series; sparse until used."""
_MAGIC = b"skycell1"
_HEADER = struct.Struct("<8sQ")
_ENTRY = struct.Struct("<II")
_FREE_KEY = b'["", {}]'


class CellsFullError(FrontendError):
    """No room for another series; the worker serves on without it."""


class CellsFile:
    """The cells one worker writes. Opening an existing file keeps its counts."""

    def __init__(self, path: Path) -> None:
        self.path = path
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            os.ftruncate(descriptor, FILE_BYTES)
            self._map = mmap.mmap(descriptor, FILE_BYTES)
        finally:
            os.close(descriptor)
        if self._map[:8] != _MAGIC:
            self._map[: _HEADER.size] = _HEADER.pack(_MAGIC, _HEADER.size)
        self._doubles = memoryview(self._map).cast("d")
        self._entries: dict[str, tuple[int, int, int]] = {}  # key -> n_key_bytes, offset of the cells, n_cells
        self._free: dict[tuple[int, int], list[int]] = {}
        for key, n_key_bytes, offset, n_cells in _entries(self._map):
            if _is_free(key):
                self._free.setdefault((n_key_bytes, n_cells), []).append(offset)
            else:
                self._entries[key] = (n_key_bytes, offset, n_cells)

    def cells(self, name: str, labels: dict[str, str], n_cells: int) -> Cells:
        """The `n_cells` cells of a series, zero when it is new. :raises CellsFullError: the file is full"""
        key = json.dumps([name, labels], sort_keys=True)
        known = self._entries.get(key)
        if known is None or known[2] != n_cells:
            known = self._entries[key] = self._allocate(key, n_cells)
        offset = known[1]
        return self._doubles[offset // 8 : offset // 8 + n_cells]

    def free(self, name: str, labels: dict[str, str]) -> None:
        """Ends a series: it is no longer read, and its room is used again. Unknown ones are ignored."""
        known = self._entries.pop(json.dumps([name, labels], sort_keys=True), None)
        if known is None:
            return
        n_key_bytes, offset, n_cells = known
        self._map[offset - n_key_bytes : offset] = _FREE_KEY.ljust(n_key_bytes)
        self._map[offset : offset + 8 * n_cells] = bytes(8 * n_cells)
        self._free.setdefault((n_key_bytes, n_cells), []).append(offset)

    def _allocate(self, key: str, n_cells: int) -> tuple[int, int, int]:
        text = key.encode("utf-8")
        n_key_bytes = -(-len(text) // 8) * 8
        freed = self._free.get((n_key_bytes, n_cells))
        if freed:
            offset = freed.pop()
            self._map[offset - n_key_bytes : offset] = text.ljust(n_key_bytes)
            return n_key_bytes, offset, n_cells
        _, used = _HEADER.unpack_from(self._map, 0)
        offset = used + _ENTRY.size + n_key_bytes
        end = offset + 8 * n_cells
        if end > FILE_BYTES:
            raise CellsFullError(f"no room for another metric series in {self.path}")
        self._map[used:offset] = _ENTRY.pack(n_key_bytes, n_cells) + text.ljust(n_key_bytes)
        self._map[8:16] = struct.pack("<Q", end)  # last, so that a reader never sees half an entry
        return n_key_bytes, offset, n_cells


def unmapped_cells(n_cells: int) -> Cells:
    """Cells that nobody reads, for a series there is no room for."""
    return memoryview(bytearray(8 * n_cells)).cast("d")


def read_cells(path: Path) -> Iterator[tuple[str, dict[str, str], list[float]]]:
    """Name, labels and values of every series in a worker's file; nothing from a file that is not one."""
    with path.open("rb") as file:
        magic, used = _HEADER.unpack(file.read(_HEADER.size).ljust(_HEADER.size))
        if magic != _MAGIC or used > FILE_BYTES:
            return
        file.seek(0)
        content = file.read(used)
    for key, _, offset, n_cells in _entries(content):
        if not _is_free(key):
            name, labels = json.loads(key)
            yield name, labels, list(struct.unpack_from(f"<{n_cells}d", content, offset))


def _entries(content: bytes | mmap.mmap) -> Iterator[tuple[str, int, int, int]]:
    """Key, key length, offset of the cells and their number, freed entries included."""
    _, used = _HEADER.unpack_from(content, 0)
    start = _HEADER.size
    while start + _ENTRY.size <= min(used, FILE_BYTES):
        n_key_bytes, n_cells = _ENTRY.unpack_from(content, start)
        offset = start + _ENTRY.size + n_key_bytes
        yield bytes(content[offset - n_key_bytes : offset]).rstrip().decode("utf-8"), n_key_bytes, offset, n_cells
        start = offset + 8 * n_cells


def _is_free(key: str) -> bool:
    return key == _FREE_KEY.decode()
