"""The reconciler over a real registry and real processes, and over a Redis that comes and goes."""

import asyncio
import os
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import psutil
import pytest

from harness.fake_container import FAKE_CONTAINER_COMMAND
from harness.model_archives import in_pieces, model_archive
from harness.redis_server import RedisServer
from skysail_management.artifacts import ArtifactStore
from skysail_management.container_log import ContainerLogs
from skysail_management.container_process import find_containers
from skysail_management.local_backend import LocalBackend
from skysail_management.models import NewVersion
from skysail_management.reconciler import Reconciler, RegistryCopy
from skysail_management.records import Replica, Snapshot
from skysail_management.service import Service
from skysail_management.store import Registry


class Stack:
    """Management without HTTP."""

    def __init__(self, registry: Registry, root: Path) -> None:
        self.registry = registry
        self.artifacts = ArtifactStore(root / "artifacts")
        self.artifacts.prepare()
        self.logs = ContainerLogs(root / "logs")
        self.sockets = root / "s"
        self.sockets.mkdir(exist_ok=True)
        self.copy = RegistryCopy(registry)
        self.service = Service(registry, self.artifacts, self.logs)

    @asynccontextmanager
    async def running(self, *, is_graceful: bool = True) -> AsyncIterator[None]:
        """Reconcile; not graceful: leave everything as a killed process does."""
        async with LocalBackend(
            self.artifacts, self.logs, self.sockets, drain_limit_s=5, command=FAKE_CONTAINER_COMMAND
        ) as backend:
            reconciler = Reconciler(self.registry, self.copy, backend, self.logs, start_limit_s=60)
            async with asyncio.TaskGroup() as tasks:
                work = [tasks.create_task(self.copy.run()), tasks.create_task(reconciler.run())]
                yield
                for task in work:
                    task.cancel()
            if is_graceful:
                await reconciler.shut_down(10)

    async def deploy(self, version: str, behaviour: str = "listen", n_replicas: int = 1, text: str = "") -> str:
        archive = model_archive(f"# {behaviour}\n# {text}\n")
        await self.artifacts.put(archive.sha256, in_pieces(archive.body))
        await self.service.add_version(
            NewVersion("m", version, "doubles", artifact=archive.sha256, n_replicas=n_replicas)
        )
        return archive.sha256

    async def until(self, condition: Callable[[Snapshot], bool]) -> Snapshot:
        """The registry once it fulfils the condition."""
        snapshot = Snapshot("", 0)
        async with asyncio.timeout(15), aclosing(self.registry.follow()) as events:
            async for event in events:
                if isinstance(event, Snapshot):
                    snapshot = event
                elif not hasattr(event, "reason"):
                    snapshot = snapshot.with_entries(event.entries, event.revision)
                if condition(snapshot):
                    return snapshot
        raise AssertionError("following never ends")

    async def until_ready(self, n_replicas: int = 1, version: str = "1") -> list[Replica]:
        snapshot = await self.until(lambda s: len(ready(s, version)) == n_replicas)
        return ready(snapshot, version)


def ready(snapshot: Snapshot, version: str = "1") -> list[Replica]:
    return [r for r in snapshot.replicas.values() if r.state == "ready" and r.version == version]


def kill_and_reap(pid: int | None) -> None:
    """End a container whose backend is gone: here its parent is the test."""
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


@pytest.fixture
def root() -> Iterator[Path]:
    root = Path(tempfile.mkdtemp(prefix="skc-", dir="/tmp"))  # unix socket paths are short
    yield root
    for container in find_containers(root / "artifacts"):
        kill_and_reap(container.pid)
    shutil.rmtree(root)


@pytest.fixture
def stack(registry: Registry, root: Path) -> Stack:
    return Stack(registry, root)


