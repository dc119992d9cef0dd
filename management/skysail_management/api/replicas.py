"""Replicas and their logs under /api/v1."""

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import PlainTextResponse

from skysail_management.api.errors import ERROR_RESPONSES
from skysail_management.api.views import Items, ReplicaView
from skysail_management.service import Service

__all__ = ["replicas_router"]


def replicas_router(service: Service) -> APIRouter:
    router = APIRouter(prefix="/api/v1/replicas", tags=["replicas"], responses=ERROR_RESPONSES)

    @router.get("", summary="List the replicas")
    async def list_all() -> Items[ReplicaView]:
        snapshot = await service.snapshot()
        return Items(items=[ReplicaView.of(snapshot.replicas[key]) for key in sorted(snapshot.replicas)])

    @router.get(
        "/{model}/{version}/{replica_id}/logs",
        summary="Read what a replica's container wrote",
        response_class=PlainTextResponse,
    )
    async def read_log(
        model: str,
        version: str,
        replica_id: int,
        tail: Annotated[int | None, Query(description="the last lines; 200 if nothing else is asked for")] = None,
        offset: Annotated[int | None, Query(description="what follows this offset, to go on reading")] = None,
    ) -> PlainTextResponse:
        """The header `x-skysail-log-offset` is the offset to go on from."""
        log = await service.read_log(model, version, replica_id, tail=tail, offset=offset)
        return PlainTextResponse(log.text, headers={"x-skysail-log-offset": str(log.next_offset)})

    return router
