"""Waiting for something that real processes bring about."""

import time
from collections.abc import Callable

__all__ = ["wait_until"]


def wait_until(condition: Callable[[], object], what: str, timeout_s: float = 20.0, interval_s: float = 0.02) -> None:
    """Returns once the condition holds.

    :raises AssertionError: it does not in time; `what` says what was waited for.
    """
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline_s:
            raise AssertionError(f"not within {timeout_s:g} s: {what}")
        time.sleep(interval_s)
