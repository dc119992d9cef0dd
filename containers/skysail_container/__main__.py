"""`python -m skysail_container --model DIR --listen ADDRESS`: one model version behind RPC."""

import asyncio
import faulthandler
import io
import logging
import os
import sys
from collections.abc import Callable
from threading import Timer
from typing import NoReturn

from skysail_container.check import check
from skysail_container.container_memory import container_memory
from skysail_container.endings import run_endings
from skysail_container.lifetime import EXIT_NO_MODEL, EXIT_STOPPED, Ending, serve
from skysail_container.process_group import end_other_processes
from skysail_container.settings import read_settings

__all__ = ["main"]

SWITCH_INTERVAL_S = 0.001
"""A model of pure Python gives up the interpreter lock after so long when a frame waits to be read. With Python's own
5 ms a HEALTH took 5.4 ms beside such a model, with this 1.3 ms; while nothing comes in it costs nothing."""

KEPT_HEAP_BYTES = 31 * 2**20
"""Allocating and freeing so much once makes glibc keep freed blocks up to that size, instead of giving the memory of
every large batch back to the kernel and faulting it in again (mallopt(3), M_MMAP_THRESHOLD). Nothing is touched."""

EXIT_PATIENCE_S = 2.0
"""Threads and exit handlers that a model left behind have so long; then the process ends without them."""


def main() -> NoReturn:
    """Runs a container until it is told to stop, and exits."""
    faulthandler.enable()  # a crash in native code leaves the stack in the log
    settings = read_settings(sys.argv[1:], os.environ)
    logging.basicConfig(level=settings.log_level, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)  # what a model prints belongs into its log now, not at the end
    bytes(KEPT_HEAP_BYTES)
    container_memory.told_mib = settings.memory_limit_mb
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    if settings.check is not None:
        is_ok = check(settings, settings.check)
        _exit(Ending(EXIT_STOPPED if is_ok else EXIT_NO_MODEL, is_model_busy=False))
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        ending = runner.run(serve(settings))
    _exit(ending)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory


def _exit(ending: Ending) -> NoReturn:
    run_endings()
    n_ended = end_other_processes()
    if n_ended:
        logging.getLogger(__name__).warning("ended %d processes that the model left behind", n_ended)
    logging.shutdown()
    sys.stdout.flush()
    if ending.is_model_busy:  # tearing the interpreter down under a running model can crash in its native code
        os._exit(ending.exit_code)
    guard = Timer(EXIT_PATIENCE_S, os._exit, (ending.exit_code,))
    guard.daemon = True
    guard.start()
    sys.exit(ending.exit_code)


if __name__ == "__main__":
    main()
