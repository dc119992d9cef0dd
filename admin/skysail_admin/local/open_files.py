"""Which processes have a file or socket open, as far as this user may know (Linux's /proc)."""

from __future__ import annotations

from collections.abc import Iterator, Set
from pathlib import Path

__all__ = ["PROC", "processes_with"]

PROC = Path("/proc")


def processes_with(targets: Set[str]) -> Iterator[int]:
    """Ids of processes that have one of the targets open: a path, or "socket:[inode]"."""
    if not PROC.is_dir():
        return
    for folder in PROC.iterdir():
        if folder.name.isdigit() and any(target in targets for target in _open_in(folder)):
            yield int(folder.name)


def _open_in(process: Path) -> Iterator[str]:
    try:
        descriptors = list((process / "fd").iterdir())
    except OSError:  # another user's process, or one that has ended
        return
    for descriptor in descriptors:
        try:
            yield str(descriptor.readlink())
        except OSError:  # closed in the meantime
            continue
