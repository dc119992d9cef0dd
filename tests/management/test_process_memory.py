"""Memory of real processes."""

import os
import subprocess
import sys
from collections.abc import Iterator

import psutil
import pytest

from harness.registry_samples import a_version
from harness.wait_until import wait_until
from skysail_management.container_family import ContainerFamily, MarkedProcesses
from skysail_management.container_limits import ContainerLimits
from skysail_management.process_memory import MIB, MemoryWatch, machine_memory_bytes

SHARING = """
import os, time
memory = bytearray(b"x") * (200 << 20)
for _ in range(3):
    if os.fork() == 0:
        break
print("here", flush=True)
time.sleep(300)
"""


@pytest.fixture
def family() -> Iterator[int]:
    """A process of 200 MiB with three children that share all of it."""
    process = subprocess.Popen([sys.executable, "-c", SHARING], stdout=subprocess.PIPE, start_new_session=True)
    assert process.stdout is not None
    for _ in range(4):
        process.stdout.readline()
    wait_until(lambda: len(psutil.Process(process.pid).children()) == 3, "three children")
    yield process.pid
    os.killpg(process.pid, 9)
    process.stdout.close()
    process.wait()


def watch(pid: int, limit_bytes: int) -> MemoryWatch:
    return MemoryWatch(ContainerFamily(pid, "", MarkedProcesses()), limit_bytes)


def test_what_parent_and_children_share_counts_once(family: int) -> None:
    assert watch(family, 500 * MIB).excess() is None
    used = watch(family, 150 * MIB).excess()
    assert used is not None
    assert 200 * MIB <= used <= 400 * MIB


def test_children_count(family: int) -> None:
    alone = psutil.Process(family).memory_info().rss
    assert watch(os.getpid(), alone // 2).excess() is not None
    assert watch(psutil.Process(family).children()[0].pid, 10_000 * MIB).excess() is None


def test_a_process_that_is_gone_takes_nothing() -> None:
    process = subprocess.Popen(["true"])
    process.wait()
    assert watch(process.pid, 0).excess() is None


def test_a_version_without_a_limit_has_that_of_management_or_most_of_the_machine() -> None:
    assert ContainerLimits(100).memory_limit_bytes(a_version(memory_limit_mb=7)) == 7 * MIB
    assert ContainerLimits(100).memory_limit_bytes(a_version()) == 100 * MIB
    whole = machine_memory_bytes()
    assert whole // 2 < ContainerLimits().memory_limit_bytes(a_version()) < whole
