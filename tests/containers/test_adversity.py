"""Clients that misbehave: each loses its own connection at most, and costs the container nothing."""

import os
import random
import signal
import socket
import struct
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from harness.container_client import ContainerClient, connected, doubles, doubles_of, open_socket
from harness.container_process import ContainerProcess, running_container, source_folder
from harness.wait_until import wait_until
from skysail_container.wire import (
    Cancel,
    Dense,
    Health,
    HealthReply,
    Hello,
    Predict,
    ProtocolError,
    Refused,
    Result,
    Statistics,
    StatisticsRequest,
    Welcome,
    encode,
)

pytestmark = pytest.mark.xdist_group("containers-adversity")  # one worker starts the containers that they share

LARGE_OUTPUTS = """
import numpy as np

def predict(rows):
    return np.full((len(rows), int(rows[0][0])), 1.0)
"""
MIB = 1024 * 1024


@pytest.fixture(scope="module")
def container(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ContainerProcess]:
    """Answers each row with as many ones as the first row's number says; takes frames of 1 MiB."""
    folder = source_folder(tmp_path_factory.mktemp("model"), LARGE_OUTPUTS)
    flags = (f"--max-frame-bytes={MIB}", f"--max-outgoing-bytes={4 * MIB}")
    with running_container(folder, *flags) as process:
        yield process


@pytest.fixture(params=["unix", "tcp"])
def address(request: pytest.FixtureRequest) -> str:
    """The address of a container on either kind of socket."""
    name = "container" if request.param == "unix" else "tcp_container"
    container: ContainerProcess = request.getfixturevalue(name)
    return container.address


@pytest.fixture(scope="module")
def tcp_container(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ContainerProcess]:
    folder = source_folder(tmp_path_factory.mktemp("model"), LARGE_OUTPUTS)
    with running_container(folder, f"--max-frame-bytes={MIB}", listen="tcp:127.0.0.1:0") as process:
        yield process


def statistics(address: str) -> dict[str, int | float]:
    with connected(address) as client:
        return dict(client.ask(StatisticsRequest(), Statistics).values)


def assert_serves(client: ContainerClient) -> None:
    assert doubles_of(client.predict(doubles([[1]])).outputs) == [1.0]


@pytest.mark.parametrize(
    ("sent", "code", "text"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "frame_too_large", "over the limit"),
        (b"\x00\x00\x00\x00", "malformed", "empty"),
        (b"\x00\x00\x00\x01\xc1", "malformed", "frame"),
        (b"\x00\x10\x00\x01", "frame_too_large", "over the limit of 1048576 bytes"),
        (b"\x00\x00\x00\x03\x93\x01\x02", "unsupported_version", "this side speaks 1"),
        (b"\x00\x00\x00\x02\x91\x06", "unexpected", "HELLO comes first"),
        (encode(Hello(1, "a")) * 2, "unexpected", "HELLO comes first and only once"),
        (encode(Hello(1, "a")) + b"\x00\x00\x00\x0a" + b"\xdd\x00\xff\xff\xff" * 2, "malformed", "frame"),
    ],
)
def test_a_broken_protocol_gets_an_error_frame_and_a_closed_connection_of_its_own(
    address: str, sent: bytes, code: str, text: str
) -> None:
    with connected(address) as neighbour:
        with connected(address, greet=False) as broken:
            broken.sock.sendall(sent)
            error = broken.receive()
            if isinstance(error, Welcome):
                error = broken.receive()
            assert isinstance(error, ProtocolError)
            assert error.code == code
            assert text in error.text
            assert broken.is_closed_by_peer()
        assert_serves(neighbour)


@pytest.mark.parametrize(
    "broken", [b"\x00\x00\x00\x01\xc1", encode(Hello(1, "again"))], ids=["malformed", "unexpected"]
)
def test_what_comes_after_a_broken_frame_is_not_acted_on(container: ContainerProcess, broken: bytes) -> None:
    batches = statistics(container.address)["batches"]
    with connected(container.address) as client:
        predict = encode(Predict(1, 1_000_000, doubles([[1]])))
        client.sock.sendall(broken + predict * 100)
        client.expect(ProtocolError)
        client.sock.sendall(predict * 100)
        assert client.is_closed_by_peer()
    assert statistics(container.address)["batches"] == batches


def test_an_error_from_the_client_closes_its_connection(container: ContainerProcess) -> None:
    with connected(container.address) as client:
        client.send(ProtocolError("malformed", "what was that?"))
        assert client.is_closed_by_peer()


