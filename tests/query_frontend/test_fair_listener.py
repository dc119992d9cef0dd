"""Connections are shared out among workers."""

import asyncio
import resource
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from harness.frontend_rig import FrontendRig
from harness.raw_http import RawClient, predict
from harness.wait_until import wait_until
from skysail_frontend.fair_listener import ConnectionCounts, FairListener, has_more_than_its_share


@pytest.mark.parametrize(
    ("own", "others", "is_more"),
    [
        (0, [0], False),
        (2, [0], False),
        (3, [0], True),
        (64, [54], False),
        (64, [53], True),
        (90, [], False),
        (30, [31, 200, 29], False),
        (40, [31, 200, 29], True),
    ],
)
def test_a_share_is_what_the_worker_with_fewest_has_and_a_little_more(
    own: int, others: list[int], is_more: bool
) -> None:
    assert has_more_than_its_share(own, others) == is_more


def test_each_worker_sees_what_the_others_wrote(tmp_path: Path) -> None:
    workers = [ConnectionCounts(tmp_path / "connections", number, 3) for number in range(3)]
    for number, worker in enumerate(workers):
        worker.set(10 * number)
    assert [worker.others() for worker in workers] == [[10, 20], [0, 20], [0, 10]]
    assert ConnectionCounts(tmp_path / "connections", 1, 3).others() == [0, 20]  # as after a restart
    assert workers[0].others() == [0, 20]


def test_connections_that_come_together_are_shared_out(rig: FrontendRig) -> None:
    with rig.own_frontend("--workers=2") as frontend, ExitStack() as stack:

        def workers_of_new_clients(n: int) -> list[int]:
            clients = [stack.enter_context(RawClient(frontend.port)) for _ in range(n)]
            found = []
            for client in clients:
                client.send(predict("lonely", [1]))
                found.append(client.response().json()["query_id"] >> 32)
            return found

        wait_until(lambda: len(set(workers_of_new_clients(8))) == 2, "two workers that answer")
        stack.pop_all().close()
        wait_until(lambda: frontend.metric("skysail_connections") <= 1, "connections that are counted as closed")
        found = workers_of_new_clients(64)
        assert min(found.count(block) for block in set(found)) >= 16, found
        assert len(set(found)) == 2


class _Echo(asyncio.Protocol):
    n_open = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.write(b"hello")
        _Echo.n_open += 1


@pytest.fixture
async def listener() -> AsyncIterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as bound:
        bound.setblocking(False)
        yield bound


async def _said_at(address: tuple[str, int]) -> bytes:
    reader, writer = await asyncio.open_connection(*address)
    said = await reader.readexactly(5)
    writer.close()
    return said


async def test_a_connection_that_the_others_leave_is_taken_in_all_the_same(
    listener: socket.socket, tmp_path: Path
) -> None:
    """The other worker is dead: its count says that it has room, and it takes nothing."""
    counts = ConnectionCounts(tmp_path / "connections", 0, 2)
    fair = FairListener(listener, _Echo, counts, lambda: 1000)
    assert await _said_at(listener.getsockname()) == b"hello"
    fair.close()
    await fair.wait_closed()


@pytest.fixture
def few_descriptors() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_without_descriptors_it_waits_and_goes_on_later(
    listener: socket.socket, tmp_path: Path, few_descriptors: None, caplog: pytest.LogCaptureFixture
) -> None:
    fair = FairListener(listener, _Echo, ConnectionCounts(tmp_path / "connections", 0, 2), lambda: 0)
    with socket.socket() as client:
        client.setblocking(False)
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (client.fileno() + 1, hard))
        loop = asyncio.get_running_loop()
        await loop.sock_connect(client, listener.getsockname())
        await asyncio.to_thread(wait_until, lambda: "cannot take in a connection" in caplog.text, "a full process")
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        assert await loop.sock_recv(client, 5) == b"hello"
    fair.close()
    await fair.wait_closed()
