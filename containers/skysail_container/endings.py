"""What a loader started beside this process and has to be ended with it."""

import logging
from collections.abc import Callable

__all__ = ["at_end", "run_endings"]

_log = logging.getLogger(__name__)

_endings: list[Callable[[], None]] = []


def at_end(ending: Callable[[], None]) -> None:
    """Has `ending` called when the process ends by itself, before whatever else runs in its group is killed.

    It takes a few seconds at most. A process that is killed calls nothing: what was started must notice that by itself.
    """
    _endings.append(ending)


def run_endings() -> None:
    """Calls them, the last one first; what goes wrong is only logged."""
    while _endings:
        ending = _endings.pop()
        try:
            ending()
        except Exception:
            _log.exception("%r failed", ending)
