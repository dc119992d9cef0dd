"""The kernel timer beside a batch."""

import asyncio
import os
import select
from collections.abc import Iterator

import pytest

from skysail_container.batch_timer import BatchTimer

SHORT_S = 0.001
TIMEOUT_MS = 10_000


@pytest.fixture
def timer() -> Iterator[BatchTimer]:
    timer = BatchTimer(SHORT_S)
    yield timer
    os.close(timer.fileno())


def wait_for(timer: BatchTimer) -> None:
    poll = select.poll()
    poll.register(timer.fileno(), select.POLLIN)
    assert poll.poll(TIMEOUT_MS)


def test_it_has_not_gone_off_before_it_was_set(timer: BatchTimer) -> None:
    assert not timer.has_gone_off()


def test_it_goes_off_once_after_it_was_set_and_again_when_set_again(timer: BatchTimer) -> None:
    for _ in range(2):
        timer.set()
        wait_for(timer)
        assert timer.has_gone_off()
        assert not timer.has_gone_off()


def test_one_that_went_off_unnoticed_and_was_cleared_has_not_gone_off(timer: BatchTimer) -> None:
    timer.set()
    wait_for(timer)
    timer.clear()
    assert not timer.has_gone_off()


def test_a_delay_may_be_a_second_or_more() -> None:
    timer = BatchTimer(1.0)  # more nanoseconds than the field for them takes
    timer.set()
    assert not timer.has_gone_off()
    wait_for(timer)
    assert timer.has_gone_off()
    os.close(timer.fileno())


async def test_an_event_loop_waits_for_it_while_another_thread_sets_it(timer: BatchTimer) -> None:
    loop = asyncio.get_running_loop()
    gone_off: asyncio.Future[bool] = loop.create_future()

    def on_readable() -> None:
        loop.remove_reader(timer.fileno())
        gone_off.set_result(timer.has_gone_off())

    loop.add_reader(timer.fileno(), on_readable)
    await asyncio.to_thread(timer.set)
    async with asyncio.timeout(TIMEOUT_MS / 1000):
        assert await gone_off


def test_its_descriptor_is_not_inherited_and_does_not_block(timer: BatchTimer) -> None:
    assert not os.get_inheritable(timer.fileno())
    assert not os.get_blocking(timer.fileno())
