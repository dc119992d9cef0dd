"""Tokens, foreign web pages and bodies that do not end."""

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from starlette.types import ASGIApp, Message

from skysail_management.api import guard
from skysail_management.api.guard import BodyLimit, is_loopback

Build = Callable[[str | None], ASGIApp]


def client_of(app: ASGIApp) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1:1338")


PATHS = ("/healthz", "/metrics", "/docs", "/api/v1/status", "/admin/ping", "/nowhere")
WRONG = ("", "s3cret", "Bearer wrong", "Bearer s3cret ", "bearer s3cret", "Basic s3cret", "Bearer é")
FOREIGN: list[dict[str, str]] = [
    {"host": "evil.example"},
    {"host": "127.0.0.1.evil.example:1338"},
    {"host": "localhost.evil.example"},
    {"host": "192.168.0.7:1338"},
    {"host": ""},
    {"host": "[::1"},
    {"host": "user@evil.example"},
    {"host": "127.0.0.1:1338", "origin": "http://evil.example"},
    {"host": "127.0.0.1:1338", "origin": "null"},
    {"host": "127.0.0.1:1338", "origin": "http://127.0.0.1:8080"},
]


async def test_with_a_token_every_route_needs_it(build: Build) -> None:
    async with client_of(build("s3cret")) as client:
        for path in PATHS:
            for headers in ({}, *({b"authorization": given.encode()} for given in WRONG)):
                answer = await client.get(path, headers=headers)
                assert answer.status_code == 401, headers
                assert answer.headers["www-authenticate"].startswith("Bearer")
            right = {"authorization": "Bearer s3cret", "host": "models.example.org"}
            answer = await client.get(path, headers=right)
            assert answer.status_code in (200, 404)


async def test_without_a_token_this_machine_is_answered(build: Build) -> None:
    async with client_of(build(None)) as client:
        for host in ("localhost", "LOCALHOST:1338", "127.0.0.1:1338", "127.8.8.8", "[::1]:1338", "[::1]"):
            assert (await client.get("/healthz", headers={"host": host})).status_code == 200
            answer = await client.get("/healthz", headers={"host": host, "origin": f"http://{host}"})
            assert answer.status_code == 200


async def test_without_a_token_foreign_web_pages_are_refused(build: Build) -> None:
    async with client_of(build(None)) as client:
        for headers in FOREIGN:
            answer = await client.post("/api/v1/applications", headers=headers, content=b"{}")
            assert answer.status_code == 403, headers
            assert answer.json()["error"]["code"] == "forbidden"


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.1.2.3", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("10.0.0.1", False),
        ("example.org", False),
        ("", False),
    ],
)
def test_loopback_is_this_machine_only(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


async def test_a_body_that_never_ends_is_a_408(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "_BODY_LIMIT_S", 0.05)
    sent: list[Message] = []

    async def unreachable(*_: Any) -> None:
        raise AssertionError("the application must not see it")

    async def receive() -> Message:
        if sent:
            await asyncio.Event().wait()
        await asyncio.sleep(0)
        return {"type": "http.request", "body": b"", "more_body": True}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/api/v1/applications", "headers": []}
    await BodyLimit(unreachable, "/upload/")(scope, receive, send)
    assert sent[0]["status"] == 408
    assert (b"connection", b"close") in sent[0]["headers"]
