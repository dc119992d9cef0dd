"""What real processes leave behind, and that it is found: by the mark in their environment, or by their parents."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from skysail_container import process_group
from skysail_management.container_family import (
    MARK,
    ContainerFamily,
    MarkedProcesses,
    end_leftovers,
    mark_of,
    new_mark,
)

DAEMON = """
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        print("here", os.getpid(), flush=True)
        time.sleep(300)
    os._exit(0)
os.wait()
time.sleep(300)
"""
CLEARED = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"], env={}, start_new_session=True)
print("here", child.pid, flush=True)
time.sleep(300)
"""
FORKS_FOR_EVER = """
import os, time
if os.fork() > 0:
    time.sleep(300)
os.setsid()
print("here", os.getpid(), flush=True)
while True:
    if os.fork() == 0:
        time.sleep(300)
    time.sleep(0.005)
"""


@contextmanager
def running(source: str, mark: str) -> Iterator[tuple["subprocess.Popen[str]", int]]:
    """A process with the mark, and the pid that it tells."""
    process = subprocess.Popen(
        [sys.executable, "-S", "-c", source],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, MARK: mark},
        start_new_session=True,
    )
    assert process.stdout is not None
    with process.stdout:
        try:
            match = re.match(r"here (\d+)", process.stdout.readline())
            assert match is not None
            yield process, int(match[1])
        finally:
            process.kill()
            process.wait()
            ContainerFamily(process.pid, mark, MarkedProcesses()).end()


def is_running(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def test_containers_and_backends_mean_the_same_mark(tmp_path: Path) -> None:
    assert process_group.MARK == MARK
    assert new_mark(tmp_path) != new_mark(tmp_path)


def test_what_forked_twice_into_a_session_of_its_own_belongs_to_the_family_and_ends_with_it(tmp_path: Path) -> None:
    mark, others = new_mark(tmp_path), new_mark(tmp_path)
    with running(DAEMON, mark) as (process, daemon), running(DAEMON, others) as (stranger, strange_daemon):
        family = ContainerFamily(process.pid, mark, MarkedProcesses())
        assert sorted(family.look()) == sorted([process.pid, daemon])
        assert mark_of(daemon) == mark
        process.kill()
        process.wait()
        assert family.end() == 1
        assert not is_running(daemon)
        assert is_running(stranger.pid)
        assert is_running(strange_daemon)


def test_what_cleared_its_environment_is_remembered_from_when_it_was_seen(tmp_path: Path) -> None:
    mark = new_mark(tmp_path)
    with running(CLEARED, mark) as (process, child):
        assert mark_of(child) == ""
        family = ContainerFamily(process.pid, mark, MarkedProcesses())
        assert family.look() == [process.pid, child]
        process.kill()
        process.wait()
        assert is_running(child)
        assert family.end() == 1
        assert not is_running(child)


def test_a_process_that_forks_for_ever_is_caught_with_all_it_forked(tmp_path: Path) -> None:
    mark = new_mark(tmp_path)
    with running(FORKS_FOR_EVER, mark) as (process, _):
        family = ContainerFamily(process.pid, mark, MarkedProcesses())
        assert family.end() > 1
        assert family.end() == 0


def test_leftovers_are_those_of_the_directory_whose_container_is_not_known(tmp_path: Path) -> None:
    living, gone, elsewhere = new_mark(tmp_path), new_mark(tmp_path), new_mark(tmp_path / "elsewhere")
    with (
        running(DAEMON, living) as (_, kept),
        running(DAEMON, gone) as (_, ended),
        running(DAEMON, elsewhere) as (_, foreign),
    ):
        assert end_leftovers(tmp_path, {living}) == 2
        assert [is_running(pid) for pid in (kept, ended, foreign)] == [True, False, True]


def test_a_family_that_is_gone_is_none(tmp_path: Path) -> None:
    family = ContainerFamily(2**22 + 1, new_mark(tmp_path), MarkedProcesses())
    assert family.look() == [2**22 + 1]
    assert family.end() == 0
    assert ContainerFamily(2**22 + 1, "", MarkedProcesses()).end() == 0


def test_the_machine_is_looked_through_twice_a_second_at_most(tmp_path: Path) -> None:
    now_s = time.monotonic()
    marked = MarkedProcesses(lambda: now_s)
    mark = new_mark(tmp_path)
    assert marked.of(mark) == []
    with running(DAEMON, mark) as (process, daemon):
        assert marked.of(mark) == []
        now_s += 0.5
        assert sorted(marked.of(mark)) == sorted([process.pid, daemon])
