"""Applications and their links under /api/v1."""

from fastapi import APIRouter, Response
from msgspec import UNSET

from skysail_management.api.bodies import ApplicationChange, LinkRequest, NewApplicationRequest
from skysail_management.api.errors import ERROR_RESPONSES
from skysail_management.api.views import ApplicationView, Items
from skysail_management.applications import ApplicationAmendment, NewApplication, NewLink
from skysail_management.errors import InvalidError, NotFoundError
from skysail_management.service import Service

__all__ = ["applications_router"]


def applications_router(service: Service) -> APIRouter:
    router = APIRouter(prefix="/api/v1/applications", tags=["applications"], responses=ERROR_RESPONSES)

    @router.post("", status_code=201, summary="Register an application")
    async def register(body: NewApplicationRequest) -> ApplicationView:
        new = NewApplication(
            body.name,
            body.input_type,
            body.default_output,
            _micros(body.latency_slo_ms),
            fallback_model=body.fallback_model,
            priority=body.priority,
            cache=body.cache,
        )
        return ApplicationView.of(await service.register_application(new))

    @router.get("", summary="List the applications")
    async def list_all() -> Items[ApplicationView]:
        snapshot = await service.snapshot()
        records = sorted(snapshot.applications.values(), key=lambda application: application.name)
        return Items(items=[ApplicationView.of(application) for application in records])

    @router.get("/{name}", summary="Show an application")
    async def show(name: str) -> ApplicationView:
        application = (await service.snapshot()).applications.get(name)
        if application is None:
            raise NotFoundError(f"Application '{name}' does not exist", field="name")
        return ApplicationView.of(application)

    @router.patch("/{name}", summary="Change anything but the name, the input type and the links")
    async def change(name: str, body: ApplicationChange) -> ApplicationView:
        return ApplicationView.of(await service.update_application(name, _amendment(body)))

    @router.delete("/{name}", status_code=204, summary="Delete an application with its links and feedback")
    async def delete(name: str) -> Response:
        await service.delete_application(name)
        return Response(status_code=204)

    _add_link_routes(router, service)
    return router


def _add_link_routes(router: APIRouter, service: Service) -> None:
    @router.post("/{name}/links", status_code=201, summary="Link a model")
    async def link(name: str, body: LinkRequest) -> ApplicationView:
        application = await service.link_models(name, [NewLink(body.model, body.role, body.weight)])
        return ApplicationView.of(application)

    @router.delete("/{name}/links/{model}", status_code=204, summary="Unlink a model")
    async def unlink(name: str, model: str) -> Response:
        await service.unlink_models(name, [model])
        return Response(status_code=204)


def _amendment(body: ApplicationChange) -> ApplicationAmendment:
    """What of it was said; null is a value for the default output and for the fallback only."""
    return ApplicationAmendment(
        latency_slo_micros=UNSET if body.latency_slo_ms is None else _micros(body.latency_slo_ms),
        default_output=body.default_output if "default_output" in body.model_fields_set else UNSET,
        fallback_model=body.fallback_model if "fallback_model" in body.model_fields_set else UNSET,
        priority=UNSET if body.priority is None else body.priority,
        cache=UNSET if body.cache is None else body.cache,
    )


def _micros(latency_slo_ms: float) -> int:
    try:
        return round(latency_slo_ms * 1000)
    except (OverflowError, ValueError) as error:
        message = f"latency_slo_ms: expected more than 0 and at most one hour, got {latency_slo_ms}"
        raise InvalidError(message, field="latency_slo_ms") from error
