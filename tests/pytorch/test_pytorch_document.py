"""docs/models/pytorch.md, run as it stands: the example, and the program and the folder that the page makes."""

import re
from pathlib import Path

import pytest
import torch

from harness.console_document import Step, console_steps, run_step, stack_environment

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "models" / "pytorch.md").read_text()
STEP_LIMIT_S = 120.0

pytestmark = pytest.mark.timeout(400)


def test_every_command_of_the_page_prints_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program, folder_model = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    exec(program, {})  # noqa: S102  # the page's own code is what is tested
    (tmp_path / "regression").mkdir()
    (tmp_path / "regression" / "model.py").write_text(folder_model)
    torch.save(torch.nn.Linear(4, 1).state_dict(), tmp_path / "regression" / "weights.pt")
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    steps = console_steps(PAGE)
    assert len(steps) == 9
    with stack_environment() as environment:
        for step in [Step("skysail up --detach", []), *steps]:
            run_step(step, environment, tmp_path, STEP_LIMIT_S)
