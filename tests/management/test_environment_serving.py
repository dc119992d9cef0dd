"""Models with conflicting libraries side by side, through the real management process and real pip."""

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.container_client import connected, doubles
from harness.environment_launcher import VERSION_MODEL
from harness.management_server import ManagementServer, wait_until
from harness.model_archives import ModelArchive, archive_of
from harness.redis_server import RedisServer
from skysail_container.wire import Strings
from skysail_management.container_process import find_containers

pytestmark = [pytest.mark.environments, pytest.mark.xdist_group("environments"), pytest.mark.timeout(600)]

READY_LIMIT_S = 300.0


@pytest.fixture
def management(redis_server: RedisServer) -> Iterator[ManagementServer]:
    with ManagementServer(redis_server.url) as server:
        yield server


def deploy(management: ManagementServer, archive: ModelArchive, model: str) -> None:
    management.deploy(archive.body, archive.sha256, model=model)


def with_numpy(version: str) -> ModelArchive:
    return archive_of({"model.py": VERSION_MODEL, "requirements.txt": f"numpy=={version}\n"})


FORGETFUL = archive_of(
    {
        "model.py": "import sklearn\n\n\ndef predict(rows):\n    return [0.0 for _ in rows]\n",
        "requirements.txt": "numpy==2.1.3  # and nothing else\n",
    }
)


def version_of(management: ManagementServer, model: str) -> Any:
    return management.get(f"/api/v1/models/{model}/versions/1")


def in_state(management: ManagementServer, model: str, state: str) -> Any:
    def look() -> Any:
        found = version_of(management, model)
        assert found["state"] in ("starting", "stopped", state), found["reason"]
        return found if found["state"] == state else None

    return wait_until(look, limit_s=READY_LIMIT_S, what=f"{model} {state}")


def answer_of(version: Any) -> str:
    with connected(version["replicas"][0]["address"]) as client:
        outputs = client.predict(doubles([[1.0]])).outputs
    assert isinstance(outputs, Strings)
    return outputs.items[0]


def test_two_models_have_each_its_own_numpy_at_the_same_time(management: ManagementServer) -> None:
    deploy(management, with_numpy("1.26.4"), "old")
    deploy(management, with_numpy("2.1.3"), "new")
    old, new = in_state(management, "old", "ready"), in_state(management, "new", "ready")
    assert (answer_of(old), answer_of(new)) == ("1.26.4", "2.1.3")
    assert len(environments(management)) == 2

    deploy(management, FORGETFUL, "forgetful")
    assert "the model needs the module 'sklearn'" in in_state(management, "forgetful", "failed")["reason"]
    log = management.request("GET", "/api/v1/replicas/forgetful/1/0/logs").text
    assert "building its environment" not in log  # that of the other model with this numpy is there

    management.request("DELETE", "/api/v1/models/old?force=true")
    wait_until(lambda: len(find_containers(management.directory / "artifacts")) == 1, READY_LIMIT_S, "one end")
    make_old(management)
    management.stop()
    management.start()
    wait_until(lambda: len(environments(management)) == 1, READY_LIMIT_S, "the sweep of the old one")
    assert answer_of(in_state(management, "new", "ready")) == "2.1.3"


def test_a_build_goes_on_without_management_and_the_next_one_adopts_it(
    management: ManagementServer, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    waiting = f"until [ -e '{gate}' ]; do sleep 0.05; done\n"
    deploy(management, archive_of({"model.py": VERSION_MODEL, "setup.sh": waiting}), "m")
    expected = "building its environment: running setup.sh"
    wait_until(lambda: version_of(management, "m")["reason"] == expected, READY_LIMIT_S, "its progress in its reason")
    (launcher,) = {container.pid for container in find_containers(management.directory / "artifacts")}
    management.kill()
    management.start()
    wait_until(lambda: "adopted process" in management.log(), READY_LIMIT_S, "its adoption")
    gate.touch()
    ready = in_state(management, "m", "ready")
    assert (ready["replicas"][0]["pid"], ready["reason"]) == (launcher, "")
    assert answer_of(ready)


def environments(management: ManagementServer) -> list[Path]:
    return list((management.directory / "environments" / "environments").iterdir())


def make_old(management: ManagementServer) -> None:
    """As if everything had been built an hour ago."""
    then = time.time() - 3600
    for path in (management.directory / "environments").glob("*/*"):
        os.utime(path, (then, then), follow_symlinks=False)


def test_a_build_that_fails_fails_the_version_with_pips_own_words(management: ManagementServer) -> None:
    deploy(management, with_numpy("99.0"), "m")
    failed = in_state(management, "m", "failed")
    assert "No matching distribution found for numpy==99.0 (the whole log: " in failed["reason"]
    assert environments(management) == []
