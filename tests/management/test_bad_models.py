"""What cannot be served, deployed to the real management: each version says why at once, and nothing of it runs or
stays but its record, its log and its artifact, which are kept for whoever deployed it until the version is deleted.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cloudpickle
import pytest

from harness.management_server import ManagementServer, wait_until
from harness.model_archives import archive_of, model_archive
from harness.redis_server import RedisServer
from skysail_management.container_process import find_containers

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
SUMS = "def predict(rows):\n    return rows.sum(axis=1)\n"


@pytest.fixture(scope="module")
def management(shared_redis: RedisServer) -> Iterator[ManagementServer]:
    shared_redis.wipe()
    with ManagementServer(shared_redis.url) as server:
        yield server


def described(framework: str, file: str, content: bytes, **manifest: Any) -> dict[str, bytes | str]:
    values = {"format": 1, "framework": framework, "file": file, "python": PYTHON, **manifest}
    return {"skysail.json": json.dumps(values), file: content}


FUNCTION = cloudpickle.dumps(sum)
OTHER_LIBRARY = {"libraries": {"scikit-learn": "0.18"}}

BAD = {
    "corrupt joblib": (described("sklearn", "model.joblib", b"garbage"), "the model cannot be loaded: "),
    "corrupt onnx": (described("onnx", "model.onnx", b"garbage"), "onnx"),
    "corrupt xgboost": (described("xgboost", "model.ubj", b"garbage"), "XGBoost"),
    "corrupt lightgbm": (described("lightgbm", "model.txt", b"garbage"), "LightGBM"),
    "another python": (described("python", "function.pkl", FUNCTION, python="2.7"), "saved by Python 2.7"),
    "another library": (
        described("sklearn", "model.joblib", b"garbage", **OTHER_LIBRARY),
        "saved with scikit-learn 0.18; here it is",
    ),
    "missing module": ({"model.py": "import no_such_module\n" + SUMS}, "needs the module 'no_such_module'"),
    "missing package": ({"model.py": SUMS, "packages.txt": "no-such-package\n"}, "not installed here: no-such-package"),
    "no model.py": (described("folder", "model.py", b"")["skysail.json"], "model.py"),
    "raises": ({"model.py": "raise OSError('no such tree')\n"}, "OSError: no such tree"),
    "wrong answers": (
        {"model.py": SUMS, "validation.jsonl": '{"input": [1, 2], "output": 4}\n'},
        "expected 4, got 3.0",
    ),
}


def files_of(files: Any) -> dict[str, bytes | str]:
    return files if isinstance(files, dict) else {"skysail.json": files}


@pytest.mark.parametrize("kind", BAD)
def test_it_fails_with_its_reason_and_nothing_of_it_is_left_behind(management: ManagementServer, kind: str) -> None:
    files, said = BAD[kind]
    name, archive = kind.replace(" ", "-").replace(".", "-"), archive_of(files_of(files))
    management.deploy(archive.body, archive.sha256, model=name)
    failed = management.wait_for_state("failed", model=name)
    assert said in failed["reason"]
    wait_until(lambda: not find_containers(management.directory / "artifacts"), what="the end of its container")
    wait_until(lambda: files_below(management.directory, "sockets") == [], what="the end of its files")
    assert files_below(management.directory, "environments/builds") == []
    assert management.get(f"/api/v1/models/{name}")["current_version"] is None
    assert management.request("DELETE", f"/api/v1/models/{name}").ok
    wait_until(lambda: name not in logs_of(management), what="the end of its log")
    assert management.request("HEAD", f"/api/v1/artifacts/{archive.sha256}").status_code == 404


def files_below(directory: Path, name: str) -> list[Path]:
    return [path for path in (directory / name).rglob("*") if not path.is_dir()]


def logs_of(management: ManagementServer) -> str:
    return " ".join(str(path) for path in (management.directory / "logs").rglob("*"))


def test_the_next_version_is_served(management: ManagementServer) -> None:
    archive = model_archive(SUMS)
    management.deploy(archive.body, archive.sha256)
    management.wait_for_state("ready")
