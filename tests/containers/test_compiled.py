"""A batch's way translated to C; what is the same for the frontend's is in tests/query_frontend/test_compiled.py."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.container_process import running_container, source_folder
from skysail_container import compiled

PACKAGE = Path(compiled.__file__).parent
REPORT = """
import json
from importlib.util import find_spec
import skysail_container
from skysail_container import compiled, wire, work_queue
from skysail_container.wire import frames
print(json.dumps([compiled.FORM.is_in_use(), work_queue.__file__, frames.__file__,
                  find_spec("skysail_container").submodule_search_locations[0]]))
"""


def reported(**environment: str) -> tuple[bool, str, str, str]:
    done = subprocess.run(
        [sys.executable, "-c", REPORT], env={**os.environ, **environment}, capture_output=True, text=True, check=True
    )
    is_in_use, queue, frames, source = json.loads(done.stdout)
    return is_in_use, queue, frames, source


def test_the_modules_to_compile_are_there() -> None:
    assert [name for name in compiled.MODULES if not (PACKAGE / f"{name}.py").exists()] == []


def test_modules_of_the_package_and_of_its_wire_are_compiled_together_or_not_at_all() -> None:
    is_in_use, queue, frames, _ = reported()
    suffix = ".so" if is_in_use else ".py"
    assert (Path(queue).suffix, Path(frames).suffix) == (suffix, suffix)
    assert reported(SKYSAIL_COMPILED="off")[:3] == (
        False,
        str(PACKAGE / "work_queue.py"),
        str(PACKAGE / "wire/frames.py"),
    )


@pytest.mark.parametrize("form", ["on", "off"])
def test_who_looks_for_the_package_finds_its_sources(form: str) -> None:
    assert reported(SKYSAIL_COMPILED=form)[3] == str(PACKAGE)  # environments of models link to them


def test_a_container_says_in_its_log_which_form_it_runs(tmp_path: Path) -> None:
    form = "compiled" if compiled.FORM.is_in_use() else "interpreted"
    with running_container(source_folder(tmp_path / "model", "def predict(rows):\n    return rows\n")) as container:
        assert f"; the hot path runs {form}\n" in container.log
