"""One HTTP service (management or the query frontend): requests out, JSON in, failures as our own errors."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any, BinaryIO, NoReturn
from urllib.parse import quote

import httpx

from skysail_admin.errors import (
    AlreadyExistsError,
    InUseError,
    InvalidRequestError,
    NotFoundError,
    SkysailError,
    UnauthorizedError,
    UnavailableError,
    WaitTimeoutError,
)

__all__ = ["Connection", "segment"]

_BY_CODE: dict[str, type[SkysailError]] = {
    "already_exists": AlreadyExistsError,
    "in_use": InUseError,
    "not_found": NotFoundError,
    "registry_unavailable": UnavailableError,
}
_BY_STATUS: dict[int, type[SkysailError]] = {
    400: InvalidRequestError,
    401: UnauthorizedError,
    404: NotFoundError,
    409: InvalidRequestError,
    413: InvalidRequestError,
    422: InvalidRequestError,
    503: UnavailableError,
}


class Connection:
    """Requests to one service. Keeps its connections open; not safe to share between threads while closing.

    `timeout_s` bounds every wait for the server to say something; uploads may take as long as they move.
    """

    def __init__(self, base_url: str, service: str, *, token: str | None = None, timeout_s: float = 30.0) -> None:
        self.base_url = base_url.rstrip("/")
        self.service = service
        self._http = httpx.Client(
            base_url=_checked_url(self.base_url),
            headers={"authorization": f"Bearer {token}"} if token else {},
            timeout=httpx.Timeout(timeout_s, connect=min(5.0, timeout_s)),
            trust_env=not _is_loopback(self.base_url),  # a proxy from the environment must not swallow 127.0.0.1
        )

    def __repr__(self) -> str:
        return f"Connection({self.service} at {self.base_url})"

    def close(self) -> None:
        self._http.close()

    def get(self, path: str, params: Mapping[str, str | int] | None = None) -> Any:
        return self._json(self.send("GET", path, params=params))

    def post(self, path: str, body: object) -> Any:
        return self._json(self.send("POST", path, body=body))

    def put(self, path: str, body: object) -> Any:
        return self._json(self.send("PUT", path, body=body))

    def patch(self, path: str, body: object) -> Any:
        return self._json(self.send("PATCH", path, body=body))

    def delete(self, path: str, params: Mapping[str, str | int] | None = None) -> None:
        self.send("DELETE", path, params=params)

    def exists(self, path: str) -> bool:
        """Whether HEAD of the path is answered with 200 rather than 404."""
        try:
            self.send("HEAD", path)
        except NotFoundError:
            return False
        return True

    def text(self, path: str, params: Mapping[str, str | int] | None = None) -> str:
        return self.send("GET", path, params=params).text

    def upload(self, path: str, chunks: Iterable[bytes], n_bytes: int) -> Any:
        """PUT the chunks, `n_bytes` in all, without ever holding them together in memory."""
        headers = {"content-type": "application/octet-stream", "content-length": str(n_bytes)}
        return self._json(self.send("PUT", path, content=chunks, headers=headers))

    def download(self, path: str, file: BinaryIO) -> None:
        """GET into an open file, a piece at a time.

        :raises SkysailError: (a subclass) as `send`; the file has a part of it then.
        """
        try:
            with self._http.stream("GET", path) as response:
                if not response.is_success:
                    response.read()
                    raise _error_of(response)
                for chunk in response.iter_bytes():
                    file.write(chunk)
        except httpx.TimeoutException as error:
            self._give_up(error)
        except httpx.TransportError as error:
            raise UnavailableError(self._unreachable(error)) from error

    def send(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str | int] | None = None,
        body: object = None,
        content: Iterable[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """The response, if it is a success.

        :raises SkysailError: (a subclass) for every other status, and when nothing answers.
        """
        headers = dict(headers or {})
        if body is not None:
            content = [_encode(body)]
            headers |= {"content-type": "application/json", "content-length": str(len(content[0]))}
        try:
            response = self._http.request(method, path, params=params, content=content, headers=headers)
        except httpx.TimeoutException as error:
            self._give_up(error)
        except httpx.TransportError as error:
            raise UnavailableError(self._unreachable(error)) from error
        if not response.is_success:
            raise _error_of(response)
        return response

    def _give_up(self, error: httpx.TimeoutException) -> NoReturn:
        if isinstance(error, httpx.ConnectTimeout):
            raise UnavailableError(self._unreachable(error)) from error
        raise WaitTimeoutError(f"{self.service} at {self.base_url} did not answer in time") from error

    def _unreachable(self, error: httpx.TransportError) -> str:
        if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
            return (
                f"nothing answers at {self.base_url} ({self.service}); "
                "is the stack running? start it with: skysail up --detach"
            )
        return f"the connection to {self.service} at {self.base_url} broke: {error or type(error).__name__}"

    def _json(self, response: httpx.Response) -> Any:
        if not response.content:
            return None
        try:
            return response.json()
        except ValueError as error:
            raise SkysailError(
                f"{self.base_url} answered something that is not JSON; is this Skysail's {self.service}?",
                status=response.status_code,
            ) from error


def segment(name: object) -> str:
    """A name as one segment of a path, so that no name can reach another route."""
    text = str(name)
    if not text or set(text) == {"."}:
        raise InvalidRequestError(f"{text!r} is not a name")
    return quote(text, safe="")


def _encode(body: object) -> bytes:
    try:
        return json.dumps(body, allow_nan=False, separators=(",", ":")).encode()
    except (TypeError, ValueError) as error:
        raise InvalidRequestError(f"this cannot be written as JSON: {error}") from error


def _error_of(response: httpx.Response) -> SkysailError:
    message, code, field = _details(response)
    kind = _BY_CODE.get(code or "") or _BY_STATUS.get(response.status_code, SkysailError)
    if kind is UnauthorizedError:
        message += "; give the token with --token, SKYSAIL_TOKEN or Skysail(token=...)"
    return kind(message, code=code, field=field, status=response.status_code)


def _details(response: httpx.Response) -> tuple[str, str | None, str | None]:
    """Message, code and field of an error object: management's, the query frontend's, or any text."""
    payload: object = None
    with suppress(ValueError):
        payload = json.loads(response.content)
    fallback = response.text.strip() or f"the server answered {response.status_code}"
    if not isinstance(payload, dict):
        return fallback, None, None
    error = payload.get("error")
    if isinstance(error, dict):
        return str(error.get("message", fallback)), error.get("code"), error.get("field")
    if "cause" in payload:
        return f"{error}: {payload['cause']}", None, None
    return str(error or payload.get("detail") or fallback), None, None


def _checked_url(url: str) -> httpx.URL:
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise InvalidRequestError(f"{url!r} is not a URL: {error}") from error
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise InvalidRequestError(f"{url!r} is not an address like http://127.0.0.1:1338")
    return parsed


def _is_loopback(url: str) -> bool:
    host = httpx.URL(url).host if "://" in url else ""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
