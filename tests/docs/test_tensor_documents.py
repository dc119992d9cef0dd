"""docs/models/tensorflow.md and mlflow.md, run as they stand: every command prints what the page says."""

from pathlib import Path

import pytest

from harness.console_document import Step, console_steps, run_step, stack_environment

ROOT = Path(__file__).parents[2]
STEP_LIMIT_S = 300.0

pytestmark = [pytest.mark.environments, pytest.mark.timeout(600)]


@pytest.mark.parametrize(
    "page",
    [
        pytest.param("tensorflow.md", marks=pytest.mark.xdist_group("tensorflow")),
        pytest.param("mlflow.md", marks=pytest.mark.xdist_group("environments")),
    ],
)
def test_every_command_of_the_page_prints_what_it_says(page: str, tmp_path: Path) -> None:
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    steps = console_steps((ROOT / "docs" / "models" / page).read_text())
    assert len(steps) >= 2
    with stack_environment() as environment:
        environment |= {"TF_ENABLE_ONEDNN_OPTS": "0", "MLFLOW_DISABLE_TELEMETRY": "true"}
        for step in [Step("skysail up --detach", []), *steps]:
            run_step(step, environment, tmp_path, STEP_LIMIT_S)
