"""The other processes that belong to the container: what its model forked or started."""

import os
import signal
import time
from pathlib import Path

__all__ = ["MARK", "end_other_processes"]

MARK = "SKYSAIL_CONTAINER_MARK"
"""The variable by which whoever started the container finds what descends from it (docs/models/runtime.md)."""

_END_LIMIT_S = 1.0
_LOOK_AGAIN_S = 0.01


def end_other_processes() -> int:
    """Kills what else runs in the process group that this process leads, and what has its mark elsewhere; how many
    there were, none if it leads no group. Blocks until they are gone, a second at most.

    Backends start a container as the leader of a group of its own with a mark, and do the same when it is gone; this is
    for the containers that outlive their backend.
    """
    if os.getpgrp() != os.getpid():  # then the mark, if there is one, is somebody else's
        return 0
    deadline_s = time.monotonic() + _END_LIMIT_S
    ended: set[int] = set()
    while (others := _others()) and time.monotonic() < deadline_s:
        for pid in others - ended:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:  # it ended by itself meanwhile
                continue
        ended |= others
        time.sleep(_LOOK_AGAIN_S)
    return len(ended)


def _others() -> set[int]:
    own = os.getpid()
    mark = os.environ.get(MARK)
    running = {int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()} - {own}
    return {pid for pid in running if _group(pid) == own or (mark and _has_mark(pid, mark))}


def _group(pid: int) -> int:
    """The process group of a process, 0 if it is gone or has ended and only nobody asked how."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
    except OSError:
        return 0
    return 0 if fields[0] == "Z" else int(fields[2])


def _has_mark(pid: int, mark: str) -> bool:
    """Whether the environment that the process was started with has the mark; not if it is gone, or has ended."""
    try:
        return f"{MARK}={mark}".encode() in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return False
