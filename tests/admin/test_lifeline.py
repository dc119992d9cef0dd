import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.wait_until import wait_until
from skysail_admin.local.lifeline import Lifeline, is_anybody_left

WATCHER = "import os, sys; print('watching', flush=True); os.read(int(sys.argv[1]), 1)"
DEAF = "import sys, time; print('watching', flush=True); time.sleep(600)"


@contextmanager
def holder(lifeline: Lifeline, program: str = WATCHER) -> Iterator[subprocess.Popen[bytes]]:
    """A process that inherited the read end and has started."""
    fd = lifeline.read_fd
    command = [sys.executable, "-S", "-c", program, str(fd)]
    with subprocess.Popen(command, pass_fds=(fd,), stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield process
        finally:
            process.kill()


def test_cutting_it_ends_whoever_watches_it(tmp_path: Path) -> None:
    lifeline = Lifeline(tmp_path / "lifeline")
    assert lifeline.hold()
    with holder(lifeline) as process:
        assert process.poll() is None
        lifeline.cut()
        assert process.wait(10) == 0
    assert not is_anybody_left(tmp_path / "lifeline")


def test_nobody_takes_it_while_a_process_of_an_earlier_stack_has_it(tmp_path: Path) -> None:
    earlier, later = Lifeline(tmp_path / "lifeline"), Lifeline(tmp_path / "lifeline")
    assert earlier.hold()
    with holder(earlier, DEAF) as process:
        earlier.cut()
        assert is_anybody_left(tmp_path / "lifeline")
        assert not later.hold()
        process.kill()
        process.wait()
        assert later.hold_within(5)
    later.cut()


def test_looking_whether_anybody_is_left_keeps_nobody_alive(tmp_path: Path) -> None:
    lifeline = Lifeline(tmp_path / "lifeline")
    assert lifeline.hold()
    with holder(lifeline) as process:
        lifeline.cut()
        wait_until(lambda: not is_anybody_left(tmp_path / "lifeline"), "the holder has ended")
        assert process.wait(10) == 0


async def test_whoever_does_not_mind_is_killed_after_the_grace(tmp_path: Path) -> None:
    lifeline = Lifeline(tmp_path / "lifeline")
    assert lifeline.hold()
    with holder(lifeline, DEAF) as process:
        await lifeline.cut_and_wait(0.1)
        assert process.wait(10) == -9


def test_there_is_nobody_where_no_stack_ever_was(tmp_path: Path) -> None:
    assert not is_anybody_left(tmp_path / "lifeline")


def test_a_reader_blocks_until_the_end_rather_than_getting_errors(tmp_path: Path) -> None:
    lifeline = Lifeline(tmp_path / "lifeline")
    assert lifeline.hold()
    assert os.get_blocking(lifeline.read_fd)
    lifeline.cut()