async def test_a_deployed_version_becomes_ready_and_scales(stack: Stack) -> None:
    async with stack.running():
        await stack.deploy("1")
        (replica,) = await stack.until_ready()
        assert replica.address.startswith(f"unix:{stack.sockets}/")
        await stack.service.set_n_replicas("m", "1", 3)
        assert {r.replica_id for r in await stack.until_ready(3)} == {0, 1, 2}
        await stack.service.set_n_replicas("m", "1", 1)
        snapshot = await stack.until(lambda s: len(s.replicas) == 1)
        assert ready(snapshot) == [replica], "the one that stays is not touched"
        await stack.service.set_n_replicas("m", "1", 0)
        snapshot = await stack.until(lambda s: not s.replicas)
        assert snapshot.versions["m", "1"].state == "stopped"


async def test_a_killed_container_is_started_again(stack: Stack) -> None:
    async with stack.running():
        await stack.deploy("1")
        (before,) = await stack.until_ready()
        assert before.pid is not None
        os.kill(before.pid, signal.SIGKILL)
        snapshot = await stack.until(lambda s: any(r.state == "backoff" for r in s.replicas.values()))
        (broken,) = snapshot.replicas.values()
        assert (broken.restarts, broken.pid) == (1, None)
        assert broken.reason.startswith("the container was killed (SIGKILL)")
        (after,) = await stack.until_ready()
        assert after.pid != before.pid
        assert (after.restarts, after.reason) == (1, broken.reason), "why it was started again is still told"


async def test_a_version_that_cannot_start_fails_with_its_last_words_and_takes_over_from_nobody(stack: Stack) -> None:
    async with stack.running():
        await stack.deploy("1")
        await stack.until_ready()
        await stack.deploy("2", "crash")
        snapshot = await stack.until(lambda s: s.versions["m", "2"].state == "failed")
        assert "exit status 7" in snapshot.versions["m", "2"].reason
        assert (snapshot.models["m"].current_version, snapshot.models["m"].next_version) == ("1", None)
        snapshot = await stack.until(lambda s: ("m", "2", 0) not in s.replicas)
        assert ready(snapshot, "1"), "the old version goes on"
        assert "fake container" in (await stack.service.read_log("m", "2", 0, tail=5, offset=None)).text


async def test_a_version_without_an_artifact_fails_with_a_reason(stack: Stack) -> None:
    async with stack.running():
        await stack.service.add_version(NewVersion("m", "1", "doubles", container_image="image"))
        snapshot = await stack.until(lambda s: s.versions["m", "1"].state == "failed")
        assert "has no artifact" in snapshot.versions["m", "1"].reason


async def test_the_next_version_becomes_current_when_it_is_ready_and_back_again(stack: Stack) -> None:
    async with stack.running():
        await stack.deploy("1")
        await stack.until_ready()
        await stack.deploy("2")
        snapshot = await stack.until(lambda s: s.models["m"].current_version == "2")
        assert snapshot.models["m"].next_version is None
        assert ready(snapshot, "1"), "the old version stays, to go back to"
        await stack.service.set_n_replicas("m", "1", 0)
        await stack.until(lambda s: not ready(s, "1"))
        _, model = await stack.service.set_current_version("m", "1", at_once=False)
        assert (model.current_version, model.next_version) == ("2", "1")
        await stack.until(lambda s: s.models["m"].current_version == "1")


async def test_a_deleted_model_leaves_no_process_no_artifact_and_no_log(stack: Stack) -> None:
    async with stack.running():
        sha256 = await stack.deploy("1", n_replicas=2)
        await stack.until_ready(2)
        await stack.service.delete_model("m", force=False)
        assert not stack.artifacts.has(sha256)
        snapshot = await stack.service.snapshot()
        assert snapshot.is_empty
        assert snapshot.replicas == {}
        async with asyncio.timeout(10):
            while find_containers(stack.artifacts.directory) or stack.logs.path("m", "1", 0).exists():  # noqa: ASYNC110
                await asyncio.sleep(0.02)


