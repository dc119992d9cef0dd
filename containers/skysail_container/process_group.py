"""The other processes of the container's group: what its model forked or started."""

import os
import signal
from pathlib import Path

__all__ = ["end_other_processes"]


def end_other_processes() -> int:
    """Kills what else runs in the process group that this process leads, none if it leads none; how many there were.

    Backends start a container as the leader of a group of its own, and kill the group when it is gone; this is for
    the containers that outlive their backend.
    """
    own = os.getpid()
    if os.getpgrp() != own:
        return 0
    running = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    others = [pid for pid in running if pid != own and _group(pid) == own]
    for pid in others:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:  # it ended by itself meanwhile
            continue
    return len(others)


def _group(pid: int) -> int:
    """The process group of a process, 0 if it is gone or has ended and only nobody asked how."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
    except OSError:
        return 0
    return 0 if fields[0] == "Z" else int(fields[2])
