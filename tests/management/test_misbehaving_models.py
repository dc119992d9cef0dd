"""Models that do what no model should, under the real management: one replica suffers, and it is told in words."""

import json
import os
import re
import signal
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import psutil
import pytest

from harness.container_client import connected, doubles, doubles_of
from harness.management_server import ManagementServer, wait_until
from harness.model_archives import archive_of, model_archive
from harness.redis_server import RedisServer
from skysail_container.wire import Predict

MODEL = """
import ctypes, os, threading, time
import numpy as np

libc = ctypes.PyDLL(None)  # its calls keep the interpreter lock

def leave():
    os._exit(11)

def block():
    threading.Event().wait()

def hold_the_lock():
    libc.sleep(600)

def take_memory():
    hoard = []
    while True:
        hoard.append(np.ones(1 << 22))  # 32 MiB
        time.sleep(0.02)

def crash():
    ctypes.string_at(0)

def fork_and_leave():
    if os.fork() == 0:
        threading.Event().wait()
    os._exit(12)

def fork_hoarders():
    if os.fork() == 0:
        take_memory()
    threading.Event().wait()

def in_a_session_of_its_own(do):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            print("daemon", os.getpid(), flush=True)
            do()
        os._exit(0)
    os.wait()

def become_daemon():
    in_a_session_of_its_own(lambda: os.execlp("sleep", "sleep", "300"))

def hoard_as_daemon():
    in_a_session_of_its_own(take_memory)

COMMANDS = (
    leave, block, hold_the_lock, take_memory, crash, fork_and_leave, fork_hoarders, become_daemon, hoard_as_daemon
)

def predict(rows):
    for row in rows:
        if row[0] < 0:
            COMMANDS[-int(row[0]) - 1]()
    return rows.sum(axis=1)
"""
LEAVE, BLOCK, HOLD_THE_LOCK, TAKE_MEMORY, CRASH, FORK_AND_LEAVE, FORK_HOARDERS = range(-1, -8, -1)
BECOME_DAEMON, HOARD_AS_DAEMON = -8, -9
FLAGS = ("--batch-limit-s=1", "--memory-limit-mb=400")


@pytest.fixture
def management(redis_server: RedisServer) -> Iterator[ManagementServer]:
    with ManagementServer(redis_server.url, *FLAGS) as server:
        yield server


def version_of(management: ManagementServer, version: str = "1") -> Any:
    return management.get(f"/api/v1/models/m/versions/{version}")


def deploy_two(management: ManagementServer) -> list[Any]:
    """The misbehaving model with two replicas; both, ready."""
    archive = model_archive(MODEL)
    management.deploy(archive.body, archive.sha256, n_replicas=2)

    def both() -> Any:
        replicas = version_of(management)["replicas"]
        return replicas if [replica["state"] for replica in replicas] == ["ready", "ready"] else None

    return wait_until(both, what="two ready replicas")


def answers(address: str) -> bool:
    with connected(address) as client:
        return doubles_of(client.predict(doubles([[1, 2]])).outputs) == [3.0]


def log_of(management: ManagementServer, replica_id: int, version: str = "1") -> str:
    return management.request("GET", f"/api/v1/replicas/m/{version}/{replica_id}/logs").text


