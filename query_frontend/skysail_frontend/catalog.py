"""What this worker serves: applications and dispatchers, kept in step with the registry's records."""

import logging
from collections.abc import Callable, Sequence
from typing import Protocol

from skysail_frontend.application import Application, error_body
from skysail_frontend.dispatcher import Dispatcher
from skysail_frontend.errors import RequestRefusedError
from skysail_frontend.metrics import FrontendMetrics
from skysail_frontend.predict_options import PredictOptions
from skysail_frontend.prediction_cache import PredictionCache
from skysail_frontend.prediction_recorder import PredictionRecorder
from skysail_frontend.query import DefaultReason, Query, QuerySink
from skysail_frontend.query_ids import QueryIds
from skysail_frontend.served_version import ServedVersion
from skysail_management.records import Application as ApplicationRecord
from skysail_management.records import InputSchema, InputType, Model, Snapshot, Version

__all__ = ["Catalog", "RequestSink"]

logger = logging.getLogger(__name__)

VersionKey = tuple[str, str]
INTERNAL_ERROR = error_body("Query processing error", "internal error; the frontend's log has the details")


class RequestSink(QuerySink, Protocol):
    """Who waits for the response of a request; exactly one of its methods is called, once a request."""

    def refused(self, position: int, status: int, body: bytes) -> None: ...


class Catalog:
    """Applications by name, model versions by model and version.

    Invariant: after `adopt` both follow from the snapshot alone, whatever was there before; queries already taken in
    keep the application and the version they have.

    :param cache: of predictions; None keeps none
    """

    def __init__(
        self,
        metrics: FrontendMetrics,
        query_ids: QueryIds,
        make_dispatcher: Callable[[Version], Dispatcher],
        max_request_rows: int,
        recorder: PredictionRecorder,
        cache: PredictionCache | None,
    ) -> None:
        self.applications: dict[str, Application] = {}
        self.versions: dict[VersionKey, ServedVersion] = {}
        self.snapshot: Snapshot | None = None
        self._metrics = metrics
        self._query_ids = query_ids
        self._make_dispatcher = make_dispatcher
        self._max_request_rows = max_request_rows
        self._recorder = recorder
        self._cache = cache

    def ask(
        self,
        app: str,
        body: bytes,
        sink: RequestSink,
        position: int,
        now_s: float,
        options: PredictOptions | None = None,
    ) -> Sequence[Query]:
        """One predict request. The sink is told in every case, with `position`; what is returned can be cancelled.

        :param options: what the request's head asks for
        """
        application = self.applications.get(app)
        if application is None:
            self._metrics.unknown_application_errors.add(1.0)
            _refuse(sink, position, self.unknown_application(app))
            return ()
        try:
            return application.ask(body, sink, position, now_s, options)
        except RequestRefusedError as error:
            application.metrics.errors.add(1.0)
            _refuse(sink, position, error)
        except Exception:
            logger.exception("a request for %s failed in the frontend", app)
            sink.refused(position, 500, INTERNAL_ERROR)
        return ()

    def unknown_application(self, app: str) -> RequestRefusedError:
        """404 for a name no application has; 503 as long as it is not known which there are."""
        if self.snapshot is None:
            return RequestRefusedError.processing("the registry has not been read yet, try again", status=503)
        return RequestRefusedError.processing(f"no application named {app!r} is registered", status=404)

    async def adopt(self, snapshot: Snapshot) -> None:
        """Serves what `snapshot` says, from now on."""
        if self.snapshot is None:
            self._metrics.forget_all_but(snapshot.applications, snapshot.versions)
        self.snapshot = snapshot
        await self._adopt_versions(snapshot)
        self._adopt_applications(snapshot)
        self._metrics.revision.set(snapshot.revision)

    async def close(self) -> None:
        """Answers what still waits with the default output and closes all connections to replicas."""
        for served in self.versions.values():
            await served.close(DefaultReason.SHUTDOWN)

    def update_gauges(self) -> None:
        for served in self.versions.values():
            served.update_gauges()

    async def _adopt_versions(self, snapshot: Snapshot) -> None:
        for key in [key for key in self.versions if key not in snapshot.versions]:
            await self.versions.pop(key).close(DefaultReason.NO_REPLICA)
            self._metrics.forget_model(*key)
        addresses: dict[VersionKey, dict[int, str]] = {key: {} for key in snapshot.versions}
        for (model, version, replica), record in snapshot.replicas.items():
            if record.state == "ready" and (model, version) in addresses:
                addresses[model, version][replica] = record.address
        for key, version_record in snapshot.versions.items():
            if key not in self.versions:
                self.versions[key] = self._served(version_record)
            dispatcher = self.versions[key].dispatcher
            owner = snapshot.models.get(key[0])
            if owner is not None:
                dispatcher.set_policy(owner.batch_policy, owner.max_batch_rows, owner.batch_delay_micros * 1e-6)
            await dispatcher.set_replicas(addresses[key])

    def _adopt_applications(self, snapshot: Snapshot) -> None:
        for name in [name for name in self.applications if name not in snapshot.applications]:
            del self.applications[name]
            self._metrics.forget_application(name)
        for name, record in snapshot.applications.items():
            application = self.applications.get(name)
            if application is None or application.record.input_type != record.input_type:
                application = self._application(record)
                self.applications[name] = application
            elif application.record != record:
                application.amend(record)
            self._route(application, snapshot)

    def _served(self, record: Version) -> ServedVersion:
        dispatcher = self._make_dispatcher(record)
        shelf = None if self._cache is None else self._cache.shelf()
        return ServedVersion(dispatcher, shelf, self._recorder)

    def _application(self, record: ApplicationRecord) -> Application:
        metrics = self._metrics.application(record.name)
        return Application(record, metrics, self._query_ids, self._max_request_rows)

    def _route(self, application: Application, snapshot: Snapshot) -> None:
        """Sends the application's queries to its first primary link; without one, to its first link with a weight. What
        is not taken in there goes to its fallback model."""
        links = application.record.links
        usable = [link for link in links if link.role == "primary"] or [
            link for link in links if link.role == "candidate" and link.weight > 0
        ]
        model = next((snapshot.models[link.model] for link in usable if link.model in snapshot.models), None)
        application.model = None if model is None else model.name
        application.served = self._current(model)
        application.versions = {
            version: served for (name, version), served in self.versions.items() if name == application.model
        }
        schemas = _schemas(snapshot, application.record.input_type, application.model)
        application.check_by(schemas, "" if model is None else model.current_version or "")
        fallback = self._current(snapshot.models.get(application.record.fallback_model or ""))
        application.fallback = None if fallback is application.served else fallback

    def _current(self, model: Model | None) -> ServedVersion | None:
        if model is None or model.current_version is None:
            return None
        return self.versions.get((model.name, model.current_version))


def _schemas(snapshot: Snapshot, input_type: InputType, model: str | None) -> dict[str, InputSchema]:
    """Of the versions of `model` that have one."""
    return {
        record.version: record.input_schema
        for record in snapshot.versions.values()
        if record.model == model and record.input_schema is not None and record.input_type == input_type
    }


def _refuse(sink: RequestSink, position: int, error: RequestRefusedError) -> None:
    sink.refused(position, error.status, error_body(error.error, error.cause))
