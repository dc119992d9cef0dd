"""Counts the threads of the process, and says when a model seems to lose track of its own."""

import threading
from pathlib import Path

__all__ = ["ThreadCensus"]

MIN_SUSPECT = 32
"""So many more threads than at the first census are nothing: pools of frameworks are made when they are first used."""

_TASKS = Path("/proc/self/task")


class ThreadCensus:
    """Warns at most once per doubling of the number of threads, those of native code included."""

    def __init__(self) -> None:
        self._n_first: int | None = None
        self._next_warning = 0

    def take(self) -> str | None:
        """Counts the threads; a sentence for the log if they have become suspiciously many."""
        return self.judge(sum(1 for _ in _TASKS.iterdir()))

    def judge(self, n_threads: int) -> str | None:
        """As `take`, of a given number."""
        if self._n_first is None:
            self._n_first = n_threads
            self._next_warning = max(2 * n_threads, n_threads + MIN_SUSPECT)
        if n_threads < self._next_warning:
            return None
        self._next_warning = 2 * n_threads
        newest = ", ".join(repr(thread.name) for thread in threading.enumerate()[-3:])
        return (
            f"the process has {n_threads} threads, {self._n_first} when its model was loaded: the model may start "
            f"threads that never end (the newest of Python's: {newest})"
        )
