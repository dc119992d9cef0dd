"""Connections that the model's thread reads, over real sockets: whoever reads them, clients see no difference."""

import random
import signal
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from harness.container_client import ContainerClient, connected, doubles, doubles_of
from harness.container_process import running_container, source_folder
from harness.served_model import ServedModel, served_model
from harness.wait_until import wait_until
from skysail_container.wire import (
    Cancel,
    ClientMessage,
    ContainerMessage,
    Drain,
    Drained,
    Health,
    HealthReply,
    Hello,
    Predict,
    ProtocolError,
    Refused,
    Result,
    Statistics,
    StatisticsRequest,
    encode,
)

PLENTY_US = 20_000_000
TIMEOUT_S = 20.0
MIB = 1024 * 1024
WAIT, SPIN, NAP = -1.0, -2.0, -3.0


class Gated:
    """Sums rows. One that begins with WAIT or SPIN is held until the gate opens, without and with the interpreter's
    lock; one with NAP takes longer than a quick model may."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.firsts: list[float] = []

    def predict(self, rows: Any) -> object:
        first = float(rows[0][0])
        self.firsts.append(first)
        if first == WAIT:
            assert self.gate.wait(TIMEOUT_S)
        while first == SPIN and not self.gate.is_set():
            pass
        if first == NAP:
            time.sleep(0.003)
        return rows.sum(axis=1)


@pytest.fixture
def gated() -> Iterator[Gated]:
    gated = Gated()
    yield gated
    gated.gate.set()


@pytest.fixture
def model(gated: Gated) -> Iterator[ServedModel]:
    with served_model(gated.predict, max_frame_bytes=MIB) as model:
        yield model
        gated.gate.set()


@pytest.fixture
def client(model: ServedModel) -> Iterator[ContainerClient]:
    with connected(model.address) as client:
        yield client


@pytest.fixture
def neighbour(model: ServedModel) -> Iterator[ContainerClient]:
    with connected(model.address) as client:
        yield client


def assert_serves(client: ContainerClient) -> None:
    assert doubles_of(client.predict(doubles([[1, 2]])).outputs) == [3.0]


def together(*messages: ClientMessage) -> bytes:
    return b"".join(encode(message) for message in messages)


def until(client: ContainerClient, batch_id: int) -> list[ContainerMessage]:
    """Everything received up to the reply to a batch."""
    received = [client.receive()]
    while not (isinstance(received[-1], Result | Refused) and received[-1].batch_id == batch_id):
        received.append(client.receive())
    return received


def test_a_quick_models_connection_is_lent_and_its_batches_are_answered_as_before(
    model: ServedModel, client: ContainerClient
) -> None:
    assert model.n_lent == 0
    model.lend(client)
    for number in range(200):
        assert doubles_of(client.predict(doubles([[number, 1], [2, 3]]), number).outputs) == [number + 1.0, 5.0]
    for number in range(50):
        client.send(Predict(number, PLENTY_US, doubles([[number]])))
    assert [doubles_of(client.expect(Result).outputs) for _ in range(50)] == [[float(number)] for number in range(50)]


def test_batches_that_are_refused_are_refused_on_a_lent_connection_too(
    model: ServedModel, client: ContainerClient
) -> None:
    model.lend(client)
    assert client.refusal(doubles([[1]]), time_left_us=0).code == "expired"
    assert_serves(client)


@pytest.mark.parametrize("n_before", [0, 3])
def test_every_other_message_on_a_lent_connection_is_answered(
    model: ServedModel, client: ContainerClient, n_before: int
) -> None:
    batches = [Predict(number, PLENTY_US, doubles([[number]])) for number in range(n_before + 1)]
    others: list[tuple[ClientMessage, type[ContainerMessage]]] = [
        (Health(5), HealthReply),
        (StatisticsRequest(), Statistics),
        (Cancel(1234), Result),  # never heard of: ignored, the batch behind it is answered
        (Drain(), Drained),
    ]
    for message, expected in others:
        model.lend(client)
        client.sock.sendall(together(*batches[:-1], message))
        if not isinstance(message, Drain):
            client.send(batches[-1])
            received = until(client, n_before)
        else:
            received = [client.receive() for _ in range(n_before + 1)]
        assert any(isinstance(one, expected) for one in received)
        answers = [one.batch_id for one in received if isinstance(one, Result)]
        assert answers == list(range(n_before + (not isinstance(message, Drain))))
    assert client.refusal(doubles([[1]])).code == "draining"


def test_a_batch_is_cancelled_by_a_message_that_came_right_behind_it(
    model: ServedModel, client: ContainerClient, gated: Gated
) -> None:
    model.lend(client)
    held = Predict(1, PLENTY_US // 2, doubles([[WAIT]]))
    client.sock.sendall(together(held, Predict(2, PLENTY_US, doubles([[7]])), Cancel(2)))
    refused = client.expect(Refused)
    assert (refused.batch_id, refused.code) == (2, "cancelled")
    gated.gate.set()
    assert client.expect(Result).batch_id == 1
    assert 7.0 not in gated.firsts


def test_a_drain_on_one_lent_connection_holds_for_all(
    model: ServedModel, client: ContainerClient, neighbour: ContainerClient
) -> None:
    model.lend(client, neighbour)
    client.ask(Drain(), Drained)
    assert client.refusal(doubles([[1]])).code == "draining"
    assert neighbour.refusal(doubles([[1]])).code == "draining"


@pytest.mark.parametrize("kind", [WAIT, SPIN], ids=["waits", "computes"])
def test_health_is_answered_beside_a_long_batch_on_connections_that_were_lent(
    model: ServedModel, client: ContainerClient, neighbour: ContainerClient, gated: Gated, kind: float
) -> None:
    model.lend(client, neighbour)
    client.send(Predict(1, PLENTY_US, doubles([[kind]])))
    for nonce in range(3):
        assert client.ask(Health(nonce), HealthReply) == HealthReply(nonce, "ok")
        assert neighbour.ask(Health(nonce), HealthReply) == HealthReply(nonce, "ok")
    assert neighbour.ask(StatisticsRequest(), Statistics).values["running"] == 1
    assert model.n_lent == 0
    gated.gate.set()
    assert client.expect(Result).batch_id == 1
    model.lend(client, neighbour)  # and again, since the model is quick again


def test_connections_go_back_and_forth_with_a_model_that_is_quick_at_times(
    model: ServedModel, client: ContainerClient
) -> None:
    for number in range(5):
        model.lend(client)
        wait_until(lambda: taken_back(model, client), "a batch long enough for the event loop to take over")
        assert doubles_of(client.predict(doubles([[number]])).outputs) == [number]


def taken_back(model: ServedModel, client: ContainerClient) -> bool:
    client.predict(doubles([[NAP]]))
    return model.n_lent == 0


def test_a_frame_in_pieces_on_a_lent_connection_is_served(model: ServedModel, client: ContainerClient) -> None:
    model.lend(client)
    for byte in encode(Predict(1, PLENTY_US, doubles([[1, 2]]))):
        client.sock.sendall(bytes([byte]))
    assert doubles_of(client.expect(Result).outputs) == [3.0]
    sent = together(*[Predict(number, PLENTY_US, doubles([[number]])) for number in range(40)])
    chance = random.Random(1)
    while sent:
        n_bytes = chance.randrange(1, 200)
        client.sock.sendall(sent[:n_bytes])
        sent = sent[n_bytes:]
    assert [client.expect(Result).batch_id for _ in range(40)] == list(range(40))


def test_a_frame_that_takes_many_reads_on_a_lent_connection_is_served(
    model: ServedModel, client: ContainerClient
) -> None:
    model.lend(client)
    width = (MIB - 100) // 8
    result = client.predict(doubles([[1.0] * width]))
    assert doubles_of(result.outputs) == [float(width)]


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (b"\x00\x00\x00\x00", "malformed"),
        (b"\x00\x00\x00\x01\xc1", "malformed"),
        (b"\x00\x00\x00\x0a" + b"\xdd\x00\xff\xff\xff" * 2, "malformed"),
        (b"\x00\x10\x00\x01", "frame_too_large"),
        (encode(Hello(1, "again")), "unexpected"),
    ],
)
def test_a_broken_protocol_on_a_lent_connection_costs_that_connection_only(
    model: ServedModel, client: ContainerClient, neighbour: ContainerClient, sent: bytes, code: str
) -> None:
    model.lend(client, neighbour)
    client.sock.sendall(sent)
    assert client.expect(ProtocolError).code == code
    assert client.is_closed_by_peer()
    assert_serves(neighbour)
    model.lend(neighbour)


def test_nothing_behind_a_flaw_is_acted_on(
    model: ServedModel, client: ContainerClient, neighbour: ContainerClient
) -> None:
    model.lend(client, neighbour)
    n_batches = model.count("batches")
    client.sock.sendall(b"\x00\x00\x00\x01\xc1" + together(Predict(1, PLENTY_US, doubles([[1]])), Drain()))
    client.expect(ProtocolError)
    assert client.is_closed_by_peer()
    assert neighbour.ask(Health(1), HealthReply) == HealthReply(1, "ok")
    assert model.count("batches") == n_batches


def test_a_client_that_reports_a_protocol_error_on_a_lent_connection_is_closed(
    model: ServedModel, client: ContainerClient, neighbour: ContainerClient
) -> None:
    model.lend(client, neighbour)
    client.send(ProtocolError("malformed", "not understood"))
    assert client.is_closed_by_peer()
    assert_serves(neighbour)


def shut_down(sock: socket.socket) -> None:
    sock.shutdown(socket.SHUT_WR)
    assert sock.recv(1) == b""


def reset(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def send_part_and_reset(sock: socket.socket) -> None:
    sock.sendall(b"\x00\x00\x00\xff part of a frame")
    reset(sock)


@pytest.mark.parametrize("leave", [socket.socket.close, shut_down, reset, send_part_and_reset])
@pytest.mark.parametrize("kind", ["unix", "tcp"])
def test_a_client_that_leaves_a_lent_connection_is_forgotten(
    gated: Gated, leave: Callable[[socket.socket], None], kind: str
) -> None:
    listen = "tcp:127.0.0.1:0" if kind == "tcp" else None
    with served_model(gated.predict, listen=listen) as model, connected(model.address) as neighbour:
        with connected(model.address) as client:
            model.lend(client, neighbour)
            leave(client.sock)

            def is_alone() -> bool:
                return neighbour.ask(StatisticsRequest(), Statistics).values["connections"] == 1

            wait_until(is_alone, "the connection to be forgotten")
        assert_serves(neighbour)
        model.lend(neighbour)


def test_a_client_that_leaves_takes_batches_along_that_the_models_thread_took_in(
    model: ServedModel, neighbour: ContainerClient, gated: Gated
) -> None:
    with connected(model.address) as client:
        model.lend(client, neighbour)
        waiting = [Predict(number, PLENTY_US, doubles([[7]])) for number in range(3)]
        client.sock.sendall(together(Predict(100, PLENTY_US // 2, doubles([[WAIT]])), *waiting))
        wait_until(lambda: model.count("running"), "a running batch")
    wait_until(lambda: model.count("abandoned") == 3, "3 abandoned batches")
    gated.gate.set()
    assert_serves(neighbour)
    assert 7.0 not in gated.firsts


def test_a_frame_without_an_end_on_a_lent_connection_is_closed_in_time(gated: Gated) -> None:
    with (
        served_model(gated.predict, frame_timeout_s=0.2) as model,
        connected(model.address) as idle,
        connected(model.address) as slow,
    ):
        model.lend(idle, slow)
        slow.sock.sendall(b"\x00\x00\x00\xff part of a frame")
        error = slow.expect(ProtocolError)
        assert (error.code, error.text) == ("timeout", "the rest of a frame did not come within 0.2 seconds")
        assert slow.is_closed_by_peer()
        assert_serves(idle)


def test_batches_on_several_lent_connections_are_served_by_earliest_deadline(
    model: ServedModel, client: ContainerClient, neighbour: ContainerClient, gated: Gated
) -> None:
    model.lend(client, neighbour)
    with model.held():
        client.sock.sendall(
            together(Predict(1, 15_000_000, doubles([[1001]])), Predict(2, 10_000_000, doubles([[1002]])))
        )
        neighbour.send(Predict(3, 5_000_000, doubles([[1003]])))
    assert [client.expect(Result).batch_id for _ in range(2)] == [2, 1]
    assert neighbour.expect(Result).batch_id == 3
    assert [first for first in gated.firsts if first > 1000] == [1003.0, 1002.0, 1001.0]


def test_a_stop_finishes_the_batches_of_lent_connections_and_closes_them(gated: Gated) -> None:
    with served_model(gated.predict) as model, connected(model.address) as one, connected(model.address) as other:
        model.lend(one, other)
        with model.held():
            one.send(Predict(1, PLENTY_US, doubles([[1, 2]])))
            other.send(Predict(2, PLENTY_US, doubles([[3, 4]])))
        assert doubles_of(one.expect(Result).outputs) == [3.0]
        assert doubles_of(other.expect(Result).outputs) == [7.0]
        model.lend(one, other)
        model.stop()
        assert one.is_closed_by_peer()
        assert other.is_closed_by_peer()


def test_sigterm_drains_connections_that_were_lent(tmp_path: Path) -> None:
    source = """
