"""Who may talk to management, and how much: tokens, foreign web pages, bodies. ASGI, around the whole application.

Without a token management listens on loopback only, where a foreign web page is the one that may come knocking, by
its own Origin or, after DNS rebinding, by its own Host. Both are refused.
"""

import asyncio
import hmac
import ipaddress
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from skysail_management.api.errors import error_response

__all__ = ["BodyLimit", "Gate", "is_loopback"]

MAX_BODY_BYTES = 1 << 20
"""Of every request but an artifact's upload, which counts for itself."""

_BODY_LIMIT_S = 30.0
"""For a body to arrive."""


def is_loopback(host: str) -> bool:
    """Whether a host name or address (IPv6 without brackets) is this machine's own."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Gate:
    """Lets pass who has the token or, where there is none, who is not a foreign web page."""

    def __init__(self, app: ASGIApp, token: str | None) -> None:
        self._app = app
        self._expected = None if token is None else f"Bearer {token}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        path: str = scope["path"]
        if self._expected is not None:
            given = headers.get("authorization", "").encode()
            if not hmac.compare_digest(given, self._expected):
                asking = {"www-authenticate": 'Bearer realm="skysail"'}
                message = "A token is needed: Authorization: Bearer <token>"
                await error_response(path, 401, "unauthorized", message, headers=asking)(scope, receive, send)
                return
        elif _is_foreign(headers):
            message = "Without a token only this machine's own pages and programs are answered (check Host and Origin)"
            await error_response(path, 403, "forbidden", message)(scope, receive, send)
            return
        await self._app(scope, receive, send)


def _is_foreign(headers: Headers) -> bool:
    host, origin = headers.get("host"), headers.get("origin")
    if host is None:
        return origin is not None
    if not is_loopback(_hostname(f"//{host}")):
        return True
    return origin is not None and origin not in (f"http://{host}", f"https://{host}")


def _hostname(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


class BodyLimit:
    """Reads a body before the application sees it, so that neither a huge nor an endless one gets further.

    Whatever its content type says, a body here is JSON: `curl -d` calls it a form.
    """

    def __init__(self, app: ASGIApp, unlimited_prefix: str) -> None:
        self._app = app
        self._unlimited_prefix = unlimited_prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith(self._unlimited_prefix):
            await self._app(scope, receive, send)
            return
        try:
            async with asyncio.timeout(_BODY_LIMIT_S):
                body = await _read(receive)
        except TimeoutError:
            message = f"The body did not arrive within {_BODY_LIMIT_S:g} s"
            await self._refuse(408, "timeout", message, scope, receive, send)
            return
        if body is None:
            message = f"body: expected at most {MAX_BODY_BYTES} bytes, got more"
            await self._refuse(413, "too_large", message, scope, receive, send)
            return
        MutableHeaders(scope=scope)["content-type"] = "application/json"
        await self._app(scope, _Replay(body, receive), send)

    @staticmethod
    async def _refuse(status: int, code: str, message: str, scope: Scope, receive: Receive, send: Send) -> None:
        response = error_response(scope["path"], status, code, message, headers={"connection": "close"})
        await response(scope, receive, send)


async def _read(receive: Receive) -> bytes | None:
    """The whole body, None if it is over the limit. A client that goes away has sent all it will."""
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > MAX_BODY_BYTES:
            return None
        if not message.get("more_body", False):
            return bytes(body)


class _Replay:
    """`receive` for an application whose body has been read already."""

    def __init__(self, body: bytes, receive: Receive) -> None:
        self._body: bytes | None = body
        self._receive = receive

    async def __call__(self) -> Message:
        if self._body is None:
            return await self._receive()
        body, self._body = self._body, None
        return {"type": "http.request", "body": body, "more_body": False}
