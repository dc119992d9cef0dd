"""What a supervisor tells whoever looks: one event per thing that happened, as a value or as a line of JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Literal

from skysail_admin.errors import PortInUseError, StackError

__all__ = ["Notify", "StackEvent", "error_of_event", "event_of_error"]

Kind = Literal["waiting", "starting", "ready", "died", "stopping", "stopped", "up", "down", "failed"]


@dataclass(frozen=True)
class StackEvent:
    """`part` names the part it is about (None: the whole stack); `text` is one line for people."""

    kind: Kind
    part: str | None = None
    text: str = ""
    log_tail: str = ""
    port: int | None = None

    def to_line(self) -> bytes:
        return json.dumps(asdict(self)).encode() + b"\n"

    @classmethod
    def from_line(cls, line: bytes) -> StackEvent:
        return cls(**json.loads(line))


Notify = Callable[[StackEvent], None]


def event_of_error(error: StackError) -> StackEvent:
    port = error.port if isinstance(error, PortInUseError) else None
    return StackEvent("failed", text=error.message, log_tail=error.log_tail, port=port)


def error_of_event(event: StackEvent) -> StackError:
    if event.port is not None:
        return PortInUseError(event.text, port=event.port)
    return StackError(event.text, log_tail=event.log_tail)
