"""Start and end of a container process."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.container_client import ContainerClient, connected, doubles, doubles_of, open_socket
from harness.container_process import (
    ContainerProcess,
    function_folder,
    running_container,
    short_folder,
    source_folder,
    started_container,
)
from harness.wait_until import wait_until
from skysail_container.wire import (
    Health,
    HealthReply,
    Predict,
    Refused,
    Result,
    Statistics,
    StatisticsRequest,
)

SUM = "def predict(rows):\n    return rows.sum(axis=1)\n"
SLOW = """
import time
from pathlib import Path

gate = Path(__file__).with_name("open")

def predict(rows):
    while not gate.exists():
        time.sleep(0.001)
    return rows.sum(axis=1)
"""


@pytest.fixture
def slow(tmp_path: Path) -> Iterator[ContainerProcess]:
    """A container whose model waits until a file `open` stands in its folder."""
    with running_container(source_folder(tmp_path / "model", SLOW), "--drain-timeout-s=80") as container:
        yield container


def wait_until_running(address: str) -> None:
    with connected(address) as client:
        wait_until(lambda: client.ask(StatisticsRequest(), Statistics).values["running"], "a running batch")


def test_sigterm_finishes_what_was_taken_in_refuses_what_is_new_and_exits_with_0(
    slow: ContainerProcess, tmp_path: Path
) -> None:
    socket_path = Path(slow.address.removeprefix("unix:"))
    with connected(slow.address) as client, connected(slow.address) as other:
        client.send(Predict(1, 15_000_000, doubles([[1, 2]])))
        client.send(Predict(2, 15_000_000, doubles([[3, 4]])))
        wait_until_running(slow.address)
        slow.process.send_signal(signal.SIGTERM)
        wait_until(lambda: client_state(other) == "draining", "a draining container")
        assert other.refusal(doubles([[5, 6]])).code == "draining"
        with pytest.raises(ConnectionRefusedError):
            open_socket(slow.address)
        (tmp_path / "model" / "open").touch()
        assert [doubles_of(client.expect(Result).outputs) for _ in range(2)] == [[3.0], [7.0]]
        assert client.is_closed_by_peer()
        assert other.is_closed_by_peer()
    assert slow.wait_exit() == 0
    assert not socket_path.exists()


def client_state(client: ContainerClient) -> str:
    return client.ask(Health(1), HealthReply).state


def test_a_second_sigterm_ends_a_drain_that_takes_too_long(slow: ContainerProcess) -> None:
    with connected(slow.address) as client:
        client.send(Predict(1, 15_000_000, doubles([[1, 2]])))
        wait_until_running(slow.address)
        slow.process.send_signal(signal.SIGTERM)
        slow.wait_for_log("stopping")
        slow.process.send_signal(signal.SIGTERM)
        assert slow.wait_exit() == 1
    assert "batches unanswered" in slow.log


def test_the_drain_timeout_ends_a_drain_that_takes_too_long(tmp_path: Path) -> None:
    folder = source_folder(tmp_path / "model", SLOW)
    with running_container(folder, "--drain-timeout-s=0.3") as container, connected(container.address) as client:
        client.send(Predict(1, 15_000_000, doubles([[1, 2]])))
        wait_until_running(container.address)
        container.process.send_signal(signal.SIGTERM)
        assert container.wait_exit() == 1


def test_a_drain_that_waits_only_for_expired_batches_ends(slow: ContainerProcess, tmp_path: Path) -> None:
    with connected(slow.address) as client:
        client.send(Predict(1, 15_000_000, doubles([[1, 2]])))
        wait_until_running(slow.address)
        client.send(Predict(2, 1_000, doubles([[1, 2]])))
        client.ask(Health(1), HealthReply)
        slow.process.send_signal(signal.SIGTERM)
        slow.wait_for_log("stopping")
        time.sleep(0.01)  # the second batch has a millisecond
        (tmp_path / "model" / "open").touch()
        replies = sorted([client.receive(), client.receive()], key=lambda reply: isinstance(reply, Refused))
        assert isinstance(replies[0], Result)
        assert isinstance(replies[1], Refused)  # before the result, if it took a millisecond to be queued
        assert replies[1].code == "expired"
    assert slow.wait_exit() == 0


def test_sigint_stops_like_sigterm(tmp_path: Path) -> None:
    with running_container(source_folder(tmp_path / "model", SUM)) as container:
        container.process.send_signal(signal.SIGINT)
        assert container.wait_exit() == 0


def test_the_end_of_the_lifeline_stops_the_process_gracefully(tmp_path: Path) -> None:
    read_fd, write_fd = os.pipe()
    try:
        folder = source_folder(tmp_path / "model", SUM)
        with started_container(folder, f"--lifeline-fd={read_fd}", pass_fds=(read_fd,)) as container:
            container.wait_ready()
            os.write(write_fd, b"still here")
            with connected(container.address) as client:
                assert doubles_of(client.predict(doubles([[1, 2]])).outputs) == [3.0]
            os.close(write_fd)
            write_fd = -1
            assert container.wait_exit() == 0
            assert "the supervisor is gone" in container.log
    finally:
        os.close(read_fd)
        if write_fd >= 0:
            os.close(write_fd)


def test_a_stop_while_the_model_is_loading_ends_at_once_with_0(tmp_path: Path) -> None:
    loading = "print('loading', flush=True)\nimport threading\nthreading.Event().wait()\n"
    with started_container(source_folder(tmp_path / "model", loading)) as container:
        container.wait_for_log("loading")
        container.process.send_signal(signal.SIGTERM)
        assert container.wait_exit() == 0


def test_nobody_is_served_before_the_model_is_loaded_and_warm(tmp_path: Path) -> None:
    source = """
