"""Model archives under /api/v1."""

import asyncio
from collections.abc import AsyncIterator

from fastapi import APIRouter, Request, Response
from fastapi.responses import FileResponse, JSONResponse

from skysail_management.api.errors import ERROR_RESPONSES
from skysail_management.api.views import ArtifactView
from skysail_management.errors import InvalidError, TooLargeError
from skysail_management.service import Service

__all__ = ["ARTIFACTS_PATH", "artifacts_router"]

ARTIFACTS_PATH = "/api/v1/artifacts/"

_ZIP = {"application/zip": {"schema": {"type": "string", "format": "binary"}}}
_ZIP_BODY = {"requestBody": {"required": True, "content": _ZIP}}

_SILENCE_LIMIT_S = 60.0
"""Between two pieces of an upload."""


def artifacts_router(service: Service, max_archive_bytes: int) -> APIRouter:
    router = APIRouter(prefix="/api/v1/artifacts", tags=["artifacts"], responses=ERROR_RESPONSES)

    @router.put(
        "/{sha256}",
        status_code=201,
        summary="Upload a model archive (zip)",
        response_model=ArtifactView,
        responses={200: {"model": ArtifactView, "description": "it was there before"}},
        openapi_extra=_ZIP_BODY,
    )
    async def upload(sha256: str, request: Request) -> JSONResponse:
        """The body is a zip of one folder with skysail.json or model.py at its top; the name is its own sha256."""
        announced = request.headers.get("content-length", "0")
        if announced.isdigit() and int(announced) > max_archive_bytes:
            message = f"artifact: expected at most {max_archive_bytes} bytes, got {announced}"
            raise TooLargeError(message, field="artifact")
        artifact = await service.put_artifact(sha256, _flowing(request.stream()))
        return JSONResponse(ArtifactView.of(artifact).model_dump(), 201 if artifact.is_new else 200)

    @router.head("/{sha256}", summary="Ask whether an archive is there")
    async def ask(sha256: str) -> Response:
        service.artifact(sha256)
        return Response(status_code=200)

    @router.get(
        "/{sha256}",
        summary="Download a model archive (zip)",
        response_class=FileResponse,
        responses={200: {"content": _ZIP, "description": "the bytes as they were uploaded"}},
    )
    async def download(sha256: str) -> FileResponse:
        return FileResponse(service.artifact_file(sha256), media_type="application/zip")

    return router


async def _flowing(stream: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The pieces of a body, as long as they keep coming."""
    while True:
        try:
            async with asyncio.timeout(_SILENCE_LIMIT_S):
                piece = await anext(stream)
        except StopAsyncIteration:
            return
        except TimeoutError as error:
            message = f"artifact: nothing of the body arrived for {_SILENCE_LIMIT_S:g} s"
            raise InvalidError(message, field="artifact") from error
        yield piece
