"""Replicas: the running containers, and what they write."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

from skysail_admin.clipper_view import replica_view
from skysail_admin.connection import segment
from skysail_admin.errors import NotFoundError
from skysail_admin.models import VersionName
from skysail_admin.records import Replica, from_json
from skysail_admin.service import Service

__all__ = ["ReplicaMethods"]

_ROOT = "/api/v1/replicas"
_OFFSET_HEADER = "x-skysail-log-offset"
_FOLLOW_INTERVAL_S = 0.5


class ReplicaMethods(Service):
    """Read replicas and their logs."""

    def replicas(self, name: str | None = None, version: VersionName | None = None) -> list[Replica]:
        """All replicas, or those of one model, or of one version."""
        found = [from_json(Replica, item) for item in self.management.get(_ROOT)["items"]]
        return [
            replica
            for replica in found
            if name in (None, replica.model) and (version is None or replica.version == str(version))
        ]

    def get_all_model_replicas(self, verbose: bool = False) -> list[Any]:
        """`name:version:replica` for every replica; with `verbose`, an object for each."""
        return [replica_view(replica) if verbose else replica.key for replica in self.replicas()]

    def get_model_replica_info(self, name: str, version: VersionName, replica_id: int) -> dict[str, Any] | None:
        """An object for the replica; None if there is none."""
        found = [replica for replica in self.replicas(name, version) if replica.replica_id == int(replica_id)]
        return replica_view(found[0]) if found else None

    def get_container_logs(
        self, name: str, version: VersionName, replica_id: int | None = None, tail: int = 200
    ) -> str:
        """The last `tail` lines that a replica's container wrote (the version's first replica if none is given).

        :raises NotFoundError: no such replica, or it has written nothing.
        """
        return self.management.text(self._log_path(name, version, replica_id), {"tail": tail})

    logs = get_container_logs

    def follow_container_logs(
        self,
        name: str,
        version: VersionName,
        replica_id: int | None = None,
        tail: int = 20,
        sleep: Callable[[float], object] = time.sleep,
    ) -> Iterator[str]:
        """The last `tail` lines, then what is added, as it comes; ends when the replica is gone."""
        path = self._log_path(name, version, replica_id)
        response = self.management.send("GET", path, params={"tail": tail})
        while True:
            if response.text:
                yield response.text
            sleep(_FOLLOW_INTERVAL_S)
            try:
                response = self.management.send("GET", path, params={"offset": response.headers[_OFFSET_HEADER]})
            except NotFoundError:
                return

    def _log_path(self, name: str, version: VersionName, replica_id: int | None) -> str:
        chosen = self._first_replica(name, version) if replica_id is None else replica_id
        return f"{_ROOT}/{segment(name)}/{segment(version)}/{int(chosen)}/logs"

    def _first_replica(self, name: str, version: VersionName) -> int:
        """The lowest; 0 if there is none any more, whose log may still be there."""
        return min((replica.replica_id for replica in self.replicas(name, version)), default=0)
