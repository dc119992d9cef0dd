"""The application: all routes, behind the gate, counted."""

from fastapi import FastAPI
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from skysail_management.api.applications import applications_router
from skysail_management.api.artifacts import ARTIFACTS_PATH, artifacts_router
from skysail_management.api.clipper import clipper_router
from skysail_management.api.errors import install_error_handlers
from skysail_management.api.guard import BodyLimit, Gate
from skysail_management.api.models import models_router
from skysail_management.api.replicas import replicas_router
from skysail_management.api.status import status_router
from skysail_management.metrics import Metrics
from skysail_management.reconciler import RegistryCopy
from skysail_management.service import Service
from skysail_management.store import Registry

__all__ = ["build_app"]

_DESCRIPTION = """Applications, models, versions, links and replicas of one Skysail.
Errors are objects `{"error": {"code", "message", "field"}}`. The routes under `/admin` are Clipper's."""


def build_app(
    *,
    service: Service,
    registry: Registry,
    copy: RegistryCopy,
    metrics: Metrics,
    version: str,
    backend: str,
    token: str | None,
    max_archive_bytes: int,
) -> ASGIApp:
    """Management as an ASGI application."""
    app = FastAPI(title="Skysail management", version=version, description=_DESCRIPTION, redoc_url=None)
    install_error_handlers(app)
    app.include_router(status_router(registry, copy, metrics, version, backend))
    app.include_router(applications_router(service))
    app.include_router(models_router(service))
    app.include_router(artifacts_router(service, max_archive_bytes))
    app.include_router(replicas_router(service))
    app.include_router(clipper_router(service))
    return Gate(_Counted(BodyLimit(app, ARTIFACTS_PATH), metrics), token)


class _Counted:
    """Counts what is answered, by the template of the route, so that scanners create no series."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = 500

        async def observed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, observed)
        finally:
            route = getattr(scope.get("route"), "path", "unmatched")
            method = scope["method"] if route != "unmatched" else "any"
            self._metrics.requests.labels(method, route, str(status)).inc()
