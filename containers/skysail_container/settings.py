"""The settings of one container process, read once from its arguments and environment."""

import argparse
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from skysail_container.address import Address, TcpAddress, parse_address
from skysail_container.input_types import INPUT_TYPES, InputType
from skysail_container.wire import DEFAULT_MAX_FRAME_BYTES

__all__ = ["Settings", "read_settings"]

MIN_MAX_FRAME_BYTES = 4096
"""A statistics reply and every refusal fit into it."""

LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
_MIB = 1024 * 1024
_ANYWHERE = TcpAddress("127.0.0.1", 0)
"""A check listens nowhere, and so needs not be told where."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Every flag has an environment twin: `--max-frame-bytes` is `SKYSAIL_MAX_FRAME_BYTES`; the flag wins."""

    model: Path
    """Folder with the model's files."""

    listen: Address
    """Where batches come in."""

    name: str = "model"
    """Model name that the hello announces."""

    version: str = "1"
    """Model version that the hello announces."""

    input_type: InputType | None = None
    """Input type of the rows; None: the manifest's, or doubles when it names none."""

    lifeline_fd: int | None = None
    """Read end of a pipe whose other end a supervisor holds: its end of file stops the process."""

    max_frame_bytes: int = DEFAULT_MAX_FRAME_BYTES
    """Longest frame taken or sent, in bytes: 64 MiB hold 10,000 rows of 784 doubles."""

    max_queued_batches: int = 1024
    """Batches waiting for the model, over all connections; a frontend worker keeps two at most with one replica."""

    max_queued_bytes: int = 256 * _MIB
    """Bytes of the rows waiting for the model, over all connections: four frames of the greatest length."""

    max_outgoing_bytes: int = 128 * _MIB
    """Bytes kept for a client that reads slower than its replies come; beyond it the connection is closed."""

    max_connections: int = 256
    """Open connections; a new one beyond it is closed at once."""

    hello_timeout_s: float = 10.0
    """Seconds a client has for its hello, so that idle strangers hold no connection."""

    frame_timeout_s: float = 60.0
    """Seconds from the first to the last byte of a frame: 64 MiB in a minute is 9 Mbit/s."""

    drain_timeout_s: float = 30.0
    """Seconds that batches taken in may take to finish once the process is told to stop; then it exits with 1."""

    batch_limit_s: float = 60.0
    """Seconds that one batch may take, or until its deadline if that is later; then the process ends with 6: its model
    is blocked, and a new process answers sooner than one that never comes back."""

    memory_limit_mb: int | None = None
    """MiB that the container may take before whoever started it ends it; what a loader starts beside it is made to
    fit. None: nobody said, so its cgroup's limit, if it has one."""

    report_file: Path | None = None
    """Where what loading had to tell is written once the model is ready (load_report.py); None: nowhere."""

    metrics_file: Path | None = None
    """Where the model's own metrics are written every few seconds, while it has some; None: nowhere."""

    check: Path | None = None
    """File for the report of a check: the process loads, validates, warms up and times the model, and ends."""

    log_level: str = "INFO"
    """Least severity that is logged."""


def read_settings(arguments: Sequence[str], environment: Mapping[str, str]) -> Settings:
    """The settings of a process started with `arguments` in `environment`.

    Bad ones end the process with exit code 2 and a line that says what is wrong.
    """
    parser = _parser()
    twins = {field.name: f"SKYSAIL_{field.name.upper()}" for field in fields(Settings)}
    parser.set_defaults(**{name: environment[twin] for name, twin in twins.items() if twin in environment})
    values = vars(parser.parse_args(arguments))
    if values.get("check") is not None and values.get("listen") is None:
        values["listen"] = _ANYWHERE
    if missing := [flag for flag in ("model", "listen") if values.get(flag) is None]:
        parser.error(f"--{missing[0]} is missing (or SKYSAIL_{missing[0].upper()} in the environment)")
    return Settings(**{name: value for name, value in values.items() if value is not None})


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m skysail_container",
        description="Loads one model version and answers batches over RPC.",
        epilog="Every flag has an environment twin: --max-frame-bytes is SKYSAIL_MAX_FRAME_BYTES; the flag wins.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--model", type=Path, help="folder with the model's files")
    add("--listen", type=_address, help="unix:/path, tcp:HOST:PORT or HOST:PORT")
    add("--name", help="model name to announce (default: model)")
    add("--version", help="model version to announce (default: 1)")
    add(
        "--input-type",
        type=_one_of(INPUT_TYPES),
        help=f"one of {', '.join(INPUT_TYPES)} (default: the manifest's, or doubles)",
    )
    add("--lifeline-fd", type=_open_descriptor, help="file descriptor of a pipe whose end of file stops the process")
    add("--max-frame-bytes", type=_frame_bytes, help="longest frame taken or sent (default: 64 MiB)")
    add("--max-queued-batches", type=_positive, help="batches that may wait for the model (default: 1024)")
    add("--max-queued-bytes", type=_positive, help="bytes of rows that may wait for the model (default: 256 MiB)")
    add("--max-outgoing-bytes", type=_positive, help="replies kept for a slow client, in bytes (default: 128 MiB)")
    add("--max-connections", type=_positive, help="open connections (default: 256)")
    add("--hello-timeout-s", type=_seconds, help="time a client has for its hello (default: 10)")
    add("--frame-timeout-s", type=_seconds, help="time a client has to finish a frame (default: 60)")
    add("--drain-timeout-s", type=_seconds, help="time batches have to finish on a stop (default: 30)")
    add("--batch-limit-s", type=_seconds, help="time a batch may take before its model counts as blocked (default: 60)")
    add(
        "--memory-limit-mb",
        type=_positive,
        help="MiB that it may take; it does not limit itself (default: its cgroup's)",
    )
    add("--report-file", type=Path, help="written once ready: what the model is served by, notes of its loading")
    add("--metrics-file", type=Path, help="written every few seconds: the model's own metrics as Prometheus text")
    add("--check", type=Path, help="load, validate and time the model, write what was found to this file, and end")
    add("--log-level", type=_one_of(LOG_LEVELS), help=f"one of {', '.join(LOG_LEVELS)} (default: INFO)")
    return parser


def _address(text: str) -> Address:
    try:
        return parse_address(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _one_of(choices: Sequence[str]) -> Callable[[str], str]:
    def chosen(text: str) -> str:
        if text not in choices:
            raise argparse.ArgumentTypeError(f"{text!r} is not one of {', '.join(choices)}")
        return text

    return chosen


def _whole_number(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number")
    return int(text)


def _open_descriptor(text: str) -> int:
    number = _whole_number(text)
    try:
        os.fstat(number)
    except OSError as error:
        raise argparse.ArgumentTypeError(f"file descriptor {number} is not open") from error
    return number


def _frame_bytes(text: str) -> int:
    number = _whole_number(text)
    if not MIN_MAX_FRAME_BYTES <= number < 2**32:
        raise argparse.ArgumentTypeError(f"it must be from {MIN_MAX_FRAME_BYTES} to 2^32 - 1")
    return number


def _positive(text: str) -> int:
    number = _whole_number(text)
    if not number:
        raise argparse.ArgumentTypeError("it must be at least 1")
    return number


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds") from error
    if not 0 < seconds < 1e6:
        raise argparse.ArgumentTypeError("it must be more than 0 and less than 1,000,000 seconds")
    return seconds
