"""What the model's thread reads and when. The test is both threads in turn, except where it says so."""

import select
import socket
import threading
from collections.abc import Iterator

import pytest

from skysail_container.batch_timer import BatchTimer
from skysail_container.inlet import LONG_S, N_QUICK, Inlet

TIMEOUT_S = 10.0
QUICK_S = LONG_S / 2


class LentSocket:
    """One end of a pair of sockets. It says False to `read_batches` at an end of file and at a "!"."""

    def __init__(self) -> None:
        self.near, self.far = socket.socketpair()
        self.near.setblocking(False)
        self.received = b""
        self.n_given_back = 0
        self.n_reading = 0
        self.most_reading = 0

    @property
    def fd(self) -> int:
        return self.near.fileno()

    def read_batches(self, buffer: bytearray) -> bool:
        self.n_reading += 1
        self.most_reading = max(self.most_reading, self.n_reading)
        try:
            n_bytes = self.near.recv_into(buffer)
        except BlockingIOError:
            return True
        finally:
            self.n_reading -= 1
        self.received += buffer[:n_bytes]
        return n_bytes > 0 and not self.received.endswith(b"!")

    def give_back(self) -> None:
        self.n_given_back += 1

    def close(self) -> None:
        self.near.close()
        self.far.close()


class CountingTimer(BatchTimer):
    """Remembers whether it is set, and how often it was."""

    def __init__(self) -> None:
        super().__init__(LONG_S)
        self._is_set = False
        self.n_set = 0

    def is_set(self) -> bool:
        return self._is_set

    def set(self) -> None:
        super().set()
        self._is_set = True
        self.n_set += 1

    def clear(self) -> None:
        super().clear()
        self._is_set = False


@pytest.fixture
def inlet() -> Iterator[Inlet]:
    inlet = Inlet()
    yield inlet
    if not inlet.is_closed:
        inlet.close()


@pytest.fixture
def timer(inlet: Inlet) -> CountingTimer:
    timer = CountingTimer()
    inlet.long_batch = timer
    return timer


@pytest.fixture
def lent(inlet: Inlet) -> Iterator[LentSocket]:
    lent = LentSocket()
    assert inlet.lend(lent.fd, lent)
    yield lent
    inlet.take_back(lent.fd)
    lent.close()


def test_a_wake_is_not_lost_when_it_comes_first_and_wakes_once(inlet: Inlet) -> None:
    inlet.wake()
    inlet.wake()
    inlet.wait(is_idle=True)
    inlet.wait(is_idle=False)  # nothing there, and it does not wait for it


def test_another_thread_wakes_the_one_that_waits(inlet: Inlet) -> None:
    waiting = threading.Thread(target=inlet.wait, args=(True,))
    waiting.start()
    inlet.wake()
    waiting.join(TIMEOUT_S)
    assert not waiting.is_alive()


def test_what_comes_on_a_lent_connection_is_read(inlet: Inlet, lent: LentSocket) -> None:
    assert inlet.n_lent == 1
    for text in (b"one", b"two"):
        lent.far.send(text)
        inlet.wait(is_idle=True)
    assert lent.received == b"onetwo"


def test_a_connection_that_wants_back_is_given_back_once_and_not_read_any_more(inlet: Inlet, lent: LentSocket) -> None:
    lent.far.send(b"health!")
    inlet.wait(is_idle=True)
    assert (lent.n_given_back, inlet.n_lent) == (1, 0)
    lent.far.send(b"more")
    inlet.wait(is_idle=False)
    assert lent.received == b"health!"
    assert not inlet.take_back(lent.fd)
    assert lent.n_given_back == 1


def test_an_end_of_file_is_given_back_too(inlet: Inlet, lent: LentSocket) -> None:
    lent.far.close()
    inlet.wait(is_idle=True)
    assert (lent.n_given_back, inlet.n_lent) == (1, 0)


def test_a_connection_that_was_taken_back_is_not_read_and_may_be_lent_again(inlet: Inlet, lent: LentSocket) -> None:
    lent.far.send(b"first")
    assert inlet.take_back(lent.fd)
    assert not inlet.take_back(lent.fd)
    inlet.wait(is_idle=False)
    assert (lent.received, lent.n_given_back) == (b"", 0)
    assert inlet.lend(lent.fd, lent)
    inlet.wait(is_idle=True)
    assert lent.received == b"first"


