"""scripts/healthcheck.py, as the images run it: a process of its own that ends with 0 or 1."""

import os
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from harness.packaging import ROOT
from skysail_container import wire

TOKEN = "a-token-for-tests"  # noqa: S105 - it guards nothing


def healthcheck(target: str, **environment: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("SKYSAIL_")}
    command = [sys.executable, str(ROOT / "scripts" / "healthcheck.py"), target]
    return subprocess.run(
        command, env={**inherited, **environment}, capture_output=True, text=True, check=False, timeout=30
    )


class TokenHandler(BaseHTTPRequestHandler):
    """/readyz is 200 with the token and 401 without; everything else is 503."""

    def do_GET(self) -> None:
        allowed = self.headers["Authorization"] == f"Bearer {TOKEN}"
        self.send_response((200 if allowed else 401) if self.path == "/readyz" else 503)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
        """Nothing: a test's output is its own."""


@contextmanager
def http_service() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), TokenHandler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@contextmanager
def container_that_says(*messages: wire.ContainerMessage) -> Iterator[str]:
    """A container that answers the first thing it hears with `messages` and hangs up."""

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(b"".join(wire.encode(message) for message in messages))

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        yield f"tcp:127.0.0.1:{listener.getsockname()[1]}"
        thread.join()


WELCOME = wire.Welcome(wire.PROTOCOL_VERSION, "model", "1", "doubles", wire.DEFAULT_MAX_FRAME_BYTES)


def test_a_service_that_answers_200_is_healthy() -> None:
    with http_service() as url:
        done = healthcheck(f"{url}/readyz", SKYSAIL_TOKEN=TOKEN)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(("path", "token", "status"), [("/readyz", "wrong", 401), ("/healthz", TOKEN, 503)])
def test_any_other_status_is_unhealthy_and_named(path: str, token: str, status: int) -> None:
    with http_service() as url:
        done = healthcheck(url + path, SKYSAIL_TOKEN=token)
    assert (done.returncode, done.stderr) == (1, f"unhealthy: {url}{path} answered {status}\n")


def test_nobody_listening_is_unhealthy_for_services_and_containers() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    for target in (f"http://127.0.0.1:{port}/readyz", f"tcp:127.0.0.1:{port}", "unix:/nowhere/at.all"):
        done = healthcheck(target)
        assert done.returncode == 1
        assert done.stderr.startswith("unhealthy: ")
        assert done.stderr.count("\n") == 1


def test_a_container_that_says_ok_is_healthy() -> None:
    with container_that_says(WELCOME, wire.HealthReply(1, "ok")) as address:
        assert healthcheck(address).returncode == 0


def test_a_container_that_drains_is_unhealthy() -> None:
    with container_that_says(WELCOME, wire.HealthReply(1, "draining")) as address:
        done = healthcheck(address)
    assert (done.returncode, done.stderr) == (1, f"unhealthy: {address} says draining\n")


def test_a_container_that_hangs_up_is_unhealthy() -> None:
    with container_that_says(WELCOME) as address:
        done = healthcheck(address)
    assert (done.returncode, done.stderr) == (1, f"unhealthy: {address} hung up\n")


@pytest.fixture
def short_folder() -> Iterator[str]:
    """A folder whose path leaves room for the name of a unix socket."""
    with tempfile.TemporaryDirectory(prefix="skh-", dir="/tmp") as folder:
        yield folder


def test_a_real_model_container_is_healthy(short_folder: str) -> None:
    address = f"unix:{short_folder}/c.sock"
    command = [sys.executable, "-m", "skysail_container", "--model", str(ROOT / "examples" / "folder_model")]
    command += ["--listen", address, "--name", "sum", "--version", "1", "--input-type", "doubles"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as container:
        assert container.stderr is not None
        container.stderr.readline()  # written once it listens
        done = healthcheck(address)
        container.terminate()
        container.communicate(timeout=30)
    assert (done.returncode, done.stderr) == (0, "")