async def test_an_artifact_that_another_version_needs_stays(stack: Stack) -> None:
    async with stack.running():
        sha256 = await stack.deploy("1", n_replicas=0)
        await stack.deploy("2", n_replicas=0)
        await stack.service.delete_version("m", "1", force=False)
        assert stack.artifacts.has(sha256)
        await stack.service.delete_version("m", "2", force=False)
        assert not stack.artifacts.has(sha256)


async def test_a_version_deleted_and_deployed_again_runs_the_new_artifact(stack: Stack) -> None:
    async with stack.running():
        await stack.deploy("1", text="old")
        (old,) = await stack.until_ready()
        await stack.service.delete_version("m", "1", force=False)
        sha256 = await stack.deploy("1", text="new")
        (new,) = await stack.until_ready()
        assert new.pid != old.pid
        assert new.pid is not None
        assert f"{stack.artifacts.folder(sha256)}" in psutil.Process(new.pid).cmdline()


async def test_a_graceful_stop_ends_the_containers_and_the_next_start_brings_them_back(
    stack: Stack, registry: Registry, root: Path
) -> None:
    async with stack.running():
        await stack.deploy("1", n_replicas=2)
        await stack.until_ready(2)
    snapshot = await stack.service.snapshot()
    assert snapshot.replicas == {}
    assert (snapshot.versions["m", "1"].state, snapshot.versions["m", "1"].n_replicas) == ("stopped", 2)
    assert find_containers(stack.artifacts.directory) == []
    again = Stack(registry, root)
    async with again.running():
        await again.until_ready(2)


async def test_after_a_crash_the_running_containers_are_adopted_and_nothing_is_written(
    stack: Stack, registry: Registry, root: Path
) -> None:
    async with stack.running(is_graceful=False):
        await stack.deploy("1", n_replicas=2)
        before = await stack.until_ready(2)
    revision = (await stack.service.snapshot()).revision
    kill_and_reap(before[1].pid)
    again = Stack(registry, root)
    async with again.running():
        after = await again.until(lambda s: len(ready(s)) == 2 and s.revision > revision)
        assert before[0] in ready(after), "the survivor's record is the same to the letter"
        assert {r.pid for r in ready(after)} != {r.pid for r in before}


async def test_while_redis_is_away_containers_are_kept_running_and_the_registry_learns_of_it_later(
    own_redis: RedisServer, root: Path
) -> None:
    registry = Registry.from_url(own_redis.url)
    await registry.initialize()
    stack = Stack(registry, root)
    async with stack.running():
        await stack.deploy("1")
        (before,) = await stack.until_ready()
        own_redis.kill()
        os.kill(before.pid or 0, signal.SIGKILL)
        async with asyncio.timeout(10):
            while not find_containers(stack.artifacts.directory):  # noqa: ASYNC110  # a process is nothing to await
                await asyncio.sleep(0.02)
        own_redis.start()
        snapshot = await stack.until(lambda s: [r.restarts for r in ready(s)] == [1])
        assert ready(snapshot)[0].pid != before.pid
    await registry.aclose()


async def test_a_redis_that_lost_its_data_stops_no_container(
    stack: Stack, redis_server: RedisServer, registry: Registry, root: Path
) -> None:
    async with stack.running(is_graceful=False):
        await stack.deploy("1")
        (replica,) = await stack.until_ready()
        redis_server.wipe()
        async with asyncio.timeout(10):
            while stack.copy.lost is None:
                await stack.copy.changed.wait()
                await asyncio.sleep(0)
        assert [c.pid for c in find_containers(stack.artifacts.directory)] == [replica.pid]
    await registry.initialize()
    again = Stack(registry, root)
    async with again.running():
        async with asyncio.timeout(10):
            while again.copy.snapshot is None:
                await again.copy.changed.wait()
                await asyncio.sleep(0)
        await again.deploy("9")
        await again.until_ready(version="9")
        assert replica.pid in [c.pid for c in find_containers(stack.artifacts.directory)]
