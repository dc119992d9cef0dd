"""The local backend with real processes: starting, dying, draining, adopting."""

import asyncio
import os
import re
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest

from harness.fake_container import FAKE_CONTAINER_COMMAND
from harness.management_server import wait_until
from harness.model_archives import in_pieces, model_archive
from harness.registry_samples import a_replica, a_version
from skysail_management.artifacts import ArtifactStore
from skysail_management.backend import BackendEvent, ContainerExited, ContainerReady, Launched
from skysail_management.container_family import MARK
from skysail_management.container_log import ContainerLogs
from skysail_management.container_process import find_containers
from skysail_management.errors import ManagementError
from skysail_management.local_backend import LocalBackend
from skysail_management.records import Replica, Version

KEY = ("m", "1", 0)
FORKED = re.compile(r"(child|daemon) (\d+)")
KILLED = "the container was killed (SIGKILL): by the kernel's out-of-memory killer or by hand"


class Place:
    """A data directory, and backends over it one after the other, as management processes come and go."""

    def __init__(self, root: Path) -> None:
        self.artifacts = ArtifactStore(root / "artifacts")
        self.artifacts.prepare()
        self.logs = ContainerLogs(root / "logs")
        self.sockets = root / "s"
        self.sockets.mkdir()

    @asynccontextmanager
    async def backend(
        self, drain_limit_s: float = 5, tcp_host: str | None = None, lifeline_fd: int | None = None
    ) -> AsyncIterator[LocalBackend]:
        async with LocalBackend(
            self.artifacts,
            self.logs,
            self.sockets,
            drain_limit_s=drain_limit_s,
            tcp_host=tcp_host,
            lifeline_fd=lifeline_fd,
            command=FAKE_CONTAINER_COMMAND,
        ) as backend:
            yield backend

    async def version(self, behaviour: str) -> Version:
        archive = model_archive(f"# {behaviour}\n")
        await self.artifacts.put(archive.sha256, in_pieces(archive.body))
        return a_version(artifact=archive.sha256)


@pytest.fixture
def place() -> Iterator[Place]:
    root = Path(tempfile.mkdtemp(prefix="skb-", dir="/tmp"))  # unix socket paths are short
    yield Place(root)
    for container in find_containers(root / "artifacts"):
        os.kill(container.pid, signal.SIGKILL)
        reap(container.pid)
    shutil.rmtree(root)


def reap(pid: int) -> int:
    """The exit status of a container whose backend is gone: here its parent is the test."""
    return os.waitpid(pid, 0)[1]


async def event_of(backend: LocalBackend) -> BackendEvent:
    async with asyncio.timeout(10):
        return await backend.next_event()


def record_of(launched: Launched, state: str = "ready") -> Replica:
    return a_replica(address=launched.address, pid=launched.pid, state=state)


async def test_a_container_is_ready_when_it_listens_and_its_end_is_told_with_its_last_words(place: Place) -> None:
    async with place.backend() as backend:
        launched = await backend.start(await place.version("listen"), 0)
        assert await event_of(backend) == ContainerReady(KEY)
        os.kill(launched.pid, signal.SIGKILL)
        assert await event_of(backend) == ContainerExited(KEY, f"{KILLED}\nfake container of m:1 # listen")
        assert list(place.sockets.iterdir()) == []
        assert "fake container of m:1" in place.logs.tail(*KEY, 10).text


async def test_a_container_that_crashes_says_how(place: Place) -> None:
    async with place.backend() as backend:
        await backend.start(await place.version("crash"), 0)
        event = await event_of(backend)
        assert isinstance(event, ContainerExited)
        assert event.reason.startswith(
            "the container ended with exit status 7: its model ended the process\nfake container"
        )


async def test_a_container_that_is_stopped_may_drain(place: Place) -> None:
    async with place.backend() as backend:
        await backend.start(await place.version("listen"), 0)
        await event_of(backend)
        backend.stop(KEY)
        event = await event_of(backend)
        assert isinstance(event, ContainerExited)
        assert event.reason.startswith("the container ended with exit status 0")


async def test_a_container_that_does_not_drain_is_killed(place: Place) -> None:
    async with place.backend(drain_limit_s=0.2) as backend:
        await backend.start(await place.version("stubborn"), 0)
        await event_of(backend)
        backend.stop(KEY)
        event = await event_of(backend)
        assert isinstance(event, ContainerExited)
        assert event.reason.startswith(KILLED)


async def test_stopping_what_does_not_run_does_nothing(place: Place) -> None:
    async with place.backend() as backend:
        backend.stop(KEY)


async def test_without_an_artifact_nothing_is_started(place: Place) -> None:
    async with place.backend() as backend:
        with pytest.raises(ManagementError, match="has no artifact"):
            await backend.start(a_version(), 0)
        with pytest.raises(ManagementError, match="is not in the store"):
            await backend.start(a_version(artifact="0" * 64), 0)


