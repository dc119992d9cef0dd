"""Real processes that stand for the parts; the real ones are in tests/end_to_end."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from harness import fake_part
from harness.free_ports import free_port
from skysail_admin.errors import PortInUseError, StackError
from skysail_admin.local.events import StackEvent
from skysail_admin.local.part import PORT_IN_USE_EXIT_CODE, Part
from skysail_admin.local.probes import http_probe
from skysail_admin.local.restart_policy import RestartPolicy
from skysail_admin.local.supervisor import Supervisor

IMPATIENT = RestartPolicy(first_delay_s=0.01, longest_delay_s=0.05)


@pytest.fixture
def part(tmp_path: Path) -> Callable[..., Part]:
    def make(name: str, *flags: str) -> Part:
        port = free_port()
        return Part(
            name=name,
            title=name,
            command=(sys.executable, "-S", str(fake_part.__file__), "--port", str(port), *flags),
            address=f"127.0.0.1:{port}",
            ready=http_probe("127.0.0.1", port, "/readyz", timeout_s=1.0),
            alive=http_probe("127.0.0.1", port, "/healthz", timeout_s=1.0),
            log_path=tmp_path / f"{name}.log",
            port=port,
            port_flag=f"--{name}-port",
        )

    return make


class Running:
    """A supervisor and what it has said, with waits for what it will say."""

    def __init__(self, *parts: Part) -> None:
        self.said: list[tuple[str, str | None]] = []
        self.stop = asyncio.Event()
        self._news = asyncio.Event()
        self._others = set(psutil.Process().children())
        self.supervisor = Supervisor(parts, self._notify, IMPATIENT)
        self.task = asyncio.create_task(self.supervisor.run(self.stop))

    def _notify(self, event: StackEvent) -> None:
        self.said.append((event.kind, event.part))
        self._news.set()

    async def until(self, *wanted: tuple[str, str | None]) -> None:
        """Until these were said, in this order, among others."""
        async with asyncio.timeout(20):
            while not self._were_said(wanted):
                self._news.clear()
                waiting = asyncio.create_task(self._news.wait())
                await asyncio.wait((waiting, self.task), return_when=asyncio.FIRST_COMPLETED)
                waiting.cancel()
                if self.task.done():
                    self.task.result()

    def _were_said(self, wanted: tuple[tuple[str, str | None], ...]) -> bool:
        said = iter(self.said)
        return all(event in said for event in wanted)

    def children(self) -> set[psutil.Process]:
        """The processes that it left running; those of other tests' fixtures are not its."""
        return set(psutil.Process().children()) - self._others

    def pid(self, index: int) -> int:
        pid = self.supervisor.keepers[index].pid
        assert pid is not None
        return pid

    async def end(self) -> None:
        self.stop.set()
        await self.task


def kinds(said: list[tuple[str, str | None]], kind: str) -> list[str | None]:
    return [part for found, part in said if found == kind]


async def test_parts_come_up_in_order_and_go_down_in_the_opposite_order(part: Callable[..., Part]) -> None:
    running = Running(part("redis"), part("management"), part("frontend"))
    await running.until(("up", None))
    await running.end()
    assert running.said[:6] == [
        ("starting", "redis"),
        ("ready", "redis"),
        ("starting", "management"),
        ("ready", "management"),
        ("starting", "frontend"),
        ("ready", "frontend"),
    ]
    assert kinds(running.said, "stopped") == ["frontend", "management", "redis"]
    assert running.said[-1] == ("down", None)


async def test_a_part_that_is_killed_is_back_and_answers(part: Callable[..., Part]) -> None:
    running = Running(part("management"))
    await running.until(("up", None))
    killed = running.pid(0)
    os.kill(killed, signal.SIGKILL)
    await running.until(("died", "management"), ("starting", "management"), ("ready", "management"))
    assert running.pid(0) != killed
    assert running.supervisor.keepers[0].restarts == 1
    await running.end()


async def test_a_part_that_hangs_is_ended_and_started_again(part: Callable[..., Part]) -> None:
    running = Running(replace(part("frontend"), hung_after_s=0.5))
    await running.until(("up", None))
    os.kill(running.pid(0), signal.SIGSTOP)
    await running.until(("died", "frontend"), ("ready", "frontend"))
    await running.end()


async def test_a_part_that_ends_while_starting_is_named_with_its_last_words(part: Callable[..., Part]) -> None:
    running = Running(part("redis"), part("management", "--exit-with", "1"))
    with pytest.raises(StackError, match=r"management ended while starting \(exit code 1\)") as caught:
        await running.task
    assert caught.value.log_tail == "the fake part's last words"
    assert kinds(running.said, "stopped")[-1] == "redis"
    assert not running.children()


async def test_a_part_that_finds_its_port_taken_names_the_port_and_the_flag(part: Callable[..., Part]) -> None:
    taken = part("frontend", "--exit-with", str(PORT_IN_USE_EXIT_CODE))
    with pytest.raises(PortInUseError, match="choose another with --frontend-port") as caught:
        await Running(taken).task
    assert caught.value.port == taken.port


async def test_a_part_that_is_never_ready_is_given_up(part: Callable[..., Part]) -> None:
    running = Running(replace(part("frontend", "--never-ready"), start_timeout_s=0.3))
    with pytest.raises(StackError, match=r"frontend is not ready after 0\.3 s"):
        await running.task
    assert not running.children()


async def test_a_program_that_cannot_be_run_is_named(part: Callable[..., Part], tmp_path: Path) -> None:
    with pytest.raises(StackError, match="redis cannot be started"):
        await Running(replace(part("redis"), command=(str(tmp_path / "gone"),))).task


async def test_a_part_that_does_not_mind_sigterm_is_killed_after_its_grace(part: Callable[..., Part]) -> None:
    running = Running(replace(part("management", "--ignore-term"), stop_grace_s=0.2))
    await running.until(("up", None))
    pid = running.pid(0)
    await running.end()
    assert not psutil.pid_exists(pid)


async def test_told_to_stop_while_starting_it_stops_what_it_had_started(part: Callable[..., Part]) -> None:
    running = Running(part("redis"), part("frontend", "--never-ready"))
    await running.until(("starting", "frontend"))
    await running.end()
    assert ("up", None) not in running.said
    assert not running.children()


def test_delays_double_up_to_the_longest_and_a_good_run_forgives() -> None:
    policy = RestartPolicy(first_delay_s=0.1, longest_delay_s=5.0, good_run_s=10.0)
    assert [round(policy.delay_s(failures), 3) for failures in (1, 2, 3, 7, 1000)] == [0.1, 0.2, 0.4, 5.0, 5.0]
    assert policy.failures_after(4, ran_s=1.0) == 5
    assert policy.failures_after(4, ran_s=11.0) == 1
