"""The README's tour, run as it stands: every command ends with 0 and prints what the README says, figures aside."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.free_ports import free_ports
from harness.local_stack import data_folder

ROOT = Path(__file__).parents[2]
STEP_TIMEOUT_S = 60.0


def tour_steps() -> list[tuple[str, list[str]]]:
    """Each command of the tour with the lines that follow it."""
    tour = (ROOT / "README.md").read_text().split("## A tour")[1].split("\n## ")[0]
    steps: list[tuple[str, list[str]]] = []
    for block in re.findall(r"```console\n(.*?)```", tour, re.DOTALL):
        for line in block.splitlines():
            if line.startswith("$ "):
                steps.append((line[2:], []))
            elif line.strip():
                steps[-1][1].append(line)
    return steps


def without_figures(text: str) -> str:
    """Digits, digests, paths and runs of blanks are what differs between two runs."""
    text = re.sub(r"\b[0-9a-f]{12}\b|\d+(\.\d+)?", "N", text)
    return " ".join(re.sub(r"data in \S+", "data in DIR", text).split())


@pytest.fixture
def environment() -> Iterator[dict[str, str]]:
    query_port, management_port = free_ports(2)
    with data_folder() as folder:
        environment = {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "SKYSAIL_DATA_DIR": str(folder),
            "SKYSAIL_QUERY_PORT": str(query_port),
            "SKYSAIL_MANAGEMENT_PORT": str(management_port),
        }
        try:
            yield environment
        finally:
            run("skysail down", environment)


def run(command: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = command.replace(":1337/", f":{environment['SKYSAIL_QUERY_PORT']}/")
    return subprocess.run(
        ["bash", "-c", command], env=environment, cwd=ROOT, capture_output=True, text=True, timeout=STEP_TIMEOUT_S
    )


def test_every_command_of_the_tour_prints_what_the_readme_says(environment: dict[str, str]) -> None:
    steps = tour_steps()
    assert len(steps) > 10
    for command, expected in steps:
        done = run(command, environment)
        assert done.returncode == 0, f"$ {command}\n{done.stdout}{done.stderr}"
        printed = [without_figures(line) for line in (done.stdout + done.stderr).splitlines()]
        for line in expected:
            assert without_figures(line) in printed, f"$ {command}\n{done.stdout}{done.stderr}\nlacks: {line}"
