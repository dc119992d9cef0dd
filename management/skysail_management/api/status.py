"""What operators and supervisors look at: health, readiness, status and metrics."""

import asyncio
import logging
from collections import Counter

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from skysail_management.api.errors import ERROR_RESPONSES
from skysail_management.errors import RegistryUnavailableError
from skysail_management.metrics import Metrics
from skysail_management.reconciler import RegistryCopy
from skysail_management.store import OutcomeSummary, Registry

__all__ = ["RegistryStatus", "StatusView", "status_router"]

logger = logging.getLogger(__name__)

_OUTCOMES_LIMIT_S = 2.0


class RegistryStatus(BaseModel):
    """The registry as management sees it."""

    reachable: bool
    id: str | None
    revision: int | None


class StatusView(BaseModel):
    """Management at a glance, from its last known copy of the registry."""

    version: str
    backend: str
    registry: RegistryStatus
    applications: int
    models: int
    replicas: dict[str, int] = Field(examples=[{"ready": 2, "starting": 0, "backoff": 0}])


class Health(BaseModel):
    """A word."""

    status: str = Field(examples=["ok"])


def status_router(registry: Registry, copy: RegistryCopy, metrics: Metrics, version: str, backend: str) -> APIRouter:
    router = APIRouter(tags=["status"])

    @router.get("/healthz", summary="Whether the process lives")
    async def healthz() -> Health:
        return Health(status="ok")

    @router.get("/readyz", summary="Whether requests can be served", responses={503: ERROR_RESPONSES[503]})
    async def readyz() -> Health:
        if copy.lost is not None:
            raise RegistryUnavailableError(copy.lost)
        return Health(status="ready")

    @router.get("/api/v1/status", summary="Management at a glance")
    async def status() -> StatusView:
        snapshot = copy.snapshot
        states = Counter(replica.state for replica in snapshot.replicas.values()) if snapshot is not None else Counter()
        return StatusView(
            version=version,
            backend=backend,
            registry=RegistryStatus(
                reachable=copy.lost is None,
                id=None if snapshot is None else snapshot.registry_id,
                revision=None if snapshot is None else snapshot.revision,
            ),
            applications=0 if snapshot is None else len(snapshot.applications),
            models=0 if snapshot is None else len(snapshot.models),
            replicas={state: states[state] for state in ("ready", "starting", "backoff")},
        )

    @router.get("/metrics", summary="Prometheus metrics", response_class=Response)
    async def show_metrics() -> Response:
        text = metrics.exposition(await _outcomes(registry, copy))
        return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")

    return router


async def _outcomes(registry: Registry, copy: RegistryCopy) -> dict[tuple[str, str, str], OutcomeSummary]:
    """The rolling qualities; none while Redis is away, for a scrape must not wait for it."""
    if copy.lost is not None:
        return {}
    try:
        async with asyncio.timeout(_OUTCOMES_LIMIT_S):
            return await registry.outcomes()
    except (RegistryUnavailableError, TimeoutError) as error:
        logger.warning("no model quality in this scrape: %s", error)
        return {}
