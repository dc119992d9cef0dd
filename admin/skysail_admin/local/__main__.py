"""`python -m skysail_admin.local`: a stack in the background; what `skysail up --detach` starts.

Writes its events as lines of JSON to `--events-fd` until the stack is up or has failed, then closes it.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from pathlib import Path

from skysail_admin.errors import StackError
from skysail_admin.local.events import StackEvent, event_of_error
from skysail_admin.local.settings import StackSettings
from skysail_admin.local.stack import run_stack

__all__ = ["main"]

logger = logging.getLogger("skysail.supervisor")


class EventPipe:
    """Events to the log, and to the pipe for as long as somebody wants them."""

    def __init__(self, fd: int) -> None:
        self._fd: int | None = fd

    def notify(self, event: StackEvent) -> None:
        logger.info("%s", event.text)
        if self._fd is None:
            return
        try:
            os.write(self._fd, event.to_line())
        except BrokenPipeError:  # whoever started us has gone; the stack stays
            self._close()
        if event.kind in ("up", "failed"):
            self._close()

    def _close(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None


def main() -> int:
    arguments = _parser().parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stderr)
    os.set_inheritable(arguments.events_fd, False)
    events = EventPipe(arguments.events_fd)
    settings = StackSettings(
        data_dir=arguments.data_dir,
        query_port=arguments.query_port,
        management_port=arguments.management_port,
        workers=arguments.workers,
        redis_url=os.environ.get("SKYSAIL_REDIS_URL") or None,
        token=os.environ.get("SKYSAIL_TOKEN") or None,
    )
    runtime_dir = os.environ.get("XDG_RUNTIME_DIR")
    try:
        run_stack(settings, events.notify, runtime_dir=runtime_dir, watched_fd=arguments.lifeline_fd)
    except StackError as error:
        events.notify(event_of_error(error))
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m skysail_admin.local")
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--query-port", type=int, required=True)
    parser.add_argument("--management-port", type=int, required=True)
    parser.add_argument("--workers", type=int, required=True)
    parser.add_argument("--events-fd", type=int, required=True)
    parser.add_argument("--lifeline-fd", type=int)
    return parser


if __name__ == "__main__":
    sys.exit(main())
