"""Links: one connection per listed replica, checked, dialled again when lost, silent once closed."""

import asyncio
import struct
from collections.abc import AsyncIterator, Callable

import pytest

from harness.scripted_container import Peer, ScriptedContainer
from skysail_container.wire import Drained, HealthReply, ProtocolError, Refused, Result, Strings, Welcome, encode
from skysail_frontend import replica_link
from skysail_frontend.replica_connection import ReplicaConnection
from skysail_frontend.replica_link import LinkEvents, ReplicaLink

Script = Callable[[Peer], object]


class Events(LinkEvents):
    """Writes down what it hears."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, object]] = []
        self._news = asyncio.Event()

    def replica_up(self, replica: int, connection: ReplicaConnection) -> None:
        self._note("up", replica)

    def replica_down(self, replica: int, reason: str) -> None:
        self._note("down", reason)

    def replica_unreachable(self, replica: int) -> None:
        self._note("unreachable", replica)

    def batch_result(self, replica: int, result: Result) -> None:
        self._note("result", result.batch_id)

    def batch_refused(self, replica: int, refused: Refused) -> None:
        self._note("refused", refused.code)

    def _note(self, kind: str, what: object) -> None:
        self.heard.append((kind, what))
        self._news.set()

    @property
    def kinds(self) -> list[str]:
        return [kind for kind, _ in self.heard]

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(10):
            while not condition():
                self._news.clear()
                await self._news.wait()


@pytest.fixture
async def container() -> AsyncIterator[ScriptedContainer]:
    async with ScriptedContainer() as container:
        yield container


@pytest.fixture
def events() -> Events:
    return Events()


@pytest.fixture
async def link(container: ScriptedContainer, events: Events) -> AsyncIterator[ReplicaLink]:
    link = ReplicaLink(3, container.address, "m", "1", events, "test")
    yield link
    await link.close()


async def test_a_container_that_says_hello_is_up(link: ReplicaLink, events: Events) -> None:
    await events.until(lambda: events.heard)
    assert events.heard == [("up", 3)]


async def test_a_container_of_another_model_never_comes_up(
    container: ScriptedContainer, link: ReplicaLink, events: Events, caplog: pytest.LogCaptureFixture
) -> None:
    container.welcome = container.welcome._replace(model="other")
    await container.until(lambda: container.n_hellos >= 2)
    assert events.kinds == ["unreachable"]
    assert caplog.text.count("the container serves other:1") == 1  # once per outage, not per attempt


RESULT = encode(Result(1, 0, 0, Strings(("x",))))
WELCOME = encode(Welcome(1, "m", "1", "doubles", 1000))


@pytest.mark.parametrize(
    ("greeting", "reason"),
    [
        (b"\x00\x00\x00\x02\xc1\xc1", "malformed frame"),
        (b"\xff\xff\xff\xff", "malformed frame"),
        (struct.pack(">I", 0), "malformed frame"),
        (RESULT, "a Result before its hello"),
        (encode(Refused(1, "draining", "")), "a Refused before its hello"),
        (encode(ProtocolError("version", "too new")), "refused to go on: version: too new"),
        (encode(Welcome(2, "m", "1", "doubles", 1000)), "malformed frame"),
    ],
)
async def test_a_container_that_does_not_begin_with_its_hello_is_not_taken(
    container: ScriptedContainer, events: Events, caplog: pytest.LogCaptureFixture, greeting: bytes, reason: str
) -> None:
    container.on_hello = lambda peer: peer.send_raw(greeting + RESULT)
    link = ReplicaLink(3, container.address, "m", "1", events, "test")
    await container.until(lambda: container.n_hellos >= 2)
    await link.close()
    assert events.kinds == ["unreachable"]
    assert reason in caplog.text


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (WELCOME, "a Welcome twice"),
        (b"\x00\x00\x00\x01\xc0", "malformed frame"),
        (encode(ProtocolError("c", "t")) + RESULT, "refused to go on: c: t"),
    ],
)
async def test_a_connection_that_leaves_the_protocol_ends_and_is_dialled_again(
    container: ScriptedContainer, link: ReplicaLink, events: Events, data: bytes, reason: str
) -> None:
    await events.until(lambda: events.heard)
    container.peers[0].send_raw(data)
    await events.until(lambda: len(events.heard) == 3)
    assert events.kinds == ["up", "down", "up"]
    assert reason in str(events.heard[1][1])


async def test_messages_without_a_question_are_ignored(
    container: ScriptedContainer, link: ReplicaLink, events: Events
) -> None:
    await events.until(lambda: events.heard)
    for message in (HealthReply(1, "ok"), Drained(), Refused(9, "expired", "")):
        container.peers[0].send(message)
    await events.until(lambda: len(events.heard) == 2)
    assert events.heard == [("up", 3), ("refused", "expired")]


async def test_results_arrive_split_at_every_byte(
    container: ScriptedContainer, link: ReplicaLink, events: Events
) -> None:
    await events.until(lambda: events.heard)
    peer = container.peers[0]
    for byte in RESULT:
        peer.send_raw(bytes([byte]))
        await asyncio.sleep(0)
    await events.until(lambda: len(events.heard) == 2)
    assert events.heard[1] == ("result", 1)


async def test_a_container_that_never_says_hello_is_given_up_and_dialled_again(
    container: ScriptedContainer, events: Events, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(replica_link, "CONNECT_TIMEOUT_S", 0.05)
    container.on_hello = lambda peer: None
    link = ReplicaLink(3, container.address, "m", "1", events, "test")
    await container.until(lambda: container.n_hellos == 2)
    assert events.kinds == ["unreachable"]
    assert "did not say hello in time" in caplog.text
    container.on_hello = lambda peer: peer.send(container.welcome)
    await events.until(lambda: len(events.heard) == 2)
    assert events.kinds == ["unreachable", "up"]
    await link.close()


async def test_a_welcomed_connection_has_no_time_limit(
    container: ScriptedContainer, events: Events, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replica_link, "CONNECT_TIMEOUT_S", 0.5)  # long enough for a hello on a busy machine
    link = ReplicaLink(3, container.address, "m", "1", events, "test")
    await events.until(lambda: events.heard)
    await asyncio.sleep(0.8)  # more than the limit: nothing may happen
    assert events.kinds == ["up"]
    await link.close()


async def test_a_container_that_is_away_at_first_is_reached_when_it_comes(events: Events) -> None:
    container = ScriptedContainer()
    link = ReplicaLink(3, container.address, "m", "1", events, "test")
    await events.until(lambda: events.heard)
    async with container:
        await events.until(lambda: len(events.heard) == 2)
        assert events.kinds == ["unreachable", "up"]
        await link.close()


async def test_a_container_that_restarts_is_reached_again(
    container: ScriptedContainer, link: ReplicaLink, events: Events
) -> None:
    for round_ in range(2):
        await events.until(lambda: events.kinds[-1:] == ["up"])
        await container.stop()
        await events.until(lambda: events.kinds[-1:] == ["down"])
        await container.listen()
        assert events.kinds == ["up", "down"] * (round_ + 1)


@pytest.mark.parametrize(
    "address",
    ["", "unix:", "unix:/nowhere/x.sock", "unix:/" + "x" * 200, "unix:\0", "tcp:127.0.0.1", "tcp:127.0.0.1:99999",
     "tcp:127.0.0.1:²", "tcp::0", "http://127.0.0.1:80", "tcp:127.0.0.1:1"],
)  # fmt: skip
async def test_an_address_that_leads_nowhere_is_told_once_and_tried_on(
    address: str, events: Events, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    attempts = asyncio.Semaphore(0)
    sleep = asyncio.sleep

    async def quick(delay: float) -> None:
        attempts.release()
        await sleep(0)

    monkeypatch.setattr(asyncio, "sleep", quick)
    link = ReplicaLink(3, address, "m", "1", events, "test")
    async with asyncio.timeout(10):
        for _ in range(3):
            await attempts.acquire()
    await link.close()
    assert events.kinds == ["unreachable"]
    assert caplog.text.count("is away") == 1


async def test_after_close_the_owner_hears_nothing(container: ScriptedContainer, events: Events) -> None:
    link = ReplicaLink(3, container.address, "m", "1", events, "test")
    await events.until(lambda: events.heard)
    container.peers[0].send_raw(RESULT)
    await link.close()
    await container.until(lambda: not container.peers)
    assert events.kinds == ["up"]


async def test_closing_while_the_hello_is_awaited_ends_the_connection(
    container: ScriptedContainer, events: Events
) -> None:
    container.on_hello = lambda peer: None
    link = ReplicaLink(3, container.address, "m", "1", events, "test")
    await container.until(lambda: container.n_hellos)
    await link.close()
    await container.until(lambda: not container.peers)
    assert events.heard == []


async def test_closing_at_once_leaves_nothing_behind(container: ScriptedContainer, events: Events) -> None:
    link = ReplicaLink(3, container.address, "m", "1", events, "test")
    await link.close()
    assert [task for task in asyncio.all_tasks() if task.get_name().startswith("link ")] == []
    assert events.heard == []


async def test_a_batch_that_is_sent_to_a_lost_connection_vanishes_quietly(container: ScriptedContainer) -> None:
    class Lost:
        """Hears the loss."""

        def __init__(self) -> None:
            self.reasons: asyncio.Queue[str] = asyncio.Queue()

        def welcomed(self, connection: ReplicaConnection, welcome: Welcome) -> None:
            connection.close("enough")

        def result(self, connection: ReplicaConnection, result: Result) -> None:
            raise AssertionError

        def refused(self, connection: ReplicaConnection, refused: Refused) -> None:
            raise AssertionError

        def lost(self, connection: ReplicaConnection, reason: str) -> None:
            self.reasons.put_nowait(reason)

    owner = Lost()
    loop = asyncio.get_running_loop()
    _, connection = await loop.create_unix_connection(lambda: ReplicaConnection(owner, "test"), str(container.path))
    assert await asyncio.wait_for(owner.reasons.get(), 10) == "enough"
    connection.send_batch(1, 1.0, Strings(("x",)))
    connection.cancel_batch(1)
    connection.close("again")
    assert owner.reasons.empty()


@pytest.mark.parametrize("n_turns", range(6))
async def test_closing_ends_however_many_turns_after_the_connection_was_lost(
    container: ScriptedContainer, events: Events, n_turns: int
) -> None:
    """Python 3.11's `wait_for` swallowed the cancellation in one of these turns."""
    link = ReplicaLink(3, container.address, "m", "1", events, "test")
    await events.until(lambda: events.heard)
    container.peers[0].close()
    await events.until(lambda: len(events.heard) == 2)
    for _ in range(n_turns):
        await asyncio.sleep(0)
    async with asyncio.timeout(5):
        await link.close()