import time
from pathlib import Path

gate = Path(__file__).with_name("open")
print("loading", flush=True)

def predict(rows):
    print("called with", rows, flush=True)
    while not gate.exists():
        time.sleep(0.001)
    return [0.0] * len(rows)
"""
    folder = source_folder(tmp_path / "model", source, warm_up_rows=[[1.0, 2.0]])
    with short_folder() as place, started_container(folder, listen=f"unix:{place}/s") as container:
        container.wait_for_log("called with [[1. 2.]]")
        with pytest.raises(ConnectionRefusedError):
            open_socket(f"unix:{place}/s")
        (folder / "open").touch()
        container.wait_ready()
        with connected(container.address) as client:
            assert doubles_of(client.predict(doubles([[1]])).outputs) == [0.0]


@pytest.mark.parametrize(
    ("source", "manifest", "text", "is_traced"),
    [
        ("import not_a_module_of_anyone", {}, "needs the module 'not_a_module_of_anyone'", True),
        ("raise SystemExit(9)", {}, "the model cannot be loaded: SystemExit: 9", True),
        ("predict = 5", {}, "nor a class Model, nor a function predict", False),
        ("def predict(rows): raise ValueError('odd')", {"warm_up_rows": [[1]]}, "row 0: ValueError: odd", False),
        (SUM, {"warm_up_rows": ["x"]}, "skysail.json: warm_up_rows: not rows of input type doubles", True),
        (SUM, {"input_type": "strings"}, "says input type strings and the container is started for doubles", False),
    ],
)
def test_a_model_that_cannot_be_loaded_gives_exit_code_4_its_traceback_and_a_last_line_that_says_why(
    tmp_path: Path, source: str, manifest: dict[str, object], text: str, is_traced: bool
) -> None:
    folder = source_folder(tmp_path / "model", source, **manifest)
    with started_container(folder, "--input-type=doubles") as container:
        assert container.wait_exit() == 4
        assert text in container.log.splitlines()[-1]
        assert ("Traceback" in container.log) == is_traced


def test_another_python_version_is_named_with_what_to_do(tmp_path: Path) -> None:
    folder = function_folder(tmp_path / "model", len, python="2.7")
    with started_container(folder) as container:
        assert container.wait_exit() == 4
        assert "saved by Python 2.7" in container.log
        assert "deploy it again" in container.log


def test_a_taken_address_gives_exit_code_3_and_one_line(tmp_path: Path) -> None:
    folder = source_folder(tmp_path / "model", SUM)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with started_container(folder, listen=f"tcp:127.0.0.1:{port}") as container:
            assert container.wait_exit() == 3
            assert f"tcp:127.0.0.1:{port} is in use by another process" in container.log
            assert container.log.count("\n") == 1
    with running_container(folder) as first, started_container(folder, listen=first.address) as second:
        assert second.wait_exit() == 3
        with connected(first.address) as client:
            assert doubles_of(client.predict(doubles([[1]])).outputs) == [1.0]


def test_a_socket_file_that_a_killed_container_left_behind_is_replaced(tmp_path: Path) -> None:
    folder = source_folder(tmp_path / "model", SUM)
    with short_folder() as place:
        with running_container(folder, listen=f"unix:{place}/s") as killed:
            killed.process.kill()
            killed.process.wait()
        assert (place / "s").exists()
        with running_container(folder, listen=f"unix:{place}/s") as container, connected(container.address):
            assert (place / "s").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("flags", "text"),
    [
        ([], "--model is missing"),
        (["--model=/m"], "--listen is missing"),
        (["--model=/m", "--listen=nowhere"], "'nowhere' is not an address"),
        (["--model=/m", "--listen=unix:/s", "--input-type=vectors"], "'vectors' is not one of integers"),
        (["--model=/m", "--listen=unix:/s", "--lifeline-fd=99"], "file descriptor 99 is not open"),
    ],
)
def test_bad_arguments_give_exit_code_2(flags: list[str], text: str) -> None:
    finished = subprocess.run(
        [sys.executable, "-m", "skysail_container", *flags], capture_output=True, text=True, check=False
    )
    assert finished.returncode == 2
    assert text in finished.stderr


def test_flags_may_come_from_the_environment(tmp_path: Path) -> None:
    folder = source_folder(tmp_path / "model", SUM)
    environment = {"SKYSAIL_NAME": "from-environment", "SKYSAIL_VERSION": "ignored", "SKYSAIL_MAX_FRAME_BYTES": "5000"}
    with started_container(folder, "--version=flag", environment=environment) as container:
        container.wait_ready()
        with connected(container.address, greet=False) as client:
            welcome = client.hello()
    assert (welcome.model, welcome.version, welcome.max_frame_bytes) == ("from-environment", "flag", 5000)


def test_threads_that_a_model_leaves_behind_do_not_keep_the_process_alive(tmp_path: Path) -> None:
    source = SUM + "\nimport threading\nthreading.Thread(target=threading.Event().wait, daemon=False).start()\n"
    with running_container(source_folder(tmp_path / "model", source)) as container:
        container.process.send_signal(signal.SIGTERM)
        assert container.wait_exit() == 0


def test_a_container_without_uvloop_serves_and_stops_the_same_way(tmp_path: Path) -> None:
    (tmp_path / "uvloop.py").write_text("raise ImportError('as if it were not installed')\n")
    environment = {"PYTHONPATH": str(tmp_path)}
    with started_container(source_folder(tmp_path / "model", SUM), environment=environment) as container:
        container.wait_ready()
        with connected(container.address) as client:
            assert doubles_of(client.predict(doubles([[1, 2]])).outputs) == [3.0]
            container.process.send_signal(signal.SIGTERM)
            assert client.is_closed_by_peer()
        assert container.wait_exit() == 0


def test_the_report_file_is_there_once_the_model_serves_and_has_what_loading_noted(tmp_path: Path) -> None:
    source = SUM + (
        "from skysail_container.load_report import report\n"
        "report.served_by = 'plain Python'\n"
        "report.note('one thing')\n"
        "report.note('one thing')\n"
    )
    path = tmp_path / "report.json"
    with running_container(source_folder(tmp_path / "model", source), f"--report-file={path}"):
        written = json.loads(path.read_text())
        assert written.pop("load_s") >= 0
        assert written == {"served_by": "plain Python", "notes": ["one thing"]}
        assert [entry.name for entry in tmp_path.iterdir() if "draft" in entry.name] == []


def test_a_report_file_that_cannot_be_written_does_not_keep_the_model_from_serving(tmp_path: Path) -> None:
    path = tmp_path / "no-such-folder" / "report.json"
    with running_container(source_folder(tmp_path / "model", SUM), f"--report-file={path}") as container:
        assert "the report of the loading cannot be written" in container.log
