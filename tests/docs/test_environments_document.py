"""docs/models/environments.md, run as it stands in an empty folder: its commands do what it says."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.free_ports import free_ports
from harness.local_stack import data_folder

DOCUMENT = Path(__file__).parents[2] / "docs" / "models" / "environments.md"

pytestmark = [pytest.mark.environments, pytest.mark.xdist_group("environments"), pytest.mark.timeout(600)]

STEP_LIMIT_S = 300.0


def steps() -> list[tuple[str, list[str]]]:
    """Each command of the page with the lines that it is said to print."""
    found: list[tuple[str, list[str]]] = []
    for block in re.findall(r"```console\n(.*?)```", DOCUMENT.read_text(), re.DOTALL):
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append((line[2:], []))
            else:
                found[-1][1].append(line)
    return found


def without_sizes(text: str) -> str:
    return re.sub(r"\d+ bytes", "N bytes", text)


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
            assert run("skysail up --detach", folder, environment).returncode == 0
            yield environment
        finally:
            run("skysail down", folder, environment)


def run(command: str, folder: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", command], env=environment, cwd=folder, capture_output=True, text=True, timeout=STEP_LIMIT_S
    )


def test_the_commands_of_the_page_do_what_it_says(tmp_path: Path, environment: dict[str, str]) -> None:
    said = {}
    for command, expected in steps():
        done = run(command, tmp_path, environment)
        said[command] = done.stdout + done.stderr
        assert done.returncode == 0, f"$ {command}\n{said[command]}"
        printed = [without_sizes(line.strip()) for line in said[command].splitlines()]
        for line in expected:
            assert without_sizes(line) in printed, f"$ {command}\n{said[command]}\nlacks: {line}"
    assert "1.26.4" in said["skysail predict which-old '[1.0]' --json"]
    assert "2.1.3" in said["skysail predict which-new '[1.0]' --json"]
    assert "its environment is ready after" in said["skysail logs new:1"]
    (failed,) = (text for command, text in said.items() if "new 2" in command)
    assert "No matching distribution found for numpy==99.0" in failed
