"""The bare floor: an ASGI application that reads the whole body and returns it. No model, no JSON, no routing.

Run it as the benchmark does: `uvicorn benchmarks.baselines.echo:app --http httptools --loop uvloop --no-access-log`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

__all__ = ["app"]

Event = MutableMapping[str, Any]


async def app(scope: Event, receive: Callable[[], Awaitable[Event]], send: Callable[[Event], Awaitable[None]]) -> None:
    """Answer any request with its own body. Needs `--lifespan off`."""
    assert scope["type"] == "http"
    message = await receive()
    body = message["body"]
    while message["more_body"]:
        message = await receive()
        body += message["body"]
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