def test_announced_frames_that_never_come_cost_no_memory(container: ContainerProcess) -> None:
    process = psutil.Process(container.process.pid)
    sockets = [open_socket(container.address) for _ in range(50)]
    try:
        before_bytes = process.memory_info().rss
        for sock in sockets:
            sock.sendall(encode(Hello(1, "a")) + b"\x00\x10\x00\x00" + b"\xdd\x00\xff\xff\xff")
        assert statistics(container.address)["connections"] >= 51
        assert process.memory_info().rss - before_bytes < 10 * MIB
    finally:
        for sock in sockets:
            sock.close()


def test_a_storm_of_hostile_frames_leaves_memory_flat(container: ContainerProcess) -> None:
    process = psutil.Process(container.process.pid)
    hostile = b"\x94\x02\x01\x01" + b"\xdd\x00\xff\xff\xff" * 10_000
    frame = struct.pack(">I", len(hostile)) + hostile

    def attack() -> None:
        with connected(container.address) as client:
            client.sock.sendall(frame)
            client.expect(ProtocolError)

    attack()
    before_bytes = process.memory_info().rss
    for _ in range(50):
        attack()
    assert process.memory_info().rss - before_bytes < 10 * MIB


def test_a_frame_sent_byte_by_byte_is_served(address: str) -> None:
    with connected(address) as client:
        for byte in encode(Predict(1, 10_000_000, doubles([[1]]))):
            client.sock.sendall(bytes([byte]))
        assert doubles_of(client.expect(Result).outputs) == [1.0]


def test_a_frame_as_long_as_the_limit_is_served(address: str) -> None:
    width = (MIB - 100) // 8
    with connected(address) as client:
        result = client.predict(Dense("<f8", (1, width), struct.pack("<d", 1.0) + bytes(8 * width - 8)))
    assert doubles_of(result.outputs) == [1.0]


def test_outputs_that_do_not_fit_into_a_frame_are_refused_with_the_limit(container: ContainerProcess) -> None:
    with connected(container.address) as client:
        refused = client.refusal(doubles([[MIB / 8 + 1]]))
        assert refused.code == "bad_rows"
        assert "over the limit of 1048576 bytes" in refused.text
        assert_serves(client)


def test_a_client_that_does_not_read_is_closed_once_its_replies_are_too_many(container: ContainerProcess) -> None:
    process = psutil.Process(container.process.pid)
    before_bytes = process.memory_info().rss
    with connected(container.address) as client, connected(container.address) as neighbour:
        request = doubles([[100_000]])
        for batch_id in range(20):  # 20 replies of 800 kB, and 4 MiB are kept
            client.send(Predict(batch_id, 15_000_000, request))
        container.wait_for_log("the client does not read: more than 4194304 bytes")
        assert_serves(neighbour)
    assert process.memory_info().rss - before_bytes < 24 * MIB


def test_replies_larger_than_the_sockets_buffers_arrive_whole_and_in_order(address: str) -> None:
    with connected(address) as client:
        request = doubles([[100_000]])
        for batch_id in range(4):
            client.send(Predict(batch_id, 15_000_000, request))
        results = [client.expect(Result) for _ in range(4)]
    assert [result.batch_id for result in results] == [0, 1, 2, 3]
    assert all(doubles_of(result.outputs) == [1.0] * 100_000 for result in results)


def test_a_client_that_hangs_up_takes_its_waiting_batches_with_it(tmp_path: Path) -> None:
    source = """
import time
from pathlib import Path

gate = Path(__file__).with_name("open")

def predict(rows):
    while not gate.exists():
        time.sleep(0.001)
    return rows.sum(axis=1)
"""
    folder = source_folder(tmp_path / "model", source)
    with running_container(folder) as container, connected(container.address) as other:
        with connected(container.address) as client:
            for batch_id in range(5):
                client.send(Predict(batch_id, 15_000_000, doubles([[1]])))
            wait_until(lambda: statistics(container.address)["running"], "a running batch")
        wait_until(lambda: statistics(container.address)["abandoned"] == 4, "4 abandoned batches")
        (folder / "open").touch()
        assert doubles_of(other.predict(doubles([[1, 2]])).outputs) == [3.0]
        assert statistics(container.address)["batches"] == 2


def test_a_half_closed_connection_counts_as_closed(container: ContainerProcess) -> None:
    with connected(container.address) as client:
        client.sock.shutdown(socket.SHUT_WR)
        assert client.is_closed_by_peer()


KILLED_CLIENT = """
import sys, time
from harness.container_client import ContainerClient, doubles, open_socket
from skysail_container.wire import Predict

client = ContainerClient(open_socket(sys.argv[1]))
client.hello()
client.send(Predict(1, 15_000_000, doubles([[100_000]])))
client.sock.sendall(b"\\x00\\x00\\xff\\xff half of a frame")
print("sent", flush=True)
time.sleep(60)
"""


