"""The real process with real containers: starting, stopping, dying, and a Redis that does the same."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest

from harness.management_server import ManagementServer, wait_until
from harness.model_archives import model_archive
from harness.redis_server import RedisServer
from skysail_management.container_process import find_containers

ARCHIVE = model_archive()


@pytest.fixture
def management(redis_server: RedisServer) -> Iterator[ManagementServer]:
    with ManagementServer(redis_server.url) as server:
        yield server


def deploy(management: ManagementServer, **facts: Any) -> Any:
    """Deploy the sum model and wait until every replica is ready; the version."""
    management.deploy(ARCHIVE.body, ARCHIVE.sha256, **facts)
    management.wait_for_state("ready")  # with the first of its replicas

    def all_ready() -> Any:
        version = management.get("/api/v1/models/m/versions/1")
        replicas = version["replicas"]
        is_complete = len(replicas) == version["n_replicas"]
        return version if is_complete and all(replica["state"] == "ready" for replica in replicas) else None

    return wait_until(all_ready, what="all replicas ready")


def pids(management: ManagementServer) -> set[int]:
    return {container.pid for container in find_containers(management.directory / "artifacts")}


def is_connectable(address: str) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        probe.connect(address.removeprefix("unix:"))
    return True


def run_to_its_end(*flags: str, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "skysail_management", *flags]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=30, env=os.environ | (environment or {}), check=False
    )


def test_a_real_model_is_deployed_stopped_with_management_and_back_with_it(management: ManagementServer) -> None:
    version = deploy(management)
    (replica,) = version["replicas"]
    assert is_connectable(replica["address"])
    assert "ready" in management.request("GET", "/api/v1/replicas/m/1/0/logs").text
    assert management.stop() == 0
    assert pids(management) == set()
    management.start()
    (again,) = management.wait_for_state("ready")["replicas"]
    assert again["pid"] != replica["pid"]
    assert is_connectable(again["address"])


def test_containers_outlive_a_killed_management_and_are_adopted(management: ManagementServer) -> None:
    before = deploy(management, n_replicas=2)
    management.kill()
    assert pids(management) == {replica["pid"] for replica in before["replicas"]}
    management.start()
    after = management.wait_for_state("ready")
    assert after["replicas"] == before["replicas"]
    wait_until(lambda: management.log().count("adopted process") == 2, what="adoption of both")
    victim = after["replicas"][0]["pid"]
    os.kill(victim, signal.SIGKILL)

    def restarted() -> Any:
        found = management.get("/api/v1/models/m/versions/1")["replicas"]
        return [r["state"] for r in found] == ["ready", "ready"] and found[0]["restarts"] == 1

    wait_until(restarted, what="a restart of the killed container")
    assert victim not in pids(management)


def test_a_container_that_dies_while_management_is_dead_is_started_anew(management: ManagementServer) -> None:
    (replica,) = deploy(management)["replicas"]
    management.kill()
    os.kill(replica["pid"], signal.SIGKILL)
    wait_until(lambda: not psutil.pid_exists(replica["pid"]) or _is_zombie(replica["pid"]))
    management.start()

    def anew() -> Any:
        found = management.get("/api/v1/models/m/versions/1")["replicas"]
        return found and found[0]["state"] == "ready" and found[0]["pid"] != replica["pid"]

    wait_until(anew, what="a new container")


def _is_zombie(pid: int) -> bool:
    return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)


@pytest.mark.parametrize("is_management_dead", [False, True])
def test_with_the_lifeline_everything_ends(redis_server: RedisServer, is_management_dead: bool) -> None:
    """Its holder is the supervisor: when it is gone, nobody is left to adopt the containers of a dead management."""
    lifeline, holder = os.pipe()
    management = ManagementServer(redis_server.url, "--lifeline-fd", str(lifeline), pass_fds=(lifeline,))
    try:
        with management:
            os.close(lifeline)
            deploy(management)
            if is_management_dead:
                management.kill()
            assert len(pids(management)) == 1
            os.close(holder)
            holder = -1
            if not is_management_dead:
                assert management.wait() == 0
            wait_until(lambda: not pids(management), what="the end of the containers")
    finally:
        if holder >= 0:
            os.close(holder)


def test_writes_survive_a_killed_redis_and_requests_recover_by_themselves(own_redis: RedisServer) -> None:
    with ManagementServer(own_redis.url) as management:
        deploy(management)
        app = {"name": "app", "input_type": "doubles", "default_output": 0, "latency_slo_ms": 9}
        management.post("/api/v1/applications", app)
        own_redis.kill()
        for method, path, body in (
            ("GET", "/api/v1/applications", None),
            ("POST", "/api/v1/applications", app | {"name": "b"}),
            ("GET", "/readyz", None),
            ("POST", "/admin/get_all_applications", {"verbose": True}),
        ):
            started_s = time.monotonic()
            text = wait_until(partial(_unavailable, management, method, path, body), 5)
            assert time.monotonic() - started_s < 3
            assert "recovers by itself" in text
        assert management.get("/healthz") == {"status": "ok"}
        assert management.get("/api/v1/status")["registry"]["reachable"] is False
        assert "skysail_registry_connected 0.0" in management.request("GET", "/metrics").text
        assert len(pids(management)) == 1
        own_redis.start()
        wait_until(lambda: management.request("GET", "/readyz").ok, what="recovery")
        assert [a["name"] for a in management.get("/api/v1/applications")["items"]] == ["app"]
        assert management.get("/api/v1/models/m/versions/1")["state"] == "ready"


def _unavailable(management: ManagementServer, method: str, path: str, body: Any) -> str:
    """The text of a 503; nothing if it is another answer."""
    answer = management.request(method, path, json=body)
    return answer.text if answer.status_code == 503 else ""


def test_a_frozen_redis_is_a_503_within_seconds_for_many_at_once(own_redis: RedisServer) -> None:
    with ManagementServer(own_redis.url) as management:
        own_redis.freeze()
        started_s = time.monotonic()
        answer = management.request(
            "POST",
            "/api/v1/applications",
            json={"name": "a", "input_type": "doubles", "default_output": 0, "latency_slo_ms": 9},
        )
        assert answer.status_code == 503
        assert answer.json()["error"]["code"] == "registry_unavailable"
        assert time.monotonic() - started_s < 4
        own_redis.thaw()
        wait_until(lambda: management.request("GET", "/readyz").ok, what="recovery")


def test_management_waits_for_redis_at_its_start(own_redis: RedisServer) -> None:
    own_redis.stop()
    management = ManagementServer(own_redis.url)
    management.begin()
    try:
        wait_until(lambda: "waiting up to 60 s for Redis" in management.log(), what="the waiting")
        own_redis.start()
        management.wait_until_serving()
        wait_until(lambda: management.request("GET", "/readyz").ok, what="readiness")
    finally:
        management.clean_up()


def test_a_redis_that_never_comes_ends_the_start_with_one_clear_line(tmp_path: Path) -> None:
    ended = run_to_its_end(
        "--port", "0", "--redis-url", "unix:///nowhere.sock", "--data-dir", str(tmp_path), "--redis-wait-s", "0.3"
    )
    assert ended.returncode == 1
    assert "Redis at unix:///nowhere.sock did not answer within 0.3 s" in ended.stderr.splitlines()[-1]
    assert "Traceback" not in ended.stderr


def test_the_password_of_redis_is_never_shown(tmp_path: Path) -> None:
    url = "redis://me:secret@127.0.0.1:1/0"
    ended = run_to_its_end("--port", "0", "--redis-url", url, "--data-dir", str(tmp_path), "--redis-wait-s", "0.1")
    assert "redis://***@127.0.0.1:1/0" in ended.stderr
    assert "secret" not in ended.stderr


def test_a_port_in_use_is_one_clear_line_and_exit_code_3(management: ManagementServer, tmp_path: Path) -> None:
    port = management.url.rpartition(":")[2]
    ended = run_to_its_end("--port", port, "--data-dir", str(tmp_path))
    assert ended.returncode == 3
    assert ended.stderr == (
        f"skysail_management: port {port} is in use: stop what listens there, or choose another with --port\n"
    )


@pytest.mark.parametrize(
    ("flags", "text"),
    [
        (["--host", "0.0.0.0"], "is not loopback: give a token"),
        (["--host", "nowhere.invalid", "--token", "t"], "--host nowhere.invalid: "),
        (["--redis-url", "http://x"], "--redis-url http://x: "),
    ],
)
def test_what_management_cannot_start_with_is_one_line_and_exit_code_2(
    tmp_path: Path, flags: list[str], text: str
) -> None:
    ended = run_to_its_end("--port", "0", "--data-dir", str(tmp_path), *flags)
    assert ended.returncode == 2
    assert text in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


def test_a_data_directory_in_use_is_refused(management: ManagementServer) -> None:
    ended = run_to_its_end("--port", "0", "--data-dir", str(management.directory))
    assert ended.returncode == 2
    assert "another management process is using it" in ended.stderr


def test_with_a_token_any_address_will_do_and_health_asks_for_it_too(redis_server: RedisServer) -> None:
    with ManagementServer(
        redis_server.url, "--host", "0.0.0.0", "--backend", "none", environment={"SKYSAIL_TOKEN": "t0ken"}
    ) as management:
        assert management.request("GET", "/healthz").status_code == 401
        management.session.headers["authorization"] = "Bearer t0ken"
        assert management.get("/healthz") == {"status": "ok"}
        assert management.get("/api/v1/status")["backend"] == "none"


def test_a_foreign_host_is_refused_by_the_real_server(management: ManagementServer) -> None:
    answer = management.request("GET", "/api/v1/status", headers={"host": "evil.example"})
    assert answer.status_code == 403


def test_an_upload_that_breaks_off_leaves_nothing(management: ManagementServer) -> None:
    port = int(management.url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port)) as connection:
        head = f"PUT /api/v1/artifacts/{ARCHIVE.sha256} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 100000\r\n\r\n"
        connection.sendall(head.encode() + ARCHIVE.body)
        incoming = management.directory / "artifacts" / "incoming"
        wait_until(lambda: list(incoming.iterdir()), what="the upload")
    wait_until(lambda: not list(incoming.iterdir()), what="the cleaning")
    assert management.request("HEAD", f"/api/v1/artifacts/{ARCHIVE.sha256}").status_code == 404
    assert management.request("PUT", f"/api/v1/artifacts/{ARCHIVE.sha256}", data=ARCHIVE.body).status_code == 201


def test_management_killed_in_an_upload_leaves_nothing_half_written(management: ManagementServer) -> None:
    port = int(management.url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port)) as connection:
        head = f"PUT /api/v1/artifacts/{ARCHIVE.sha256} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 100000\r\n\r\n"
        connection.sendall(head.encode() + ARCHIVE.body)
        incoming = management.directory / "artifacts" / "incoming"
        wait_until(lambda: list(incoming.iterdir()), what="the upload")
        management.kill()
    management.start()
    assert [path.name for path in (management.directory / "artifacts").iterdir()] == ["incoming"]
    assert list(incoming.iterdir()) == []
