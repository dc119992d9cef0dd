"""A packed function has to work in a process that cannot import what it was made from."""

import json
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness import user_library
from skysail_admin import InvalidRequestError
from skysail_admin.packing.artifact import packed

ELSEWHERE = """
import json, sys
sys.modules["harness"] = None  # whoever imports it here fails
import cloudpickle
function = cloudpickle.load(open("function.pkl", "rb"))
print(json.dumps(function([[1.0, 2.0], [3.0, 4.0]])))
"""


def run_elsewhere(function: Callable[[Any], Any], folder: Path) -> Any:
    """What the function answers in a process of its own that does not have this one's modules."""
    with packed(function, "doubles") as artifact, zipfile.ZipFile(artifact.path) as archive:
        archive.extractall(folder)
    ran = subprocess.run([sys.executable, "-c", ELSEWHERE], cwd=folder, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


def test_a_closure_travels_with_what_it_closes_over(tmp_path: Path) -> None:
    offset = 10.0

    def add(rows: list[list[float]]) -> list[float]:
        return [sum(row) + offset for row in rows]

    assert run_elsewhere(add, tmp_path) == [13.0, 17.0]


def test_a_function_of_a_module_the_container_does_not_have_travels_with_its_module(tmp_path: Path) -> None:
    assert run_elsewhere(lambda rows: [user_library.scaled(row) for row in rows], tmp_path) == [9.0, 21.0]


def test_an_object_that_can_be_called_travels_with_its_class(tmp_path: Path) -> None:
    assert run_elsewhere(user_library.Scaler(2.0), tmp_path) == [6.0, 14.0]


def test_a_function_defined_in_a_script_travels(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(
        "from skysail_admin.packing.artifact import packed\n"
        "import own, shutil\n"
        "def predict(rows):\n"
        "    return [own.double(sum(row)) for row in rows]\n"
        "with packed(predict, 'doubles') as artifact:\n"
        "    shutil.copy(artifact.path, 'artifact.zip')\n"
    )
    (tmp_path / "own.py").write_text("def double(value):\n    return 2 * value\n")
    subprocess.run([sys.executable, str(script)], cwd=tmp_path, check=True)
    elsewhere = tmp_path / "elsewhere"
    with zipfile.ZipFile(tmp_path / "artifact.zip") as archive:
        archive.extractall(elsewhere)
    ran = subprocess.run([sys.executable, "-c", ELSEWHERE], cwd=elsewhere, capture_output=True, text=True, check=True)
    assert json.loads(ran.stdout) == [6.0, 14.0]


def test_packing_leaves_cloudpickles_registry_as_it_was() -> None:
    import cloudpickle

    before = set(cloudpickle.list_registry_pickle_by_value())
    with packed(user_library.scaled, "doubles"):
        pass
    assert set(cloudpickle.list_registry_pickle_by_value()) == before


def test_the_same_function_gives_the_same_artifact() -> None:
    hashes = set()
    for _ in range(2):
        with packed(user_library.scaled, "doubles") as artifact:
            hashes.add(artifact.sha256)
    assert len(hashes) == 1


def test_a_function_that_holds_a_lock_is_refused_with_the_reason() -> None:
    lock = threading.Lock()

    def locked(rows: list[float]) -> list[float]:
        with lock:
            return rows

    with pytest.raises(InvalidRequestError, match=r"cannot be packed.*lock"), packed(locked, "doubles"):
        pass


def test_what_is_no_model_at_all_is_refused_with_what_is() -> None:
    with pytest.raises(InvalidRequestError, match="a int cannot be deployed: give a fitted"), packed(42, "doubles"):
        pass
