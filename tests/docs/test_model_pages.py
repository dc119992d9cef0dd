"""docs/models.md and the pages of the frameworks: their commands do what they say, their manifests can be read."""

import re
from pathlib import Path

import pytest

from harness.console_document import console_steps, run_step
from skysail_container.manifest import read_manifest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "docs" / "models.md", *sorted((ROOT / "docs" / "models").glob("*.md"))]
STEP_TIMEOUT_S = 80.0


@pytest.mark.xdist_group("documents")
@pytest.mark.parametrize("framework", ["onnx", "xgboost", "lightgbm", "schema", "folder", "runtime"])
def test_every_command_of_a_page_prints_what_the_page_says(
    running_environment: dict[str, str], tmp_path: Path, framework: str
) -> None:
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    steps = console_steps((ROOT / "docs" / "models" / f"{framework}.md").read_text())
    assert steps
    for step in steps:
        run_step(step, running_environment, tmp_path, STEP_TIMEOUT_S)


def test_every_manifest_that_a_page_shows_can_be_read(tmp_path: Path) -> None:
    n_read = 0
    for page in PAGES:
        for block in re.findall(r"```json\n(.*?)```", page.read_text(), re.DOTALL):
            if '"framework"' in block:
                (tmp_path / "skysail.json").write_text(block)
                read_manifest(tmp_path)
                n_read += 1
    assert n_read >= 2
