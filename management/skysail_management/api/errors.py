"""Every error as an answer: an object for our interface, a text for Clipper's."""

import logging
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from skysail_management.errors import (
    ConflictError,
    InvalidError,
    ManagementError,
    NotFoundError,
    RegistryEmptyError,
    RegistryUnavailableError,
    StorageFullError,
    TooLargeError,
)

__all__ = ["ERROR_RESPONSES", "ErrorBody", "ErrorFacts", "error_response", "install_error_handlers"]

logger = logging.getLogger(__name__)

_STATUS: dict[type[ManagementError], int] = {
    InvalidError: 400,
    NotFoundError: 404,
    ConflictError: 409,
    TooLargeError: 413,
    RegistryUnavailableError: 503,
    StorageFullError: 507,
}

_REDIS_HINT = "Predictions go on from the last known state. Start Redis or check --redis-url; this recovers by itself."


_EMPTY_HINT = "Nothing that runs is stopped. Bring the data back, or restart management to begin a new registry."


class ErrorFacts(BaseModel):
    """What went wrong."""

    code: str = Field(description="a word to match on", examples=["not_found"])
    message: str = Field(description="a sentence for people", examples=["Application 'news' does not exist"])
    field: str | None = Field(default=None, description="the input field at fault, if it is one", examples=["name"])


class ErrorBody(BaseModel):
    """The body of every answer that is not a success."""

    error: ErrorFacts


ERROR_RESPONSES: dict[int | str, dict[str, Any]] = {
    400: {"model": ErrorBody, "description": "the request is wrong in itself"},
    401: {"model": ErrorBody, "description": "no token, or the wrong one"},
    404: {"model": ErrorBody, "description": "something named in the request does not exist"},
    409: {"model": ErrorBody, "description": "the name is taken, in use, or the input types differ"},
    413: {"model": ErrorBody, "description": "over a limit"},
    503: {"model": ErrorBody, "description": "Redis does not answer"},
}


def error_response(
    path: str, status: int, code: str, message: str, field: str | None = None, headers: dict[str, str] | None = None
) -> Response:
    """The answer in the manner of the interface that `path` belongs to. Clipper knows no 4xx but 400."""
    if path.startswith("/admin/"):
        return PlainTextResponse(message, 400 if status in (404, 409) else status, headers)
    body = {"error": {"code": code, "message": message, "field": field}}
    return JSONResponse(body, status, headers)


def install_error_handlers(app: FastAPI) -> None:
    """Have every error of `app` answered by this module."""
    app.add_exception_handler(ManagementError, _on_management_error)
    app.add_exception_handler(RequestValidationError, _on_validation_error)
    app.add_exception_handler(HTTPException, _on_http_error)
    app.add_exception_handler(ClientDisconnect, _on_disconnect)
    app.add_exception_handler(Exception, _on_fault)


async def _on_management_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, ManagementError)  # noqa: S101  # what it was registered for
    status = next((status for kind, status in _STATUS.items() if isinstance(error, kind)), 500)
    message = error.message
    headers = {"connection": "close"} if status == 413 else None
    if isinstance(error, RegistryUnavailableError):
        logger.warning("%s %s: %s", request.method, request.url.path, message)
        message = f"{message}. {_EMPTY_HINT if isinstance(error, RegistryEmptyError) else _REDIS_HINT}"
    return error_response(request.url.path, status, error.code, message, error.field, headers)


async def _on_validation_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101  # what it was registered for
    first = error.errors()[0]
    field = ".".join(str(part) for part in first["loc"][1:]) or None
    if first["type"] == "json_invalid":
        field, message = None, f"body: expected JSON, got text that is none: {first.get('ctx', {}).get('error', '')}"
    else:
        message = f"{field or 'body'}: {_expectation(first)}"
    if request.url.path.startswith("/admin/"):
        message = f"Error parsing JSON: {message}"
    return error_response(request.url.path, 400, "invalid", message, field)


def _expectation(error: dict[str, Any]) -> str:
    match error["type"]:
        case "missing":
            return "expected a value, got none"
        case "extra_forbidden":
            return "expected no such field"
        case _:
            shown = repr(error.get("input"))
            shown = shown if len(shown) <= 100 else f"{shown[:100]}..."
            return f"expected {str(error['msg']).removeprefix('Input should be ')}, got {shown}"


async def _on_http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101  # what it was registered for
    code = {404: "not_found", 405: "method_not_allowed", 400: "invalid"}.get(error.status_code, "refused")
    message = str(error.detail)
    if error.status_code == 404:
        message = f"There is no route {request.method} {request.url.path}"
    elif error.status_code == 400:
        message = "body: expected JSON, got text that is none, or JSON nested too deep"
    return error_response(request.url.path, error.status_code, code, message, headers=dict(error.headers or {}))


async def _on_disconnect(request: Request, error: Exception) -> Response:
    logger.info("%s %s: the client went away before its body was complete", request.method, request.url.path)
    return error_response(request.url.path, 400, "invalid", "body: the client went away before it was complete")


async def _on_fault(request: Request, error: Exception) -> Response:
    logger.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return error_response(request.url.path, 500, "internal", "A fault in management; its log says more.")
