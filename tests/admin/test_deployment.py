from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from harness.canned_management import CannedManagement, canned_management
from skysail_admin import AlreadyExistsError, DeployFailedError, Skysail, WaitTimeoutError
from skysail_admin.packing.artifact import packed
from skysail_admin.progress import ProgressEvent


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "model.py").write_text("def predict(rows):\n    return [0 for row in rows]\n")
    return tmp_path


@contextmanager
def deploying(folder: Path, *outcomes: str) -> Iterator[tuple[Skysail, CannedManagement]]:
    with canned_management("m", "1", *outcomes) as management, Skysail(management.server.url) as client:
        with packed(folder, "doubles") as artifact:
            management.take_artifact(artifact.sha256)
        yield client, management


def test_it_packs_uploads_creates_and_waits_and_tells_so(folder: Path) -> None:
    events: list[ProgressEvent] = []
    with deploying(folder, "starting", "ready") as (client, management):
        done = client.deploy_model("m", 1, "doubles", folder, progress=events.append)
    assert not done.already_deployed
    assert done.version.n_ready == 1
    assert len(management.uploads[done.artifact]) == done.size_bytes
    assert list(dict.fromkeys(event.stage for event in events)) == ["packing", "uploading", "starting", "ready"]


def test_the_build_of_an_environment_is_told(folder: Path) -> None:
    events: list[ProgressEvent] = []
    with deploying(folder, "starting: building its environment: fetching numpy 2.1.3", "ready") as (client, _):
        client.deploy_model("m", 1, "doubles", folder, progress=events.append)
    assert "m:1: building its environment: fetching numpy 2.1.3" in [event.text for event in events]


def test_the_same_artifact_again_is_fine_and_uploads_nothing(folder: Path) -> None:
    with deploying(folder, "ready") as (client, management):
        client.deploy_model("m", 1, "doubles", folder)
        again = client.deploy_model("m", "1", "doubles", folder)
        methods = [request.method for request in management.server.requests]
    assert again.already_deployed
    assert methods.count("PUT") == 1
    assert methods.count("POST") == 1


def test_another_artifact_under_the_same_version_is_refused(folder: Path) -> None:
    with deploying(folder, "ready") as (client, _):
        client.deploy_model("m", 1, "doubles", folder)
        (folder / "model.py").write_text("changed")
        with pytest.raises(AlreadyExistsError, match="versions never change, deploy this one under a new version"):
            client.deploy_model("m", 1, "doubles", folder)


def test_a_container_that_does_not_come_up_is_an_error_with_its_own_traceback(folder: Path) -> None:
    with deploying(folder, "starting", "failed") as (client, management):
        management.logs = "Traceback (most recent call last):\nImportError: no module named torch\n"
        with pytest.raises(DeployFailedError, match="m:1 did not come up") as caught:
            client.deploy_model("m", 1, "doubles", folder)
    assert "ImportError: no module named torch" in caught.value.logs


def test_a_version_that_never_came_up_may_be_deployed_again(folder: Path) -> None:
    with deploying(folder, "failed") as (client, management):
        with pytest.raises(DeployFailedError):
            client.deploy_model("m", 1, "doubles", folder)
        (folder / "model.py").write_text("def predict(rows):\n    return [1 for row in rows]\n")
        with packed(folder, "doubles") as artifact:
            management.take_artifact(artifact.sha256)
        management.outcomes = ["failed", "ready"]
        assert not client.deploy_model("m", 1, "doubles", folder).already_deployed


def test_waiting_has_an_end(folder: Path) -> None:
    with deploying(folder, "starting") as (client, _), pytest.raises(WaitTimeoutError, match="skysail logs m:1"):
        client.deploy_model("m", 1, "doubles", folder, timeout_s=0.2)


def test_without_waiting_it_returns_as_soon_as_the_version_is_known(folder: Path) -> None:
    with deploying(folder, "starting") as (client, _):
        assert client.deploy_model("m", 1, "doubles", folder, wait=False).version.state == "starting"