@pytest.mark.parametrize(
    ("command", "reason", "logged"),
    [
        (LEAVE, "exit status 11: its model ended the process", ""),
        (BLOCK, "exit status 6: its model was blocked: one batch took longer", "in block"),
        (HOLD_THE_LOCK, "its model was blocked: it kept the interpreter lock", "in hold_the_lock"),
        (TAKE_MEMORY, "over its memory limit of 400 MB (it had ", ""),
        (CRASH, "crashed in native code (SIGSEGV): its log has the stack", "in crash"),
    ],
)
def test_a_replica_that_its_model_ends_is_started_again_while_the_other_answers(
    management: ManagementServer, command: int, reason: str, logged: str
) -> None:
    first, second = deploy_two(management)
    is_blocking = command in (BLOCK, HOLD_THE_LOCK)  # until its deadline a batch is waited for
    with connected(first["address"]) as client:
        client.send(Predict(1, 200_000 if is_blocking else 60_000_000, doubles([[command, 0]])))
        assert client.is_closed_by_peer()
    assert answers(second["address"])

    def restarted() -> Any:
        found = version_of(management)
        replica = found["replicas"][0]
        return found if replica["state"] == "ready" and replica["pid"] != first["pid"] else None

    version = wait_until(restarted, what="another container")
    lost, kept = version["replicas"]
    assert (lost["restarts"], kept["pid"]) == (1, second["pid"])
    assert reason in lost["reason"]
    assert (version["state"], version["reason"]) == ("ready", lost["reason"])
    assert answers(lost["address"])
    lines = log_of(management, 0).splitlines()
    assert all(line.startswith("m:1/0 | ") for line in lines)
    assert any(" skysail: " in line and reason in line for line in lines)
    assert any(logged in line for line in lines)


def test_a_replica_that_fails_again_and_again_waits_longer_each_time(management: ManagementServer) -> None:
    archive = model_archive(MODEL)
    management.deploy(archive.body, archive.sha256)
    for n_restarts in range(3):
        (replica,) = management.wait_for_state("ready")["replicas"]
        assert replica["restarts"] == n_restarts
        with connected(replica["address"]) as client:
            client.send(Predict(1, 60_000_000, doubles([[LEAVE, 0]])))
            assert client.is_closed_by_peer()
        waiting = management.wait_for_state("starting")
        assert "its model ended the process" in waiting["reason"]
    assert management.wait_for_state("ready")["replicas"][0]["restarts"] == 3


@pytest.mark.parametrize(
    ("command", "reason"), [(FORK_AND_LEAVE, "exit status 12"), (FORK_HOARDERS, "over its memory limit of 400 MB")]
)
def test_what_a_model_forked_ends_with_its_container(management: ManagementServer, command: int, reason: str) -> None:
    archive = model_archive(MODEL)
    management.deploy(archive.body, archive.sha256)
    (replica,) = management.wait_for_state("ready")["replicas"]
    with connected(replica["address"]) as client:
        client.send(Predict(1, 60_000_000, doubles([[command, 0]])))
        assert client.is_closed_by_peer()
    wait_until(lambda: version_of(management)["replicas"][0]["restarts"] == 1, what="its end")
    assert reason in version_of(management)["replicas"][0]["reason"]
    wait_until(lambda: not living_members(replica["pid"]), what="the end of the process group")


def living_members(group: int) -> list[int]:
    found = []
    for process in psutil.process_iter(["status"]):
        with suppress(ProcessLookupError):
            if os.getpgid(process.pid) == group and process.info["status"] != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
    return found


def daemon_of(management: ManagementServer, command: int = BECOME_DAEMON) -> tuple[Any, int]:
    """A ready replica, and what its model forked twice and put into a session of its own; that goes on."""
    archive = model_archive(MODEL)
    management.deploy(archive.body, archive.sha256)
    (replica,) = management.wait_for_state("ready")["replicas"]
    with connected(replica["address"]) as client:
        client.send(Predict(1, 60_000_000, doubles([[command, 0]])))
        match = wait_until(lambda: re.search(r"daemon (\d+)", log_of(management, 0)), what="a daemon")
    pid = int(match[1])
    assert os.getsid(pid) not in (replica["pid"], os.getsid(0))
    return replica, pid


def is_gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


@pytest.mark.parametrize("end", ["stopped", "killed", "deleted", "management stopped"])
def test_what_a_model_put_into_a_session_of_its_own_ends_with_its_container(
    management: ManagementServer, end: str
) -> None:
    replica, pid = daemon_of(management)
    match end:
        case "stopped":
            assert management.request("PATCH", "/api/v1/models/m/versions/1", json={"n_replicas": 0}).ok
        case "killed":
            os.kill(replica["pid"], signal.SIGKILL)
        case "deleted":
            assert management.request("DELETE", "/api/v1/models/m/versions/1").ok
        case _:
            management.stop()
    wait_until(lambda: is_gone(replica["pid"]), what="the container's end")
    wait_until(lambda: is_gone(pid), limit_s=2, what="the end of what it left behind")


