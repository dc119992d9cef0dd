"""docs/batch.md's example, run as it stands."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.local_stack import running_stack

ROOT = Path(__file__).parents[2]

pytestmark = [
    pytest.mark.timeout(400),
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
]


def example() -> list[tuple[str, list[str]]]:
    """Each command with the lines that follow it."""
    page = (ROOT / "docs" / "batch.md").read_text().split("## An example")[1].split("\n## ")[0]
    (block,) = re.findall(r"```console\n(.*?)```", page, re.DOTALL)
    steps: list[tuple[str, list[str]]] = []
    for line in block.splitlines():
        if line.startswith("$ "):
            steps.append((line[2:], []))
        else:
            steps[-1][1].append(line)
    return steps


@pytest.fixture
def environment() -> Iterator[dict[str, str]]:
    with running_stack() as (stack, _):
        yield {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "SKYSAIL_DATA_DIR": str(stack.settings.data_dir),
            "SKYSAIL_URL": stack.settings.management_url,
            "SKYSAIL_QUERY_URL": stack.settings.query_url,
        }


def test_every_command_of_the_example_prints_what_the_page_says(environment: dict[str, str], tmp_path: Path) -> None:
    steps = example()
    assert len(steps) == 8
    for command, expected in steps:
        ran = subprocess.run(
            ["bash", "-c", command], env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=200
        )
        assert ran.returncode == 0, f"$ {command}\n{ran.stdout}{ran.stderr}"
        for line in expected:
            wanted = re.sub(r"in \d+\.\d s", "in N s", line.replace("/home/me", str(tmp_path)))
            assert wanted in re.sub(r"in \d+\.\d s", "in N s", ran.stdout).splitlines(), f"$ {command}\n{ran.stdout}"
