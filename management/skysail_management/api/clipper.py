"""Clipper's management routes over the same service layer: its paths, its fields, its texts.

Read in Clipper's source (commit 9f25e3fc, src/management). A success is a text or JSON with 200, an error a text with
400. What Clipper registers has no artifact: its versions are known and current, and get their containers elsewhere.
"""

from fastapi import APIRouter
from fastapi.responses import JSONResponse, PlainTextResponse

from skysail_management.api import clipper_bodies as bodies
from skysail_management.api.clipper_views import application_object, container_object, default_output_of, model_object
from skysail_management.applications import NewApplication, NewLink
from skysail_management.errors import InvalidError, NotFoundError
from skysail_management.models import NewVersion
from skysail_management.service import Service

__all__ = ["clipper_router"]


def clipper_router(service: Service) -> APIRouter:
    router = APIRouter(prefix="/admin", tags=["Clipper"], default_response_class=PlainTextResponse)
    _add_application_routes(router, service)
    _add_model_routes(router, service)
    _add_link_routes(router, service)
    _add_query_routes(router, service)

    @router.get("/ping")
    async def ping() -> str:
        return "PONG"

    return router


def _add_application_routes(router: APIRouter, service: Service) -> None:
    @router.post("/add_app")
    async def add_app(body: bodies.AddApp) -> str:
        output = default_output_of(body.default_output)
        new = NewApplication(body.name, body.input_type, output, body.latency_slo_micros, "latency_slo_micros")
        await service.register_application(new)
        return f"Successfully added application with name '{body.name}'"

    @router.post("/delete_app")
    async def delete_app(body: bodies.ByName) -> str:
        await service.delete_application(body.name)
        return f"Successfully deleted application with name '{body.name}'"

    @router.post("/get_all_applications")
    async def get_all_applications(body: bodies.Verbosity) -> JSONResponse:
        snapshot = await service.snapshot()
        records = [snapshot.applications[name] for name in sorted(snapshot.applications)]
        return JSONResponse([application_object(a) if body.verbose else a.name for a in records])

    @router.post("/get_application")
    async def get_application(body: bodies.ByName) -> JSONResponse:
        application = (await service.snapshot()).applications.get(body.name)
        return JSONResponse({} if application is None else application_object(application))


def _add_model_routes(router: APIRouter, service: Service) -> None:
    @router.post("/add_model")
    async def add_model(body: bodies.AddModel) -> str:
        new = NewVersion(
            body.model_name,
            body.model_version,
            body.input_type,
            labels=body.labels,
            n_replicas=0,
            batch_size=body.batch_size,
            container_image=body.container_name,
            model_data_path=body.model_data_path,
            at_once=True,
        )
        _, version = await service.add_version(new)
        return f"Successfully added model with name '{version.model}' and input type '{version.input_type}'"

    @router.post("/delete_versioned_model")
    async def delete_versioned_model(body: bodies.ByModelVersion) -> str:
        await service.delete_version(body.model_name, body.model_version, force=True)
        return f"Successfully deleted model with name '{body.model_name}' and version '{body.model_version}'"

    @router.post("/set_model_version")
    async def set_model_version(body: bodies.ByModelVersion) -> str:
        await service.set_current_version(body.model_name, body.model_version, at_once=True)
        return f"Successfully set model with name '{body.model_name}' to version '{body.model_version}'"

    @router.post("/get_all_models")
    async def get_all_models(body: bodies.Verbosity) -> JSONResponse:
        snapshot = await service.snapshot()
        records = [snapshot.versions[key] for key in sorted(snapshot.versions)]
        return JSONResponse([model_object(snapshot, v) if body.verbose else f"{v.model}:{v.version}" for v in records])

    @router.post("/get_model")
    async def get_model(body: bodies.ByModelVersion) -> JSONResponse:
        snapshot = await service.snapshot()
        version = snapshot.versions.get((body.model_name, body.model_version))
        return JSONResponse({} if version is None else model_object(snapshot, version))


def _add_link_routes(router: APIRouter, service: Service) -> None:
    @router.post("/add_model_links")
    async def add_model_links(body: bodies.ModelLinks) -> str:
        if not body.model_names:
            raise InvalidError("model_names: expected at least one name, got none", field="model_names")
        await service.link_models(body.app_name, [NewLink(name) for name in body.model_names])
        names = "', '".join(body.model_names)
        return f"Successfully linked model with name '{names}' to application '{body.app_name}'"

    @router.post("/delete_model_links")
    async def delete_model_links(body: bodies.ModelLinks) -> str:
        await service.unlink_models(body.app_name, body.model_names)
        return "Success!"

    @router.post("/get_linked_models")
    async def get_linked_models(body: bodies.ByAppName) -> JSONResponse:
        application = (await service.snapshot()).applications.get(body.app_name)
        if application is None:
            raise NotFoundError(f"No app with name '{body.app_name}' exists.", field="app_name")
        return JSONResponse([link.model for link in application.links])


def _add_query_routes(router: APIRouter, service: Service) -> None:
    @router.post("/get_all_containers")
    async def get_all_containers(body: bodies.Verbosity) -> JSONResponse:
        snapshot = await service.snapshot()
        records = [snapshot.replicas[key] for key in sorted(snapshot.replicas)]
        if body.verbose:
            return JSONResponse([container_object(snapshot, replica) for replica in records])
        return JSONResponse([f"{r.model}:{r.version}:{r.replica_id}" for r in records])

    @router.post("/get_container")
    async def get_container(body: bodies.ByReplica) -> JSONResponse:
        snapshot = await service.snapshot()
        replica = snapshot.replicas.get((body.model_name, body.model_version, body.replica_id))
        return JSONResponse({} if replica is None else container_object(snapshot, replica))

    @router.post("/get_state")
    async def get_state(body: bodies.GetState) -> JSONResponse:
        application = (await service.snapshot()).applications.get(body.app_name)
        if application is None:
            raise NotFoundError(f"No app with name '{body.app_name}' exists.", field="app_name")
        links = [{"model": link.model, "role": link.role, "weight": link.weight} for link in application.links]
        return JSONResponse({"app_name": body.app_name, "uid": body.uid, "links": links})