def test_a_client_that_is_killed_in_the_middle_of_a_frame_is_forgotten(address: str) -> None:
    def is_alone() -> bool:
        return statistics(address)["connections"] == 1  # the one that asks

    wait_until(is_alone, "the connections of earlier tests to be forgotten")
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
    with subprocess.Popen(
        [sys.executable, "-c", KILLED_CLIENT, address], stdout=subprocess.PIPE, env=environment
    ) as client:
        assert client.stdout is not None
        assert client.stdout.readline() == b"sent\n"
        client.send_signal(signal.SIGKILL)
    wait_until(is_alone, "the connection to be forgotten")


def test_a_client_that_resets_before_its_last_bytes_are_read_is_forgotten(tcp_container: ContainerProcess) -> None:
    address = tcp_container.address
    wait_until(lambda: statistics(address)["connections"] == 1, "the connections of earlier tests to be forgotten")
    with connected(address) as client:
        tcp_container.process.send_signal(signal.SIGSTOP)
        client.sock.sendall(b"\x00\x00\xff\xff half of a frame")
        client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # close resets
    tcp_container.process.send_signal(signal.SIGCONT)
    wait_until(lambda: statistics(address)["connections"] == 1, "the connection to be forgotten", timeout_s=5)


def test_strangers_without_a_hello_and_frames_without_an_end_are_closed_in_time(tmp_path: Path) -> None:
    folder = source_folder(tmp_path / "model", LARGE_OUTPUTS)
    flags = ("--hello-timeout-s=0.2", "--frame-timeout-s=0.2")
    with running_container(folder, *flags) as container:
        with connected(container.address, greet=False) as stranger:
            error = stranger.expect(ProtocolError)
            assert (error.code, error.text) == ("timeout", "HELLO did not come within 0.2 seconds")
            assert stranger.is_closed_by_peer()
        with connected(container.address) as idle, connected(container.address) as slow:
            slow.sock.sendall(b"\x00\x00\x00\xff part of a frame")
            error = slow.expect(ProtocolError)
            assert (error.code, error.text) == ("timeout", "the rest of a frame did not come within 0.2 seconds")
            assert_serves(idle)  # a greeted client may be silent between frames for as long as it likes


def test_connections_beyond_the_limit_are_closed_at_once(tmp_path: Path) -> None:
    folder = source_folder(tmp_path / "model", LARGE_OUTPUTS)
    with running_container(folder, "--max-connections=2") as container:
        with connected(container.address) as one, connected(container.address):
            with connected(container.address, greet=False) as third:
                assert third.sock.recv(1) == b""
            assert_serves(one)
        with connected(container.address) as later:
            assert_serves(later)


def test_a_reply_leaves_while_the_next_batch_keeps_the_interpreter_busy(tmp_path: Path) -> None:
    source = """
from pathlib import Path

gate = Path(__file__).with_name("open")

def predict(rows):
    while rows[0][0] and not gate.exists():
        pass
    return [0.0] * len(rows)
"""
    folder = source_folder(tmp_path / "model", source)
    with running_container(folder) as container, connected(container.address) as client:
        client.send(Predict(1, 15_000_000, doubles([[0]])))
        client.send(Predict(2, 15_000_000, doubles([[1]])))
        assert client.expect(Result).batch_id == 1
        assert client.ask(Health(5), HealthReply) == HealthReply(5, "ok")
        (folder / "open").touch()
        assert client.expect(Result).batch_id == 2


def test_time_is_up_on_arrival_for_a_batch_without_time(container: ContainerProcess) -> None:
    with connected(container.address) as client:
        assert client.ask(Predict(1, 0, doubles([[1]])), Refused).code == "expired"


def answers_of(address: str, seed: int, n_batches: int) -> Counter[int]:
    """Sends batches of all fates over one connection, some cancelled, and counts the replies by batch."""
    chance = random.Random(seed)
    answers: Counter[int] = Counter()
    with connected(address) as client:
        for batch_id in range(n_batches):
            time_left_us = chance.choice([0, 100, 1_000, 15_000_000])
            width = chance.choice([1, 1, 5, 500])
            client.send(Predict(batch_id, time_left_us, doubles([[width] + [0.0] * chance.randrange(20)])))
            if chance.random() < 0.2:
                client.send(Cancel(chance.randrange(batch_id + 1)))
        while answers.total() < n_batches:
            reply = client.receive()
            assert isinstance(reply, Result | Refused)
            answers[reply.batch_id] += 1
        client.ask(Health(1), HealthReply)  # nothing more comes than one reply each
    return answers


def test_every_batch_of_many_clients_is_answered_exactly_once(address: str) -> None:
    with ThreadPoolExecutor(4) as clients:
        counts = list(clients.map(lambda seed: answers_of(address, seed, 300), range(4)))
    assert counts == [Counter(range(300))] * 4