def test_what_it_put_into_a_session_of_its_own_outlives_management_only_with_its_container(
    management: ManagementServer,
) -> None:
    replica, pid = daemon_of(management)
    management.kill()
    management.start()
    assert management.wait_for_state("ready")["replicas"][0]["pid"] == replica["pid"], "it was adopted"
    assert not is_gone(pid)
    management.kill()
    os.kill(replica["pid"], signal.SIGKILL)
    management.start()
    wait_until(lambda: is_gone(pid), limit_s=5, what="the end of what it left behind")
    wait_until(lambda: "processes that containers left behind" in management.log(), what="words about it")


def test_memory_counts_whatever_session_it_is_taken_in(management: ManagementServer) -> None:
    _, pid = daemon_of(management, HOARD_AS_DAEMON)
    wait_until(lambda: version_of(management)["replicas"][0]["restarts"] == 1, what="the container's end")
    assert "over its memory limit of 400 MB" in version_of(management)["replicas"][0]["reason"]
    assert is_gone(pid)


def test_a_version_has_a_memory_limit_of_its_own(management: ManagementServer) -> None:
    archive = model_archive(MODEL)
    management.deploy(archive.body, archive.sha256, memory_limit_mb=5)
    version = management.wait_for_state("failed")
    assert "the container was over its memory limit of 5 MB (it had " in version["reason"]


def test_a_version_that_cannot_be_loaded_fails_at_once_with_its_traceback_and_the_old_one_goes_on(
    management: ManagementServer,
) -> None:
    good, bad = model_archive(MODEL), model_archive("def helper():\n    raise OSError('no such tree')\n\nhelper()\n")
    management.deploy(good.body, good.sha256)
    (replica,) = management.wait_for_state("ready")["replicas"]
    management.deploy(bad.body, bad.sha256, version="2", n_replicas=2)
    failed = management.wait_for_state("failed", version="2")
    assert "exit status 4: its model cannot be loaded" in failed["reason"].splitlines()[0]
    assert "in helper" in failed["reason"]
    assert "OSError: no such tree" in failed["reason"]
    wait_until(lambda: version_of(management, "2")["replicas"] == [], what="the end of its containers")
    model = management.get("/api/v1/models/m")
    assert (model["current_version"], model["next_version"]) == ("1", None)
    assert version_of(management)["replicas"] == [replica]
    assert answers(replica["address"])
    logs = [log_of(management, replica_id, "2") for replica_id in (0, 1)]
    assert any("in helper" in log for log in logs), logs  # the other one may have been ended before it came so far
    management.stop()
    management.start()
    management.wait_for_state("ready")
    assert version_of(management, "2")["reason"] == failed["reason"], "it is not tried again"


def test_a_first_version_becomes_current_when_it_is_ready_with_what_its_loading_told(
    management: ManagementServer,
) -> None:
    source = MODEL + (
        "\nfrom skysail_container.load_report import report\n"
        "report.served_by = 'a library of the test'\n"
        "report.note('a remark')\n"
    )
    archive = model_archive(source)
    management.deploy(archive.body, archive.sha256)
    assert management.get("/api/v1/models/m")["current_version"] is None
    version = management.wait_for_state("ready")
    assert (version["is_current"], version["served_by"], version["notes"]) == (
        True,
        "a library of the test",
        ["a remark"],
    )


def test_a_version_whose_validation_rows_do_not_pass_is_never_current(management: ManagementServer) -> None:
    rows = [{"input": [1.0, 2.0], "output": 3.0}, {"input": [1.0, 2.0], "output": 4.0}]
    files = {"model.py": MODEL, "validation.jsonl": "\n".join(json.dumps(row) for row in rows)}
    archive = archive_of(files)
    management.deploy(archive.body, archive.sha256)
    failed = management.wait_for_state("failed")
    assert "does not pass its validation rows" in failed["reason"].splitlines()[0]
    assert management.get("/api/v1/models/m")["current_version"] is None
