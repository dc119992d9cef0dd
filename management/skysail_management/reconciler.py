"""Keeps what runs equal to what the registry wants, through one backend, as long as management lives.

It acts on its last known copy of the registry: while Redis is away, containers that die are started again all the
same, and the registry learns of it later. Latency: an event is acted on at once; a wish as soon as its change arrives.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from contextlib import aclosing
from datetime import UTC, datetime

from skysail_management.backend import Backend, BackendEvent, ContainerBuilding, ContainerExited, ContainerReady
from skysail_management.completion import complete
from skysail_management.container_log import ContainerLogs
from skysail_management.errors import ManagementError, RegistryUnavailableError
from skysail_management.fleet import Action, Fleet, Start, Stop, VersionKey
from skysail_management.records import Change, Entry, Lost, Snapshot
from skysail_management.registry_sync import entries_at_rest, entries_of_fleet
from skysail_management.replica_slot import Moment
from skysail_management.store import Registry

__all__ = ["Reconciler", "RegistryCopy", "moment"]

logger = logging.getLogger(__name__)

_SYNC_AGAIN_S = 1.0
"""After a write that Redis did not take."""


def moment() -> Moment:
    """Now, by both clocks."""
    return Moment(time.monotonic(), datetime.now(UTC))


class RegistryCopy:
    """The last known copy of the registry, kept up to date by `run`; `lost` says why it may be old."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self.snapshot: Snapshot | None = None
        self.lost: str | None = "not read yet"
        self.changed = asyncio.Event()

    async def run(self) -> None:
        """Follow the registry. Never ends."""
        async with aclosing(self._registry.follow()) as events:
            async for event in events:
                self._take(event)

    def _take(self, event: Snapshot | Change | Lost) -> None:
        match event:
            case Snapshot():
                self.snapshot, self.lost = event, None
            case Change() if self.snapshot is not None:
                self.snapshot = self.snapshot.with_entries(event.entries, event.revision)
            case Lost():
                self.lost = event.reason
        self.changed.set()


class Reconciler:
    """Owns the fleet. `run` until cancelled, then `shut_down`."""

    def __init__(
        self,
        registry: Registry,
        copy: RegistryCopy,
        backend: Backend,
        logs: ContainerLogs,
        *,
        start_limit_s: float,
        build_limit_s: float = 0.0,
        observe_duration_s: Callable[[float], None] = lambda _: None,
    ) -> None:
        self._registry = registry
        self._copy = copy
        self._backend = backend
        self._logs = logs
        self._observe_duration_s = observe_duration_s
        self._fleet = Fleet(start_limit_s, build_limit_s)
        self._events: list[BackendEvent] = []
        self._known_versions: set[VersionKey] = set()
        self._sync_due_s: float | None = None

    async def run(self) -> None:
        """Adopt what runs already, then reconcile at every event. Never ends."""
        while self._copy.snapshot is None:
            await self._copy.changed.wait()
            self._copy.changed.clear()
        await self._adopt(self._copy.snapshot)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._collect_events(), name="backend events")
            tasks.create_task(self._reconcile_forever(), name="reconcile")

    async def _adopt(self, snapshot: Snapshot) -> None:
        """Take over from an earlier process. An empty registry is no reason to end what serves: Redis may be new."""
        versions = snapshot.versions
        candidates = [(r, versions[key[:2]]) for key, r in snapshot.replicas.items() if key[:2] in versions]
        for key in await self._backend.adopt(candidates, end_strays=not snapshot.is_empty):
            self._fleet.adopt(snapshot.replicas[key], versions[key[:2]], moment())

    async def _collect_events(self) -> None:
        while True:
            event = await self._backend.next_event()
            self._events.append(event)  # the list of now: the one of before the wait may have been taken
            self._copy.changed.set()

    async def _reconcile_forever(self) -> None:
        while True:
            self._copy.changed.clear()
            started_s = time.perf_counter()
            await self._reconcile()
            self._observe_duration_s(time.perf_counter() - started_s)
            await self._wait_for_work()

    async def _wait_for_work(self) -> None:
        times = [at for at in (self._fleet.wake_at_s(), self._sync_due_s) if at is not None]
        limit_s = max(0.0, min(times) - time.monotonic()) if times else None
        try:
            async with asyncio.timeout(limit_s):
                await self._copy.changed.wait()
        except TimeoutError:
            return

    async def _reconcile(self) -> None:
        snapshot = self._copy.snapshot
        if snapshot is None:
            return
        actions = self._take_events()
        current = frozenset((m.name, m.current_version) for m in snapshot.models.values() if m.current_version)
        actions += self._fleet.want(snapshot.versions.values(), moment(), current)
        actions += self._fleet.tick(moment())
        await complete(self._start_all(actions))
        await self._sync(lambda current: entries_of_fleet(current, self._fleet))
        self._stop(actions)
        self._forget_logs(snapshot)

    def _take_events(self) -> list[Action]:
        events, self._events = self._events, []
        actions: list[Action] = []
        for event in events:
            match event:
                case ContainerBuilding():
                    self._fleet.building(event.key, event.progress, moment())
                case ContainerReady():
                    self._fleet.became_ready(event.key, moment(), event.report)
                case ContainerExited():
                    actions += self._fleet.exited(event.key, event.reason, moment(), is_final=event.is_final)
        return actions

    async def _start_all(self, actions: Sequence[Action]) -> None:
        await asyncio.gather(*(self._start(action) for action in actions if isinstance(action, Start)))

    async def _start(self, action: Start) -> None:
        key = (action.version.model, action.version.version, action.replica_id)
        try:
            launched = await self._backend.start(action.version, action.replica_id)
        except ManagementError as error:
            logger.warning("cannot start %s:%s:%d: %s", *key, error)
            self._fleet.exited(key, str(error), moment())
        else:
            self._fleet.started(key, launched.address, launched.pid)

    def _stop(self, actions: Sequence[Action]) -> None:
        for action in actions:
            if isinstance(action, Stop):
                self._backend.stop(action.key)

    async def _sync(self, entries: Callable[[Snapshot], Sequence[Entry]]) -> None:
        """Write what the registry does not know yet; later, if Redis does not take it now."""
        self._sync_due_s = None
        if self._copy.lost is not None or self._copy.snapshot is None or not entries(self._copy.snapshot):
            return
        try:
            await self._registry.transact(entries)
        except RegistryUnavailableError as error:
            logger.warning("the state of the replicas is not written yet: %s", error)
            self._sync_due_s = time.monotonic() + _SYNC_AGAIN_S

    def _forget_logs(self, snapshot: Snapshot) -> None:
        """Remove the logs of versions that are neither in the registry nor running any more."""
        running = {key[:2] for key in self._fleet.slots}
        for key in self._known_versions - snapshot.versions.keys() - running:
            self._logs.remove(*key)
        self._known_versions = set(snapshot.versions) | running

    async def shut_down(self, limit_s: float) -> None:
        """Drain and end every container and say so in the registry. What is wanted stays wanted."""
        actions = self._fleet.want_nothing(moment())
        await self._sync(lambda current: entries_of_fleet(current, self._fleet))
        self._stop(actions)
        try:
            async with asyncio.timeout(limit_s):
                await self._see_all_end()
        except TimeoutError:
            logger.error("containers that did not end within %g s: %s", limit_s, list(self._fleet.slots))  # noqa: TRY400
        await self._sync(entries_at_rest)

    async def _see_all_end(self) -> None:
        self._take_events()
        while self._fleet.slots:
            event = await self._backend.next_event()
            if isinstance(event, ContainerExited):
                self._fleet.exited(event.key, event.reason, moment())
