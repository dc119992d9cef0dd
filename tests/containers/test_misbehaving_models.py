"""Models that do what no model should, each in a real container: what becomes of it, of its clients and of its log."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from harness.container_client import connected, doubles, doubles_of
from harness.container_process import ContainerProcess, running_container, source_folder, started_container
from harness.wait_until import wait_until
from skysail_container.process_group import MARK
from skysail_container.wire import Predict, Result

SUM = "def predict(rows):\n    return rows.sum(axis=1)\n"

COMMANDED = """
import ctypes, multiprocessing, os, signal, sys, threading, time
import numpy as np
from pathlib import Path

folder = Path(__file__).parent
libc = ctypes.PyDLL(None)  # its calls keep the interpreter lock

def give_back_too_few(rows):
    return rows.sum(axis=1)[:-1]

def give_back_another_type(rows):
    return [object() for row in rows]

def raise_for_one(rows):
    if (rows[:, 0] == 13).any():
        raise ValueError("thirteen")
    return rows.sum(axis=1)

def leave_politely(rows):
    sys.exit("I am done")

def leave_at_once(rows):
    os._exit(11)

def print_much(rows):
    for n in range(1000):
        print("printed", n)
    sys.stdout.write("and written, without a line's end")
    return rows.sum(axis=1)

def fork_and_stay(rows):
    pid = os.fork()
    if pid == 0:
        (folder / "child").write_text(str(os.getpid()))
        threading.Event().wait()
    return rows.sum(axis=1)

def become_daemon(rows):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            (folder / "child").write_text(str(os.getpid()))
            threading.Event().wait()
        os._exit(0)
    os.wait()
    return rows.sum(axis=1)

def fork_and_come_back(rows):
    if os.fork() == 0:
        (folder / "child").write_text(str(os.getpid()))
    return rows.sum(axis=1)

def fork_and_raise(rows):
    if os.fork() == 0:
        with (folder / "children").open("a") as file:
            file.write("x")
        raise ValueError("in the child")
    return rows.sum(axis=1)

def fork_and_terminate(rows):
    child = multiprocessing.get_context("fork").Process(target=threading.Event().wait)
    child.start()
    child.terminate()
    child.join()
    return rows.sum(axis=1) + child.exitcode

def leak_threads(rows):
    for _ in range(100):
        threading.Thread(target=threading.Event().wait, name="leaked", daemon=True).start()
    return rows.sum(axis=1)

def block(rows):
    threading.Event().wait()

def take_long(rows):
    time.sleep(3)
    return rows.sum(axis=1)

def hold_the_lock(rows):
    libc.sleep(600)

def crash(rows):
    ctypes.string_at(0)

def abort(rows):
    os.abort()

def predict(rows):
    return {do}(rows)
