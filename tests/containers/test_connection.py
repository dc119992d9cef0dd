"""One connection on an event loop, with a service and a clock of the test's own."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from harness.container_client import ContainerClient, doubles
from skysail_container.address import parse_address
from skysail_container.connection import Connection
from skysail_container.inlet import READ_BYTES, Inlet
from skysail_container.settings import Settings
from skysail_container.wire import ClientMessage, Hello, Predict, ProtocolError, encode

TIMEOUT_S = 10.0
FRAME_TIMEOUT_S = 60.0
SETTINGS = Settings(
    model=Path("none"), listen=parse_address("127.0.0.1:0"), hello_timeout_s=10.0, frame_timeout_s=FRAME_TIMEOUT_S
)
BATCH = encode(Predict(1, 1_000_000, doubles([[1, 2]])))
FIRST, REST = BATCH[:10], BATCH[10:]


class Rig:
    """A connection and its peer. The rig is the service: it keeps the messages."""

    def __init__(self) -> None:
        near, far = socket.socketpair()
        near.setblocking(False)
        far.settimeout(TIMEOUT_S)
        self.now_s = 0.0
        self.messages: list[ClientMessage] = []
        self.n_flaws = 0
        self.is_closed = False
        self.peer = far
        self.inlet = Inlet()
        loop = asyncio.get_running_loop()
        self.connection = Connection(near, self, SETTINGS, loop, self.clock, bytearray(READ_BYTES), self.inlet)
        self.connection.open()

    def clock(self) -> float:
        return self.now_s

    def handle(self, connection: Connection, message: ClientMessage) -> None:
        self.messages.append(message)

    def protocol_error(self) -> None:
        self.n_flaws += 1

    def closed(self, connection: Connection) -> None:
        self.is_closed = True

    async def sent(self, data: bytes, n_messages: int) -> None:
        """Sends `data`; returns once so many messages have come through since the beginning."""
        self.peer.sendall(data)
        await until(lambda: len(self.messages) == n_messages)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(TIMEOUT_S):
        while not condition():  # noqa: ASYNC110  # what is waited for is no event
            await asyncio.sleep(0)


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    rig = Rig()
    yield rig
    rig.connection.close()
    rig.peer.close()
    if not rig.inlet.is_closed:
        rig.inlet.close()


async def test_a_client_that_is_always_in_the_middle_of_a_frame_has_its_time_for_each(rig: Rig) -> None:
    await rig.sent(encode(Hello(1, "test")) + FIRST, 1)
    for n_messages in range(2, 6):
        rig.now_s += FRAME_TIMEOUT_S * 0.9
        rig.connection.check_patience(rig.now_s)
        await rig.sent(REST + FIRST, n_messages)
    assert rig.n_flaws == 0
    rig.connection.check_patience(rig.now_s + FRAME_TIMEOUT_S * 1.1)
    assert rig.n_flaws == 1
    assert ContainerClient(rig.peer).expect(ProtocolError).code == "timeout"


async def test_the_same_holds_while_it_is_lent(rig: Rig) -> None:
    await rig.sent(encode(Hello(1, "test")) + FIRST, 1)
    for n_messages in range(2, 6):
        rig.now_s += FRAME_TIMEOUT_S * 0.9
        rig.connection.lend()
        rig.peer.sendall(REST + FIRST)
        rig.inlet.wait(is_idle=True)
        assert len(rig.messages) == n_messages
        rig.connection.check_patience(rig.now_s)
    assert (rig.n_flaws, rig.inlet.n_lent) == (0, 1)
    rig.connection.check_patience(rig.now_s + FRAME_TIMEOUT_S * 1.1)
    assert (rig.n_flaws, rig.inlet.n_lent) == (1, 0)


async def test_one_that_has_not_greeted_is_not_lent(rig: Rig) -> None:
    rig.connection.lend()
    assert rig.inlet.n_lent == 0
    await rig.sent(encode(Hello(1, "test")), 1)
    rig.connection.lend()
    assert rig.inlet.n_lent == 1


async def test_the_event_loop_reads_on_when_the_models_thread_cannot_or_does_not_any_more(rig: Rig) -> None:
    await rig.sent(encode(Hello(1, "test")), 1)
    rig.connection.lend()
    rig.peer.sendall(BATCH)
    rig.inlet.close()
    await until(lambda: len(rig.messages) == 2)
    rig.connection.lend()
    await rig.sent(BATCH, 3)


async def test_one_that_is_closed_between_the_models_thread_and_the_loop_stays_closed(rig: Rig) -> None:
    await rig.sent(encode(Hello(1, "test")), 1)
    rig.connection.lend()
    rig.peer.sendall(encode(Hello(1, "again")))
    rig.inlet.wait(is_idle=True)  # given back, and the event loop has not seen it yet
    rig.connection.close()
    await asyncio.sleep(0)
    assert (len(rig.messages), rig.n_flaws, rig.is_closed) == (1, 0, True)


async def test_one_that_ends_between_the_models_thread_and_the_loop_acts_on_nothing(rig: Rig) -> None:
    await rig.sent(encode(Hello(1, "test")), 1)
    rig.connection.lend()
    rig.peer.sendall(b"\x00\x00\x00\x01\xc1" + BATCH)
    rig.inlet.wait(is_idle=True)
    rig.connection.end()
    rig.peer.shutdown(socket.SHUT_WR)
    await until(lambda: rig.is_closed)
    assert (len(rig.messages), rig.n_flaws) == (1, 0)
