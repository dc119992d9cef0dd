"""Models and their versions: which is current, how it is batched and replicated, and getting rid of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from skysail_admin.clipper_view import version_view
from skysail_admin.connection import segment
from skysail_admin.errors import InvalidRequestError, NotFoundError
from skysail_admin.records import Model, Version
from skysail_admin.service import Service

__all__ = ["ModelMethods", "VersionName", "version_path"]

VersionName = str | int
"""A version's name; 1 and "1" are the same version."""

_ROOT = "/api/v1/models"


class ModelMethods(Service):
    """Read, switch, scale and delete models."""

    def models(self) -> list[Model]:
        return [Model.from_json(item) for item in self.management.get(_ROOT)["items"]]

    def model(self, name: str) -> Model:
        """:raises NotFoundError: there is none."""
        return Model.from_json(self.management.get(_path(name)))

    def versions(self, name: str) -> list[Version]:
        """:raises NotFoundError: no such model."""
        return [self.version(name, version) for version in self.model(name).versions]

    def version(self, name: str, version: VersionName) -> Version:
        """:raises NotFoundError: no such model or version."""
        return Version.from_json(self.management.get(version_path(name, version)))

    def get_all_models(self, verbose: bool = False) -> list[Any]:
        """`name:version` for every version; with `verbose`, an object for each."""
        if not verbose:
            return [f"{model.name}:{version}" for model in self.models() for version in model.versions]
        return [version_view(version) for model in self.models() for version in self.versions(model.name)]

    def get_model_info(self, name: str, version: VersionName) -> dict[str, Any] | None:
        """An object for the version; None if there is none."""
        try:
            return version_view(self.version(name, version))
        except NotFoundError:
            return None

    def get_current_model_version(self, name: str) -> str | None:
        """:raises NotFoundError: no such model."""
        return self.model(name).current_version

    def set_model_version(self, name: str, version: VersionName, num_replicas: int | None = None) -> Model:
        """Makes a deployed version the current one: a rollback, or forward again. No container is restarted.

        :param num_replicas: scale the version as well.
        :raises NotFoundError: no such model or version.
        """
        if num_replicas is not None:
            self._scale(name, version, num_replicas)
        self.management.put(f"{_path(name)}/current", {"version": str(version)})
        return self.model(name)

    def set_batching(
        self, model: str, policy: str = "deadline", max_batch_rows: int | None = None, batch_delay_micros: int = 0
    ) -> Model:
        """Says how the rows for a model are put into batches, whatever was said before; holds for all its versions.

        :param policy: deadline (as many rows as meet their deadlines), aimd (found by additive increase and
            multiplicative decrease) or fixed (`max_batch_rows`).
        :param max_batch_rows: 1 to 4,096: the size for fixed, which needs it; for the others a cap, None for no cap.
        :param batch_delay_micros: 0 to 1,000,000: how long a batch may wait for more rows.
        :raises NotFoundError: no such model.
        :raises InvalidRequestError: no such policy, or a number that does not do; `.field` names it.
        """
        body = {"batch_policy": policy, "max_batch_rows": max_batch_rows, "batch_delay_micros": batch_delay_micros}
        return Model.from_json(self.management.patch(_path(model), body))

    def set_num_replicas(self, name: str, num_replicas: int, version: VersionName | None = None) -> Version:
        """Asks for so many replicas of the version (of the current one if none is given); they start and stop by
        themselves, `wait_until_ready` waits for it.

        :raises NotFoundError: no such model or version.
        :raises InvalidRequestError: not a number of replicas.
        """
        return self._scale(name, self._version_or_current(name, version), num_replicas)

    def get_num_replicas(self, name: str, version: VersionName | None = None) -> int:
        """How many replicas the version (the current one if none is given) should have."""
        return self.version(name, self._version_or_current(name, version)).n_replicas

    def delete_model(self, name: str, force: bool = False) -> None:
        """Deletes a model with all its versions, replicas and artifacts.

        :param force: even if applications are linked to it (their links go too) or have it as their fallback.
        :raises InUseError: an application is linked to it or has it as its fallback.
        :raises NotFoundError: there is none.
        """
        self.management.delete(_path(name), {"force": "true"} if force else None)

    def delete_models(self, names: Iterable[str], force: bool = False) -> None:
        for name in names:
            self.delete_model(name, force)

    def delete_model_version(self, name: str, version: VersionName, force: bool = False) -> None:
        """:raises InUseError: it is the current version of a model that is linked or a fallback."""
        self.management.delete(version_path(name, version), {"force": "true"} if force else None)

    def stop_models(self, model_names: Iterable[str]) -> None:
        """Stops the replicas of every version of the models; the models stay deployed."""
        for name in model_names:
            self._stop_versions(name, self.model(name).versions)

    def stop_versioned_models(self, model_versions_dict: Mapping[str, Iterable[VersionName]]) -> None:
        """Stops the replicas of the versions given for each model."""
        for name, versions in model_versions_dict.items():
            self._stop_versions(name, versions)

    def stop_inactive_model_versions(self, model_names: Iterable[str]) -> None:
        """Stops the replicas of every version of the models but the current ones."""
        for name in model_names:
            model = self.model(name)
            self._stop_versions(name, [version for version in model.versions if version != model.current_version])

    def _stop_versions(self, name: str, versions: Iterable[VersionName]) -> None:
        for version in versions:
            self._scale(name, version, 0)

    def _scale(self, name: str, version: VersionName, num_replicas: int) -> Version:
        body = {"n_replicas": num_replicas}
        return Version.from_json(self.management.patch(version_path(name, version), body))

    def _version_or_current(self, name: str, version: VersionName | None) -> VersionName:
        if version is not None:
            return version
        current = self.get_current_model_version(name)
        if current is None:
            raise InvalidRequestError(f"model {name!r} has no current version; say which one is meant", field="version")
        return current


def version_path(name: str, version: VersionName) -> str:
    return f"{_path(name)}/versions/{segment(version)}"


def _path(name: str) -> str:
    return f"{_ROOT}/{segment(name)}"