"""


@contextmanager
def model_that(does: str, folder: Path, *flags: str) -> Iterator[ContainerProcess]:
    source = COMMANDED.replace("{do}", does)
    with running_container(source_folder(folder / "model", source), *flags) as container:
        yield container


def still_answers(container: ContainerProcess) -> bool:
    with connected(container.address) as client:
        return doubles_of(client.predict(doubles([[1, 2], [3, 4]])).outputs) == [3.0, 7.0]


@pytest.mark.parametrize(
    ("does", "text"),
    [
        ("give_back_too_few", "1 outputs for 2 rows"),
        ("give_back_another_type", "object"),
        ("leave_politely", "SystemExit: I am done"),
    ],
)
def test_rows_whose_model_does_wrong_fail_with_words_and_the_container_serves_on(
    tmp_path: Path, does: str, text: str
) -> None:
    with model_that(does, tmp_path) as container, connected(container.address) as client:
        for batch_id in (1, 2):
            errors = client.predict(doubles([[1, 2], [3, 4]]), batch_id).errors
            assert errors is not None
            assert sorted(errors) == [0, 1]
            assert text in errors[0]
        container.wait_for_log(text)
        assert container.process.poll() is None


def test_a_row_that_makes_the_model_raise_fails_alone(tmp_path: Path) -> None:
    with model_that("raise_for_one", tmp_path) as container, connected(container.address) as client:
        result = client.predict(doubles([[1, 2], [13, 0], [5, 6]]))
        assert list((result.errors or {}).items()) == [(1, "ValueError: thirteen")]
        outputs = doubles_of(result.outputs)
        assert (outputs[0], outputs[2]) == (3.0, 11.0)
        container.wait_for_log("1 of 3 rows failed in a batch, row 1 with: ValueError: thirteen")


def test_a_model_that_ends_its_process_loses_its_clients_at_once_and_nothing_else(tmp_path: Path) -> None:
    with model_that("leave_at_once", tmp_path) as container, connected(container.address) as client:
        client.send(Predict(1, 15_000_000, doubles([[1, 2]])))
        assert client.is_closed_by_peer()
        assert container.wait_exit() == 11


def test_what_a_model_prints_is_in_its_log_and_not_in_its_answers(tmp_path: Path) -> None:
    with model_that("print_much", tmp_path) as container, connected(container.address) as client:
        assert doubles_of(client.predict(doubles([[1, 2]])).outputs) == [3.0]
        container.wait_for_log("printed 999")
        container.process.send_signal(signal.SIGTERM)
        assert container.wait_exit() == 0
        assert "and written, without a line's end" in container.log


@contextmanager
def child_of(folder: Path) -> Iterator[psutil.Process]:
    """The process that the model forked and whose number stands in its folder."""
    path = folder / "model" / "child"
    wait_until(lambda: path.exists() and path.read_text(), "a forked process")
    child = psutil.Process(int(path.read_text()))
    try:
        yield child
    finally:
        child.kill()


def test_a_forked_child_that_outlives_its_container_holds_no_socket_of_it(tmp_path: Path) -> None:
    with model_that("fork_and_stay", tmp_path) as container, connected(container.address) as client:
        assert doubles_of(client.predict(doubles([[1, 2]])).outputs) == [3.0]
        with child_of(tmp_path) as child:
            assert [c for c in child.net_connections("unix") if c.laddr] == []  # the event loop's own have no name
            container.process.kill()
            assert client.is_closed_by_peer(), "the child must not keep the client waiting"
            assert child.is_running()
            container.wait_exit()


def test_a_forked_child_that_comes_back_from_the_model_is_ended_and_its_parent_answers(tmp_path: Path) -> None:
    with model_that("fork_and_come_back", tmp_path) as container, connected(container.address) as client:
        for batch_id in range(1, 20):
            assert doubles_of(client.predict(doubles([[1, 2]]), batch_id).outputs) == [3.0]
        container.wait_for_log("a process that the model forked came back")
        forked = psutil.Process(container.process.pid).children
        wait_until(lambda: all(p.status() == psutil.STATUS_ZOMBIE for p in forked()), "the end of the forked")
        assert doubles_of(client.predict(doubles([[1, 2]]), 20).outputs) == [3.0]


def test_a_forked_child_that_raises_does_not_look_for_the_guilty_row(tmp_path: Path) -> None:
    with model_that("fork_and_raise", tmp_path) as container, connected(container.address) as client:
        rows = doubles([[float(n)] for n in range(8)])
        assert client.predict(rows).errors is None
        container.wait_for_log("a process that the model forked came back")
        assert (tmp_path / "model" / "children").read_text() == "x"


def test_a_signal_to_a_forked_child_does_not_stop_the_container(tmp_path: Path) -> None:
    with model_that("fork_and_terminate", tmp_path) as container, connected(container.address) as client:
        for batch_id in (1, 2):
            answer = client.predict(doubles([[1, 2]]), batch_id)
            assert doubles_of(answer.outputs) == [3.0 - signal.SIGTERM]
        assert "stopping" not in container.log


@pytest.mark.parametrize("does", ["fork_and_stay", "become_daemon"])
def test_what_a_model_left_running_ends_with_a_container_that_leads_its_group(tmp_path: Path, does: str) -> None:
    source, mark = COMMANDED.replace("{do}", does), {MARK: str(tmp_path)}
    folder = source_folder(tmp_path / "model", source)
    with started_container(folder, is_leader=True, environment=mark) as container:
        container.wait_ready()
        with connected(container.address) as client:
            client.predict(doubles([[1, 2]]))
            with child_of(tmp_path) as child:
                container.process.send_signal(signal.SIGTERM)
                assert container.wait_exit() == 0
                wait_until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE, "its end")
        assert "ended 1 processes that the model left behind" in container.log


def test_a_model_that_leaks_threads_is_named_in_the_log_and_serves_on(tmp_path: Path) -> None:
    with model_that("leak_threads", tmp_path, "--batch-limit-s=5") as container:
        assert still_answers(container)
        container.wait_for_log("the model may start threads that never end (the newest of Python's: 'leaked'")
        assert still_answers(container)


def test_a_model_that_blocks_for_ever_ends_its_process_with_6_and_its_stack_in_the_log(tmp_path: Path) -> None:
    with model_that("block", tmp_path, "--batch-limit-s=0.5") as container, connected(container.address) as client:
        client.send(Predict(1, 1_000_000, doubles([[1, 2]])))
        assert client.is_closed_by_peer()
        assert container.wait_exit() == 6
        assert "in block" in container.log
        assert "the model has been busy with one batch for" in container.log.splitlines()[-1]


def test_a_batch_that_takes_long_is_waited_for_until_its_deadline(tmp_path: Path) -> None:
    with model_that("take_long", tmp_path, "--batch-limit-s=0.5") as container, connected(container.address) as client:
        result = client.ask(Predict(1, 60_000_000, doubles([[1, 2]])), Result)
        assert doubles_of(result.outputs) == [3.0]
        assert container.process.poll() is None


def test_a_model_that_keeps_the_interpreter_lock_is_ended_all_the_same(tmp_path: Path) -> None:
    with model_that("hold_the_lock", tmp_path, "--batch-limit-s=1") as container:
        with connected(container.address) as client:
            client.send(Predict(1, 500_000, doubles([[1, 2]])))
            assert client.is_closed_by_peer()
        assert container.wait_exit() == 1
        assert "Timeout (0:00:01" in container.log
        assert "in hold_the_lock" in container.log


@pytest.mark.parametrize(
    ("does", "number", "text"),
    [
        ("crash", signal.SIGSEGV, "Fatal Python error: Segmentation fault"),
        ("abort", signal.SIGABRT, "Fatal Python error: Aborted"),
    ],
)
def test_a_crash_in_native_code_leaves_the_stack_in_the_log(
    tmp_path: Path, does: str, number: signal.Signals, text: str
) -> None:
    with model_that(does, tmp_path) as container, connected(container.address) as client:
        client.send(Predict(1, 15_000_000, doubles([[1, 2]])))
        assert client.is_closed_by_peer()
        assert container.wait_exit() == -number
        assert text in container.log
        assert f"in {does}" in container.log


def test_a_model_that_forks_while_it_loads_and_comes_back_is_ended_in_the_child(tmp_path: Path) -> None:
    source = f"import os\npid = os.fork()\n{SUM}"
    with running_container(source_folder(tmp_path / "model", source)) as container:
        container.wait_for_log("a process that the model forked came back")
        with connected(container.address) as client:
            assert doubles_of(client.predict(doubles([[1, 2]])).outputs) == [3.0]
        os.kill(container.process.pid, signal.SIGTERM)
        assert container.wait_exit() == 0
