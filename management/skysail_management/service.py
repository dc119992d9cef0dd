"""What management does on request: read the registry, change it by a decision, and keep the artifacts in step.

HTTP-free. Every method raises RegistryUnavailableError when Redis does not answer; what it returned from is written.
"""

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from skysail_management import applications, batching, models
from skysail_management.applications import ApplicationAmendment, NewApplication, NewLink
from skysail_management.artifact_schema import read_schema
from skysail_management.artifacts import Artifact, ArtifactStore
from skysail_management.batching import BatchingAmendment
from skysail_management.container_log import ContainerLogs, LogText
from skysail_management.errors import InvalidError, NotFoundError, RegistryEmptyError
from skysail_management.models import NewVersion
from skysail_management.records import Application, Entry, Model, Snapshot, Version
from skysail_management.store import Registry

__all__ = ["Service"]

MAX_LOG_LINES = 10_000


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Service:
    """The service layer under both HTTP interfaces."""

    def __init__(
        self,
        registry: Registry,
        artifacts: ArtifactStore,
        logs: ContainerLogs,
        now: Callable[[], datetime] = _utc_now,
    ) -> None:
        self._registry = registry
        self._artifacts = artifacts
        self._logs = logs
        self._now = now

    async def snapshot(self) -> Snapshot:
        """:raises RegistryEmptyError: Redis holds no registry."""
        snapshot = await self._registry.snapshot()
        if snapshot is None:
            raise RegistryEmptyError("Redis holds no registry: it lost its data, or it is the wrong Redis")
        return snapshot

    async def _change(self, decide: Callable[[Snapshot], Sequence[Entry]]) -> Snapshot:
        """Write the decision; the registry after it. Artifacts that only deleted versions referred to are removed."""
        seen: list[Snapshot] = []

        def observed(snapshot: Snapshot) -> Sequence[Entry]:
            entries = decide(snapshot)
            seen[:] = [snapshot, snapshot.with_entries(entries, snapshot.revision + 1)]
            return entries

        await self._registry.transact(observed)
        before, after = seen
        await self._artifacts.remove(_referenced(before) - _referenced(after))
        return after

    async def register_application(self, new: NewApplication) -> Application:
        """:raises InvalidError: :raises ConflictError: see applications.register_application."""
        after = await self._change(lambda s: applications.register_application(s, new, self._now()))
        return after.applications[new.name]

    async def update_application(self, name: str, amendment: ApplicationAmendment) -> Application:
        """:raises NotFoundError: :raises InvalidError: :raises ConflictError: see applications.update_application."""
        after = await self._change(lambda s: applications.update_application(s, name, amendment))
        return after.applications[name]

    async def delete_application(self, name: str) -> None:
        """:raises NotFoundError: no such application."""
        await self._change(lambda s: applications.delete_application(s, name))

    async def link_models(self, application: str, links: Sequence[NewLink]) -> Application:
        """:raises NotFoundError: :raises ConflictError: see applications.link_models."""
        after = await self._change(lambda s: applications.link_models(s, application, links))
        return after.applications[application]

    async def unlink_models(self, application: str, names: Sequence[str]) -> None:
        """:raises NotFoundError: no such application or link."""
        await self._change(lambda s: applications.unlink_models(s, application, names))

    async def add_version(self, new: NewVersion) -> tuple[Snapshot, Version]:
        """Register a version; its artifact must have been uploaded. Its schema is the one that the artifact brings.

        :raises InvalidError: :raises ConflictError: see models.add_version and artifact_schema.read_schema.
        :raises NotFoundError: the artifact is not in the store.
        """
        if new.artifact is not None and not self._artifacts.pin(new.artifact):
            raise NotFoundError(
                f"artifact: {new.artifact[:80]!r} is not in the store; upload it: PUT /api/v1/artifacts/<sha256>",
                field="artifact",
            )
        known = new
        if new.artifact is not None:
            schema = await asyncio.to_thread(read_schema, self._artifacts.folder(new.artifact))
            known = dataclasses.replace(new, input_schema=schema)
        after = await self._change(lambda s: models.add_version(s, known, self._now()))
        if new.artifact is not None:
            self._artifacts.unpin(new.artifact)
        return after, after.versions[new.model, new.version]

    async def set_current_version(self, model: str, version: str, *, at_once: bool) -> tuple[Snapshot, Model]:
        """:raises NotFoundError: no such version."""
        after = await self._change(lambda s: models.set_current_version(s, model, version, at_once=at_once))
        return after, after.models[model]

    async def amend_batching(self, model: str, amendment: BatchingAmendment) -> tuple[Snapshot, Model]:
        """:raises NotFoundError: :raises InvalidError: see batching.amend_batching."""
        after = await self._change(lambda s: batching.amend_batching(s, model, amendment))
        return after, after.models[model]

    async def set_n_replicas(self, model: str, version: str, n_replicas: int) -> tuple[Snapshot, Version]:
        """:raises NotFoundError: :raises InvalidError: see models.set_n_replicas."""
        after = await self._change(lambda s: models.set_n_replicas(s, model, version, n_replicas))
        return after, after.versions[model, version]

    async def delete_version(self, model: str, version: str, *, force: bool) -> None:
        """:raises NotFoundError: :raises InUseError: see models.delete_version."""
        await self._change(lambda s: models.delete_version(s, model, version, force=force))

    async def delete_model(self, name: str, *, force: bool) -> None:
        """:raises NotFoundError: :raises InUseError: see models.delete_model."""
        await self._change(lambda s: models.delete_model(s, name, force=force))

    async def put_artifact(self, sha256: str, body: AsyncIterator[bytes]) -> Artifact:
        """Take in an archive, if it is not there already.

        :raises InvalidError: :raises TooLargeError: :raises StorageFullError: see ArtifactStore.put.
        """
        return await self._artifacts.put(sha256, body)

    def artifact(self, sha256: str) -> Artifact:
        """:raises NotFoundError: it is not in the store."""
        if not self._artifacts.pin(sha256):
            raise NotFoundError(f"artifact {sha256[:80]!r} is not in the store", field="sha256")
        return self._artifacts.describe(sha256)

    def artifact_file(self, sha256: str) -> Path:
        """The archive as it was uploaded; it stays for some minutes at least.

        :raises NotFoundError: it is not in the store.
        """
        return self._artifacts.file(self.artifact(sha256).sha256)

    async def remove_forgotten_artifacts(self, older_than_s: float) -> None:
        """Remove old archives that no version refers to; none while the registry may not tell all: empty or corrupt."""
        snapshot = await self.snapshot()
        if not snapshot.is_empty and not snapshot.corrupt:
            await self._artifacts.remove(self._artifacts.stored(older_than_s) - _referenced(snapshot))

    async def read_log(
        self, model: str, version: str, replica_id: int, *, tail: int | None, offset: int | None
    ) -> LogText:
        """A replica's output: what follows `offset`, else the last `tail` lines; each line says whose it is.

        :raises NotFoundError: no such version, or a replica it never had.
        :raises InvalidError: a negative offset, or too many lines.
        """
        snapshot = await self.snapshot()
        is_known = (model, version, replica_id) in snapshot.replicas or (
            (model, version) in snapshot.versions and self._logs.path(model, version, replica_id).is_file()
        )
        if not is_known:
            raise NotFoundError(f"There is no replica {replica_id} of model '{model}' version '{version}'")
        if offset is not None:
            log = self._logs.read(model, version, replica_id, _checked_range("offset", offset, 1 << 62))
        else:
            n_lines = _checked_range("tail", 200 if tail is None else tail, MAX_LOG_LINES)
            log = self._logs.tail(model, version, replica_id, n_lines)
        return log.prefixed(f"{model}:{version}/{replica_id} | ")


def _checked_range(field: str, value: int, highest: int) -> int:
    if not 0 <= value <= highest:
        raise InvalidError(f"{field}: expected 0 to {highest}, got {value}", field=field)
    return value


def _referenced(snapshot: Snapshot) -> set[str]:
    versions: Iterable[Version] = snapshot.versions.values()
    return {version.artifact for version in versions if version.artifact is not None}