import time
from pathlib import Path

gate = Path(__file__).with_name("open")

def predict(rows):
    while rows[0][0] < 0 and not gate.exists():
        time.sleep(0.001)
    return rows.sum(axis=1)
"""
    folder = source_folder(tmp_path / "model", source)
    with (
        running_container(folder) as container,
        connected(container.address) as client,
        connected(container.address) as other,
    ):
        for _ in range(100):
            assert_serves(client)
            assert_serves(other)
        held = Predict(1, PLENTY_US // 2, doubles([[-1]]))
        client.sock.sendall(together(held, *[Predict(number, PLENTY_US, doubles([[number]])) for number in (2, 3)]))
        assert client.ask(Health(1), HealthReply).state == "ok"  # so all three are taken in
        container.process.send_signal(signal.SIGTERM)
        wait_until(lambda: other.ask(Health(1), HealthReply).state == "draining", "a draining container")
        assert other.refusal(doubles([[1]])).code == "draining"
        (folder / "open").touch()
        assert [client.expect(Result).batch_id for _ in range(3)] == [1, 2, 3]
        assert client.is_closed_by_peer()
        assert other.is_closed_by_peer()
        assert container.wait_exit() == 0


def fates_of(address: str, seed: int, n_batches: int) -> Counter[int]:
    """Batches that are quick, slow, late, cancelled, with health checks between them, and their replies by batch."""
    chance = random.Random(seed)
    answers: Counter[int] = Counter()
    n_health = 0
    with connected(address) as client:
        for batch_id in range(n_batches):
            first = NAP if chance.random() < 0.05 else 1.0
            client.send(Predict(batch_id, chance.choice([0, 300, PLENTY_US, PLENTY_US]), doubles([[first, 2]])))
            if chance.random() < 0.05:
                client.send(Cancel(chance.randrange(batch_id + 1)))
            if chance.random() < 0.05:
                client.send(Health(batch_id))
                n_health += 1
            if chance.random() < 0.3:
                reply = client.receive()
                n_health -= isinstance(reply, HealthReply)
                if isinstance(reply, Result | Refused):
                    answers[reply.batch_id] += 1
        while answers.total() < n_batches or n_health:
            reply = client.receive()
            n_health -= isinstance(reply, HealthReply)
            if isinstance(reply, Result | Refused):
                answers[reply.batch_id] += 1
        client.ask(Health(1), HealthReply)  # nothing more comes than one reply each
    return answers


def test_every_batch_is_answered_exactly_once_while_connections_go_back_and_forth(model: ServedModel) -> None:
    with ThreadPoolExecutor(3) as clients:
        counts = list(clients.map(lambda seed: fates_of(model.address, seed, 400), range(3)))
    assert counts == [Counter(range(400))] * 3
