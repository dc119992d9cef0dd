"""What must hold in a process that the model forks: it is no container, whatever it inherited."""

import os
import signal
import threading
from collections.abc import Callable

__all__ = ["guard_forks"]

_STOPS = (signal.SIGTERM, signal.SIGINT)


def guard_forks(leave: Callable[[], None]) -> None:
    """From now on a forked process gives up what is the container's before any of the model's code runs in it.

    `leave` closes the sockets, so that a child which outlives the container keeps no client waiting. Signals sent to
    the child are its own: without this, ending it (as multiprocessing does) would write into the pipe by which the
    container's event loop learns of its signals, and the container would stop. None gets through in between.
    """
    masks = threading.local()

    def before() -> None:
        masks.before = signal.pthread_sigmask(signal.SIG_BLOCK, _STOPS)

    def restore() -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, masks.before)

    def in_child() -> None:
        signal.set_wakeup_fd(-1)
        for number in _STOPS:
            signal.signal(number, signal.SIG_DFL)
        leave()
        restore()

    os.register_at_fork(before=before, after_in_parent=restore, after_in_child=in_child)