def test_connections_are_lent_after_enough_quick_batches_in_a_row(inlet: Inlet) -> None:
    calls: list[int] = []
    inlet.when_quick(lambda: calls.append(1))
    inlet.offer()
    for _ in range(N_QUICK - 1):
        inlet.end_batch(QUICK_S)
    inlet.end_batch(LONG_S)
    for _ in range(N_QUICK - 1):
        inlet.end_batch(QUICK_S)
    assert not calls
    inlet.end_batch(QUICK_S)
    assert len(calls) == 1


def test_nothing_is_called_while_nothing_is_on_offer_and_an_offer_begins_the_count_anew(inlet: Inlet) -> None:
    calls: list[int] = []
    inlet.when_quick(lambda: calls.append(1))
    for _ in range(3 * N_QUICK):
        inlet.end_batch(QUICK_S)
    assert not calls
    inlet.offer()
    for _ in range(3 * N_QUICK):
        inlet.end_batch(QUICK_S)
    assert len(calls) == 1
    inlet.offer()
    for _ in range(N_QUICK - 1):
        inlet.end_batch(QUICK_S)
    assert len(calls) == 1


def test_the_timer_is_set_beside_a_batch_while_connections_are_lent(
    inlet: Inlet, timer: CountingTimer, lent: LentSocket
) -> None:
    inlet.begin_batch()
    assert timer.is_set()
    inlet.end_batch(QUICK_S)
    assert not timer.is_set()


def test_the_timer_is_left_alone_while_nothing_is_lent(inlet: Inlet, timer: CountingTimer) -> None:
    inlet.begin_batch()
    inlet.end_batch(QUICK_S)
    assert timer.n_set == 0


def test_the_timer_is_set_when_a_connection_is_lent_beside_a_batch_that_runs_already(
    inlet: Inlet, timer: CountingTimer
) -> None:
    inlet.begin_batch()
    lent = LentSocket()
    assert inlet.lend(lent.fd, lent)
    assert timer.is_set()
    inlet.end_batch(QUICK_S)
    assert not timer.is_set()
    lent.close()


def test_the_timer_is_cleared_when_every_connection_was_taken_back_beside_the_batch(
    inlet: Inlet, timer: CountingTimer, lent: LentSocket
) -> None:
    inlet.begin_batch()
    inlet.take_back(lent.fd)
    inlet.end_batch(LONG_S)
    assert not timer.is_set()


def test_the_timer_goes_off_beside_a_batch_that_takes_long(inlet: Inlet, lent: LentSocket) -> None:
    inlet.begin_batch()
    assert select.select([inlet.long_batch], [], [], TIMEOUT_S)[0]
    assert inlet.long_batch.has_gone_off()


def test_one_that_is_closed_gives_everything_back_and_takes_nothing(inlet: Inlet, lent: LentSocket) -> None:
    inlet.close()
    assert (lent.n_given_back, inlet.n_lent) == (1, 0)
    assert not inlet.take_back(lent.fd)
    assert not inlet.lend(lent.fd, lent)
    inlet.wake()


def test_a_connection_is_read_by_one_thread_at_a_time_and_loses_nothing(inlet: Inlet, lent: LentSocket) -> None:
    is_over = threading.Event()

    def read() -> None:
        while not is_over.is_set():
            inlet.wait(is_idle=True)

    reader = threading.Thread(target=read)
    reader.start()
    sent = b""
    buffer = bytearray(100)
    for number in range(2000):
        text = b"%d," % number
        lent.far.send(text)
        sent += text
        if inlet.take_back(lent.fd):
            lent.read_batches(buffer)
            inlet.lend(lent.fd, lent)
    inlet.take_back(lent.fd)
    is_over.set()
    inlet.wake()
    reader.join(TIMEOUT_S)
    assert not reader.is_alive()
    while len(lent.received) < len(sent):
        lent.read_batches(buffer)
    assert lent.received == sent
    assert lent.most_reading == 1
