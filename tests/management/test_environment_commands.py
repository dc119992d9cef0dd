"""Programs that build an environment: their output, their end, and the end of everything they started."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import pytest

from harness.wait_until import wait_until
from skysail_management.environment_commands import CommandFailedError, Commands, Patience, StoppedError
from skysail_management.errors import EnvironmentBuildError


@pytest.fixture
def log(tmp_path: Path) -> Iterator[BinaryIO]:
    with (tmp_path / "log").open("w+b") as log:
        yield log


@pytest.fixture(autouse=True)
def _signals() -> Iterator[None]:
    """Patience takes the signals of a process of its own."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def run(log: BinaryIO, script: str, patience: Patience | None = None) -> list[str]:
    """The lines of a script of bash."""
    lines: list[str] = []
    commands = Commands(patience or Patience(60, None), log, os.environ)
    commands.run(["bash", "-c", script], Path("/"), heed=lines.append)
    return lines


def is_gone(pid: str) -> bool:
    try:
        return Path(f"/proc/{int(pid)}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_every_line_is_heeded_and_logged(log: BinaryIO) -> None:
    assert run(log, "echo one; printf 'two\\rthree\\n\\n'; echo four >&2; printf five") == [
        *("one", "two", "three", "four", "five")
    ]
    log.seek(0)
    assert log.read().endswith(b"one\ntwo\rthree\n\nfour\nfive")


def test_a_failure_has_the_end_of_the_output(log: BinaryIO) -> None:
    with pytest.raises(CommandFailedError) as caught:
        run(log, "seq 1000; exit 3")
    assert (caught.value.status, list(caught.value.tail)) == (3, [str(n) for n in range(961, 1001)])


def test_a_line_without_an_end_is_cut(log: BinaryIO) -> None:
    lines = run(log, "head -c 1000000 /dev/zero | tr '\\0' x")
    assert sum(map(len, lines)) == 1_000_000
    assert max(map(len, lines)) < 200_000


def test_what_a_program_leaves_behind_ends_with_it(log: BinaryIO) -> None:
    (pid,) = run(log, "sleep 86397 & echo $!")
    wait_until(lambda: is_gone(pid), "the end of the sleep")


def test_nothing_outlives_the_limit(log: BinaryIO) -> None:
    lines: list[str] = []
    with pytest.raises(EnvironmentBuildError, match=r"was not built within 0\.3 s"):
        Commands(Patience(0.3, None), log, os.environ).run(
            ["bash", "-c", "trap '' TERM; sleep 86396 & echo $!; echo $$; wait"], Path("/"), heed=lines.append
        )
    for pid in lines:
        wait_until(lambda pid=pid: is_gone(pid), f"the end of process {pid}")  # type: ignore[misc]  # bound now


def test_a_signal_stops_it(log: BinaryIO) -> None:
    with pytest.raises(StoppedError):
        run(log, "kill -TERM $PPID; exec sleep 86395")


def test_the_end_of_the_lifeline_stops_it(log: BinaryIO) -> None:
    lifeline, holder = os.pipe()
    patience = Patience(60, lifeline)
    patience.check()
    os.close(holder)
    with pytest.raises(StoppedError):
        run(log, "exec sleep 86394", patience)
    os.close(lifeline)