async def test_containers_get_none_of_our_settings(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SKYSAIL_TOKEN", "secret")
    async with place.backend() as backend:
        launched = await backend.start(await place.version("listen"), 0)
        await event_of(backend)
        environment = psutil.Process(launched.pid).environ()
        assert [name for name in environment if name.startswith("SKYSAIL_")] == [MARK]


async def test_containers_inherit_the_lifeline_and_nothing_else_of_ours(place: Place) -> None:
    lifeline, holder = os.pipe()
    try:
        async with place.backend(lifeline_fd=lifeline) as backend:
            launched = await backend.start(await place.version("listen"), 0)
            await event_of(backend)
            process = psutil.Process(launched.pid)
            assert process.cmdline()[-2:] == ["--lifeline-fd", str(lifeline)]
            inherited = {int(name) for name in os.listdir(f"/proc/{launched.pid}/fd")}  # noqa: PTH208  # not a real path
            assert lifeline in inherited
            assert holder not in inherited
    finally:
        os.close(lifeline)
        os.close(holder)


async def test_over_tcp_a_container_gets_a_free_port(place: Place) -> None:
    async with place.backend(tcp_host="127.0.0.1") as backend:
        launched = await backend.start(await place.version("hang"), 0)
        host, _, port = launched.address.removeprefix("tcp:").rpartition(":")
        assert (host, int(port) > 1023) == ("127.0.0.1", True)


async def test_the_next_process_adopts_what_runs_and_sees_its_end(place: Place) -> None:
    version = await place.version("listen")
    async with place.backend() as first:
        launched = await first.start(version, 0)
        await event_of(first)
    async with place.backend() as second:
        assert await second.adopt([(record_of(launched), version)], end_strays=True) == {KEY}
        assert await event_of(second) == ContainerReady(KEY)
        os.kill(launched.pid, signal.SIGKILL)
        event = await event_of(second)
        assert isinstance(event, ContainerExited)
        assert event.reason.startswith("the container ended\n")
    reap(launched.pid)


async def test_an_adopted_container_can_be_stopped(place: Place) -> None:
    version = await place.version("stubborn")
    async with place.backend() as first:
        launched = await first.start(version, 0)
        await event_of(first)
    async with place.backend(drain_limit_s=0.1) as second:
        await second.adopt([(record_of(launched, "starting"), version)], end_strays=True)
        assert await event_of(second) == ContainerReady(KEY)
        second.stop(KEY)
        assert isinstance(await event_of(second), ContainerExited)
    reap(launched.pid)


@pytest.mark.parametrize("wrong", ["nobody", "another pid", "stopping", "not listening"])
async def test_what_no_record_rightly_tells_of_is_ended(place: Place, wrong: str) -> None:
    version = await place.version("hang" if wrong == "not listening" else "listen")
    async with place.backend() as first:
        launched = await first.start(version, 0)
        if wrong != "not listening":
            await event_of(first)
        await asyncio.to_thread(
            wait_until, lambda: find_containers(place.artifacts.directory)
        )  # amid exec it has no name
    records = {
        "nobody": [],
        "another pid": [a_replica(address=launched.address, pid=os.getpid())],
        "stopping": [record_of(launched, "stopping")],
        "not listening": [record_of(launched)],
    }[wrong]
    async with place.backend() as second:
        assert await second.adopt([(record, version) for record in records], end_strays=True) == set()
    assert reap(launched.pid) == signal.SIGKILL
    assert list(place.sockets.iterdir()) == []


async def test_a_pid_that_went_to_somebody_else_is_left_alone(place: Place) -> None:
    async with place.backend() as backend:
        record = a_replica(address=f"unix:{place.sockets}/x.sock", pid=os.getpid())
        assert await backend.adopt([(record, a_version())], end_strays=True) == set()


async def test_strays_may_be_spared(place: Place) -> None:
    async with place.backend() as first:
        launched = await first.start(await place.version("listen"), 0)
        await event_of(first)
    async with place.backend() as second:
        assert await second.adopt([], end_strays=False) == set()
    assert psutil.pid_exists(launched.pid)


async def detached(place: Place, backend: LocalBackend) -> tuple[Launched, Version, list[int]]:
    """A ready container, and the two processes that it forked: one is its child, the other went far away."""
    version = await place.version("detach")
    launched = await backend.start(version, 0)
    assert await event_of(backend) == ContainerReady(KEY)
    found = await asyncio.to_thread(wait_until, lambda: both_of(place), what="two more processes")
    pids = [int(found["child"]), int(found["daemon"])]
    assert os.getsid(pids[1]) not in (launched.pid, os.getsid(0))
    return launched, version, pids


def both_of(place: Place) -> dict[str, str] | None:
    found = dict(FORKED.findall(place.logs.tail(*KEY, 10).text))
    return found if len(found) == 2 else None


def is_running(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


async def test_what_a_container_forked_is_gone_when_its_end_is_told(place: Place) -> None:
    async with place.backend() as backend:
        launched, _, pids = await detached(place, backend)
        os.kill(launched.pid, signal.SIGKILL)
        assert isinstance(await event_of(backend), ContainerExited)
        assert not any(map(is_running, pids))
        last = place.logs.tail(*KEY, 1).text  # the other one may have gone with the group before it was counted
        assert re.search(r"skysail: ended [12] processes that its model left behind$", last.rstrip())


async def test_an_adopted_container_keeps_what_it_forked_until_it_ends(place: Place) -> None:
    async with place.backend() as first:
        launched, version, pids = await detached(place, first)
    async with place.backend() as second:
        assert await second.adopt([(record_of(launched), version)], end_strays=True) == {KEY}
        assert await event_of(second) == ContainerReady(KEY)
        assert all(map(is_running, pids))
        os.kill(launched.pid, signal.SIGKILL)
        assert isinstance(await event_of(second), ContainerExited)
        assert not any(map(is_running, pids))
    reap(launched.pid)


@pytest.mark.parametrize("is_alive", [True, False], ids=["a stray", "ended while nobody watched"])
async def test_what_a_container_of_nobody_forked_is_ended_or_spared_with_it(place: Place, *, is_alive: bool) -> None:
    async with place.backend() as first:
        launched, _, pids = await detached(place, first)
    if not is_alive:
        os.kill(launched.pid, signal.SIGKILL)
        reap(launched.pid)
    async with place.backend() as second:
        assert await second.adopt([], end_strays=False) == set()
        assert all(map(is_running, pids))
        assert await second.adopt([], end_strays=True) == set()
        assert not any(map(is_running, pids))
    if is_alive:
        assert reap(launched.pid) == signal.SIGKILL
