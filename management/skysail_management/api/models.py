"""Models and their versions under /api/v1."""

from fastapi import APIRouter, Response

from skysail_management.api.bodies import BatchingChange, CurrentVersion, NewVersionRequest, Replicas
from skysail_management.api.errors import ERROR_RESPONSES
from skysail_management.api.views import Items, ModelView, VersionView
from skysail_management.errors import NotFoundError
from skysail_management.models import NewVersion
from skysail_management.service import Service

__all__ = ["models_router"]


def models_router(service: Service) -> APIRouter:
    router = APIRouter(prefix="/api/v1/models", tags=["models"], responses=ERROR_RESPONSES)

    @router.get("", summary="List the models")
    async def list_all() -> Items[ModelView]:
        snapshot = await service.snapshot()
        records = sorted(snapshot.models.values(), key=lambda model: model.name)
        return Items(items=[ModelView.of(snapshot, model) for model in records])

    @router.get("/{name}", summary="Show a model")
    async def show(name: str) -> ModelView:
        snapshot = await service.snapshot()
        if name not in snapshot.models:
            raise NotFoundError(f"No model with name '{name}' exists.", field="name")
        return ModelView.of(snapshot, snapshot.models[name])

    @router.patch("/{name}", summary="Change how rows are put into batches")
    async def change(name: str, body: BatchingChange) -> ModelView:
        snapshot, model = await service.amend_batching(name, body.batching())
        return ModelView.of(snapshot, model)

    @router.delete("/{name}", status_code=204, summary="Delete a model with its versions, replicas and artifacts")
    async def delete(name: str, force: bool = False) -> Response:
        await service.delete_model(name, force=force)
        return Response(status_code=204)

    @router.put("/{name}/current", summary="Set the current version: roll forward or back")
    async def set_current(name: str, body: CurrentVersion) -> ModelView:
        snapshot, model = await service.set_current_version(name, body.version, at_once=False)
        return ModelView.of(snapshot, model)

    _add_version_routes(router, service)
    return router


def _add_version_routes(router: APIRouter, service: Service) -> None:
    @router.post("/{name}/versions", status_code=201, summary="Deploy a version")
    async def deploy(name: str, body: NewVersionRequest) -> VersionView:
        facts = body.model_dump(exclude=set(BatchingChange.model_fields))
        snapshot, version = await service.add_version(NewVersion(model=name, batching=body.batching(), **facts))
        return VersionView.of(snapshot, version)

    @router.get("/{name}/versions/{version}", summary="Show a version with its replicas")
    async def show_version(name: str, version: str) -> VersionView:
        snapshot = await service.snapshot()
        record = snapshot.versions.get((name, version))
        if record is None:
            raise NotFoundError(f"Model with name '{name}' and version '{version}' does not exist", field="version")
        return VersionView.of(snapshot, record)

    @router.patch("/{name}/versions/{version}", summary="Set the number of replicas")
    async def scale(name: str, version: str, body: Replicas) -> VersionView:
        snapshot, record = await service.set_n_replicas(name, version, body.n_replicas)
        return VersionView.of(snapshot, record)

    @router.delete("/{name}/versions/{version}", status_code=204, summary="Delete a version")
    async def delete_version(name: str, version: str, force: bool = False) -> Response:
        await service.delete_version(name, version, force=force)
        return Response(status_code=204)
