"""What runs on a data dir, written down for `skysail status`, `skysail down` and every client on this machine."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from skysail_admin.local.locks import is_held

__all__ = ["PartRecord", "StackRecord", "read_running", "write"]


@dataclass(frozen=True)
class PartRecord:
    name: str
    title: str
    state: str
    pid: int | None
    restarts: int
    since_s: float
    """Unix time of the last change of `state`."""
    address: str


@dataclass(frozen=True)
class StackRecord:
    pid: int
    """The supervisor's."""
    started_at_s: float
    """Unix time."""
    url: str
    query_url: str
    redis_url: str
    run_dir: str
    logs_dir: str
    parts: tuple[PartRecord, ...] = ()


def write(path: Path, record: StackRecord) -> None:
    """Replaces the file in one step, so that a reader sees the old or the new one."""
    draft = path.with_name(path.name + ".new")
    draft.write_text(json.dumps(asdict(record), indent=2) + "\n")
    draft.replace(path)


def read_running(data_dir: Path) -> StackRecord | None:
    """The stack that runs on the data dir now; None if none does, whatever an ended one left behind."""
    if not is_held(data_dir / "stack.lock"):
        return None
    try:
        data = json.loads((data_dir / "stack.json").read_text())
        return StackRecord(**{**data, "parts": tuple(PartRecord(**part) for part in data["parts"])})
    except (
        FileNotFoundError,
        ValueError,
        TypeError,
        KeyError,
    ):  # it has only just started, or another version wrote it
        return None
