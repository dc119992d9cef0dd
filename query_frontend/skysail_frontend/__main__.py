"""``python -m skysail_frontend``: reads flags and environment once, binds the port, runs one worker or several."""

import argparse
import asyncio
import dataclasses
import errno
import logging
import os
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import uvloop

from skysail_frontend.errors import SettingsError
from skysail_frontend.exposition import CELLS_PATTERN
from skysail_frontend.metric_cells import CellsUnavailableError
from skysail_frontend.settings import Settings
from skysail_frontend.worker import Worker
from skysail_frontend.workers import Workers, worker_command

EXIT_USAGE, EXIT_PORT_IN_USE = 2, 3
BACKLOG = 4096
STOP_GRACE_S = 5.0
"""What a worker may take to end beyond the time it gives its queries."""


def main(arguments: Sequence[str] | None = None) -> int:
    given = sys.argv[1:] if arguments is None else list(arguments)
    options = _parser().parse_args(given)
    try:
        settings = _settings(options)
        settings.run_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    except SettingsError as error:
        return _fail(EXIT_USAGE, str(error))
    except OSError as error:
        return _fail(EXIT_USAGE, f"cannot make --run-dir {error.filename}: {error.strerror}")
    logging.basicConfig(
        level=settings.log_level.upper(), format="%(asctime)s %(levelname)-7s %(name)s: %(message)s", stream=sys.stderr
    )
    if options.fd is not None:
        return _run_worker(settings, options.worker_number, socket.socket(fileno=options.fd), options.lifeline_fd)
    try:
        listener = _listen(settings)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return _fail(EXIT_PORT_IN_USE, f"port {settings.port} on {settings.host} is in use; choose another --port")
        return _fail(EXIT_USAGE, f"cannot listen on {settings.host}:{settings.port}: {error.strerror}")
    _forget_old_workers(settings)
    host, port = listener.getsockname()[:2]
    logging.getLogger("skysail_frontend").info("listening on http://%s:%d", host, port)
    if settings.workers == 1:
        return _run_worker(settings, 0, listener, options.lifeline_fd)
    return _run_workers(settings, given, listener, options.lifeline_fd)


def _run_worker(settings: Settings, number: int, listener: socket.socket, lifeline_fd: int | None) -> int:
    async def serve() -> None:
        await Worker(settings, number).serve(listener, lifeline_fd)

    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(serve())
    except CellsUnavailableError as error:
        return _fail(EXIT_USAGE, str(error))
    return 0


def _run_workers(settings: Settings, given: Sequence[str], listener: socket.socket, lifeline_fd: int | None) -> int:
    fd = listener.detach()
    commands = [worker_command(given, number, fd) for number in range(settings.workers)]
    return Workers(commands, [fd], lifeline_fd, settings.shutdown_timeout_s + STOP_GRACE_S).run()


def _listen(settings: Settings) -> socket.socket:
    family, _, _, _, address = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)[0]
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except BaseException:
        listener.close()
        raise
    return listener


def _forget_old_workers(settings: Settings) -> None:
    """Removes the counts of workers that an earlier run had and this one has not."""
    for path in settings.run_dir.glob(CELLS_PATTERN):
        number = path.stem.removeprefix("worker-")
        if not number.isdigit() or int(number) >= settings.workers:
            path.unlink(missing_ok=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m skysail_frontend",
        description="The Skysail query frontend. Every flag has an environment variable SKYSAIL_<FLAG>.",
    )
    for field in dataclasses.fields(Settings):
        flag = "--" + field.name.replace("_", "-")
        default = "required" if field.default is dataclasses.MISSING else field.default
        parser.add_argument(flag, dest=field.name, help=f"default: {default}")
    parser.add_argument("--lifeline-fd", type=int, help="read end of a pipe; the frontend stops when it ends")
    parser.add_argument("--worker-number", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--fd", type=int, help=argparse.SUPPRESS)
    return parser


def _settings(options: argparse.Namespace) -> Settings:
    """Flags, else environment, else defaults. :raises SettingsError: missing, not of its type, or out of range"""
    values: dict[str, Any] = {}
    for field in dataclasses.fields(Settings):
        text = getattr(options, field.name)
        if text is None:
            text = os.environ.get(f"SKYSAIL_{field.name.upper()}")
        if text is not None:
            values[field.name] = _converted(field.name, str(field.type), text)
        elif field.default is dataclasses.MISSING:
            flag = field.name.replace("_", "-")
            raise SettingsError(f"--{flag} or SKYSAIL_{field.name.upper()} is needed")
    return Settings(**values)


def _converted(name: str, type_name: str, text: str) -> Any:
    if "bool" in type_name:
        if text.lower() not in ("1", "0", "true", "false", "on", "off"):
            raise SettingsError(f"{name} is {text!r}; on or off was expected")
        return text.lower() in ("1", "true", "on")
    for python_type in (int, float, Path):
        if python_type.__name__ in type_name:
            try:
                return python_type(text)
            except ValueError as error:
                raise SettingsError(f"{name} is {text!r}; {python_type.__name__} was expected") from error
    return text


def _fail(code: int, sentence: str) -> int:
    sys.stderr.write(f"skysail frontend: {sentence}\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
