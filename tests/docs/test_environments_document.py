"""docs/models/environments.md, run as it stands in an empty folder: its commands do what it says."""

from pathlib import Path

import pytest

from harness.console_document import Step, console_steps, run_step, stack_environment

DOCUMENT = Path(__file__).parents[2] / "docs" / "models" / "environments.md"

pytestmark = [pytest.mark.environments, pytest.mark.xdist_group("environments"), pytest.mark.timeout(600)]

STEP_LIMIT_S = 300.0


def test_the_commands_of_the_page_do_what_it_says(tmp_path: Path) -> None:
    with stack_environment() as environment:
        steps = [Step("skysail up --detach", []), *console_steps(DOCUMENT.read_text())]
        said = {step.command: run_step(step, environment, tmp_path, STEP_LIMIT_S) for step in steps}
    assert "1.26.4" in said["skysail predict which-old '[1.0]' --json"]
    assert "2.1.3" in said["skysail predict which-new '[1.0]' --json"]
    assert "its environment is ready after" in said["skysail logs new:1"]
    (failed,) = (text for command, text in said.items() if "new 2" in command)
    assert "No matching distribution found for numpy==99.0" in failed
