"""Writing to a peer that reads when it likes."""

import socket
import threading
from collections.abc import Iterator

import pytest

from skysail_container.outbox import Outbox


class Pair:
    """An outbox and the socket its peer reads from."""

    def __init__(self, max_bytes: int) -> None:
        self.ours, self.peer = socket.socketpair()
        self.ours.setblocking(False)
        self.ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8192)
        self.backlogs = 0
        self.broken: list[str] = []
        self.outbox = Outbox(self.ours, max_bytes, self._count_backlog, self.broken.append)

    def _count_backlog(self) -> None:
        self.backlogs += 1

    def fill(self) -> int:
        """Sends frames of 1 kB until one is kept; their number."""
        n_frames = 0
        while not self.outbox.n_backlog_bytes:
            self.outbox.send(n_frames.to_bytes(2, "big") * 512)
            n_frames += 1
        return n_frames

    def read_all(self) -> bytes:
        """Everything sent, read while it is flushed."""
        self.peer.settimeout(0.2)
        received = bytearray()
        while True:
            is_empty = self.outbox.flush()
            try:
                received += self.peer.recv(1 << 20)
            except TimeoutError:
                assert is_empty
                return bytes(received)


@pytest.fixture
def pair() -> Iterator[Pair]:
    pair = Pair(max_bytes=4096)
    with pair.ours, pair.peer:
        yield pair


def test_a_frame_leaves_at_once(pair: Pair) -> None:
    pair.outbox.send(b"frame")
    assert pair.peer.recv(100) == b"frame"
    assert (pair.backlogs, pair.outbox.n_backlog_bytes) == (0, 0)


def test_what_the_socket_does_not_take_is_kept_and_leaves_whole_and_in_order(pair: Pair) -> None:
    n_frames = pair.fill()
    pair.outbox.send(b"last")
    assert pair.backlogs == 1  # told once, not for every frame behind the first
    assert pair.read_all() == b"".join(n.to_bytes(2, "big") * 512 for n in range(n_frames)) + b"last"
    assert pair.outbox.n_backlog_bytes == 0


def test_too_much_for_a_slow_peer_breaks_the_outbox_once(pair: Pair) -> None:
    pair.fill()
    for _ in range(5):
        pair.outbox.send(bytes(2000))
    assert len(pair.broken) == 1
    assert "does not read: more than 4096 bytes" in pair.broken[0]
    assert pair.outbox.n_backlog_bytes == 0


def test_a_peer_that_is_gone_breaks_the_outbox_once(pair: Pair) -> None:
    pair.peer.close()
    pair.outbox.send(b"frame")
    pair.outbox.send(b"frame")
    assert len(pair.broken) == 1
    assert "the client is gone" in pair.broken[0]


def test_a_peer_that_goes_while_frames_wait_is_noticed_by_the_flush(pair: Pair) -> None:
    pair.fill()
    pair.peer.close()
    assert pair.outbox.flush()
    assert len(pair.broken) == 1


def test_a_closed_outbox_writes_nothing(pair: Pair) -> None:
    pair.outbox.close()
    pair.outbox.send(b"frame")
    pair.peer.setblocking(False)
    with pytest.raises(BlockingIOError):
        pair.peer.recv(1)
    assert pair.broken == []


def test_frames_of_several_threads_are_not_mixed() -> None:
    pair = Pair(max_bytes=10_000_000)

    def send_all(n: int) -> None:
        for _ in range(50):
            pair.outbox.send(bytes([n]) * 1000)

    with pair.ours, pair.peer:
        threads = [threading.Thread(target=send_all, args=(n,)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        received = pair.read_all()
    assert len(received) == 4 * 50 * 1000
    frames = [received[start : start + 1000] for start in range(0, len(received), 1000)]
    assert all(len(set(frame)) == 1 for frame in frames)
