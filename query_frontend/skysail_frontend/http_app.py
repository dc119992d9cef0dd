"""The FastAPI application beside the lane: the same predict route, feedback, health, metrics and the OpenAPI page."""

import asyncio
import time
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

import msgspec
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from skysail_frontend.application import Application, error_body
from skysail_frontend.catalog import Catalog
from skysail_frontend.errors import RequestRefusedError
from skysail_frontend.exposition import clipper_json, prometheus_text
from skysail_frontend.feedback import FeedbackBook, parse_feedback
from skysail_frontend.openapi import PREDICT, UPDATE
from skysail_frontend.predict_options import options_of
from skysail_frontend.query import Query
from skysail_frontend.registry_watch import RegistryWatch
from skysail_frontend.settings import Settings
from skysail_management.store import RegistryUnavailableError

__all__ = ["http_app"]

JSON = "application/json"
PROMETHEUS_TEXT = "text/plain; version=0.0.4; charset=utf-8"


class FutureSink:
    """The sink of a request that came through ASGI: its response is a future."""

    def __init__(self) -> None:
        self.response: asyncio.Future[Response] = asyncio.get_running_loop().create_future()

    def answered(self, position: int, answer: bytes) -> None:
        self._set(Response(answer, media_type=JSON))

    def refused(self, _position: int, status: int, body: bytes) -> None:
        self._set(Response(body, status_code=status, media_type=JSON))

    def _set(self, response: Response) -> None:
        if not self.response.done():
            self.response.set_result(response)


def http_app(catalog: Catalog, watch: RegistryWatch, feedback: FeedbackBook, settings: Settings) -> FastAPI:
    """All routes. The lane serves the predict route before it gets here, with the same answers."""
    app = FastAPI(
        title="Skysail query frontend",
        version="0.1.0",
        description="Predictions within each application's latency objective.",
    )
    _add_errors(app)
    _add_predict(app, catalog)
    _add_update(app, catalog, feedback)
    _add_health(app, watch)
    _add_metrics(app, settings)
    return app


def _add_predict(app: FastAPI, catalog: Catalog) -> None:
    async def predict(name: str, request: Request) -> Response:
        options = options_of(request.scope["headers"])
        body = await request.body()
        sink = FutureSink()
        queries = catalog.ask(name, body, sink, 0, time.monotonic(), options)
        return await _answer_or_cancel(sink, queries, request)

    for path, in_schema in (("/{name}/predict", True), ("/{name}/predict/", False)):
        app.add_api_route(path, predict, methods=["POST"], include_in_schema=in_schema, **PREDICT)


async def _answer_or_cancel(sink: FutureSink, queries: Sequence[Query], request: Request) -> Response:
    """Waits for the response; cancels the queries when the client goes."""
    if sink.response.done():
        return sink.response.result()
    gone = asyncio.get_running_loop().create_task(_until_gone(request), name="client gone")
    try:
        waiting: set[asyncio.Future[Any]] = {sink.response, gone}
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        gone.cancel()
        if not sink.response.done():
            _cancel_all(queries)
    return sink.response.result() if sink.response.done() else Response(status_code=HTTPStatus.BAD_REQUEST)


def _cancel_all(queries: Sequence[Query]) -> None:
    for query in queries:
        query.cancel()


async def _until_gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _add_update(app: FastAPI, catalog: Catalog, feedback: FeedbackBook) -> None:
    async def update(name: str, request: Request) -> Response:
        application = catalog.applications.get(name)
        if application is None:
            raise catalog.unknown_application(name)
        body = await request.body()
        given = parse_feedback(body)
        if isinstance(given.query_id, int):
            record = await feedback.join(application, given.query_id, given.label)
            answer = {"status": "joined", "model": record.model, "version": record.version}
            return Response(msgspec.json.encode(answer), media_type=JSON)
        return await _clipper_update(application, feedback, body, given.label)

    for path, in_schema in (("/{name}/update", True), ("/{name}/update/", False)):
        app.add_api_route(path, update, methods=["POST"], include_in_schema=in_schema, **UPDATE)


async def _clipper_update(application: Application, feedback: FeedbackBook, body: bytes, label: Any) -> Response:
    """Clipper's feedback names an input, not a query: it is predicted again and joined with that prediction."""
    sink = FutureSink()
    primary, fallback = application.served, application.fallback
    application.ask(body, sink, 0, time.monotonic())
    answer = msgspec.json.decode((await sink.response).body)
    served = fallback if "fallback" in answer else primary
    if served is not None and not answer["default"]:
        dispatcher = served.dispatcher
        await feedback.score(application, dispatcher.model, dispatcher.version, answer["output"], label)
    return Response("Feedback received? 1", media_type="text/plain")


def _add_health(app: FastAPI, watch: RegistryWatch) -> None:
    async def healthz() -> dict[str, str]:
        """The process lives."""
        return {"status": "ok"}

    async def readyz(response: Response) -> dict[str, Any]:
        """The registry has been read once; `registry` tells whether its changes are being followed now."""
        if not watch.has_copy:
            response.status_code = HTTPStatus.SERVICE_UNAVAILABLE
        return {
            "status": "ready" if watch.has_copy else "starting",
            "registry": watch.lost_reason or "connected",
        }

    app.add_api_route("/healthz", healthz, methods=["GET"], tags=["health"])
    app.add_api_route("/readyz", readyz, methods=["GET"], tags=["health"])


def _add_metrics(app: FastAPI, settings: Settings) -> None:
    async def metrics(request: Request) -> Response:
        """Prometheus text of all workers together; Clipper's JSON for `Accept: application/json`."""
        if JSON in request.headers.get("accept", ""):
            return Response(msgspec.json.encode(clipper_json(settings.run_dir)), media_type=JSON)
        return Response(prometheus_text(settings.run_dir), media_type=PROMETHEUS_TEXT)

    app.add_api_route("/metrics", metrics, methods=["GET"], tags=["health"], response_class=Response)


def _add_errors(app: FastAPI) -> None:
    async def refused(_: Request, error: Exception) -> Response:
        assert isinstance(error, RequestRefusedError)  # noqa: S101  # registered for this type
        return Response(error_body(error.error, error.cause), status_code=error.status, media_type=JSON)

    async def unavailable(_: Request, error: Exception) -> Response:
        body = error_body("Query processing error", f"the registry is unavailable, try again: {error}")
        return Response(body, status_code=HTTPStatus.SERVICE_UNAVAILABLE, media_type=JSON)

    async def http_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101  # registered for this type
        cause = f"{request.method} {request.url.path}: {error.detail}"
        headers = dict(error.headers) if error.headers else None
        return Response(error_body("HTTP error", cause), error.status_code, headers, media_type=JSON)

    async def invalid(_: Request, error: Exception) -> Response:
        return Response(error_body("Json error", str(error)), HTTPStatus.BAD_REQUEST, media_type=JSON)

    async def gone(_: Request, __: Exception) -> Response:
        return Response(status_code=HTTPStatus.BAD_REQUEST)  # nobody reads it

    app.add_exception_handler(RequestRefusedError, refused)
    app.add_exception_handler(ClientDisconnect, gone)
    app.add_exception_handler(RegistryUnavailableError, unavailable)
    app.add_exception_handler(HTTPException, http_error)
    app.add_exception_handler(RequestValidationError, invalid)
