"""docs/models/tensorflow.md and mlflow.md, run as they stand: every command prints what the page says."""

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
STEP_LIMIT_S = 300.0

pytestmark = pytest.mark.timeout(600)


def steps(page: str) -> list[tuple[str, list[str]]]:
    """Each command of the page with the lines that follow it."""
    found: list[tuple[str, list[str]]] = []
    for block in re.findall(r"```console\n(.*?)```", (ROOT / "docs" / "models" / page).read_text(), re.DOTALL):
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append((line[2:], []))
            else:
                found[-1][1].append(line)
    return found


def without_sizes(text: str) -> str:
    return re.sub(r"[\d.]+ (bytes|[KM]i?B)", "N", text)


@pytest.fixture
def environment() -> Iterator[dict[str, str]]:
    """A stack; its folder is where the commands run, with the examples beside them."""
    query_port, management_port = free_ports(2)
    with data_folder() as folder:
        environment = {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "SKYSAIL_DATA_DIR": str(folder),
            "SKYSAIL_QUERY_PORT": str(query_port),
            "SKYSAIL_MANAGEMENT_PORT": str(management_port),
            "TF_ENABLE_ONEDNN_OPTS": "0",
            "MLFLOW_DISABLE_TELEMETRY": "true",
        }
        try:
            started = run("skysail up --detach", ROOT, environment)
            assert started.returncode == 0, started.stdout + started.stderr
            yield environment
        finally:
            run("skysail down", ROOT, environment)


def run(command: str, folder: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Runs it; an example is told where this stack is, since it is not where the page's reader has it."""
    if command == "python examples/tensorflow_model.py":
        ports = environment["SKYSAIL_MANAGEMENT_PORT"], environment["SKYSAIL_QUERY_PORT"]
        command += "".join(f" http://127.0.0.1:{port}" for port in ports)
    return subprocess.run(
        ["bash", "-c", command], env=environment, cwd=folder, capture_output=True, text=True, timeout=STEP_LIMIT_S
    )


@pytest.mark.parametrize(
    "page",
    [
        pytest.param("tensorflow.md", marks=pytest.mark.xdist_group("tensorflow")),
        pytest.param("mlflow.md", marks=[pytest.mark.environments, pytest.mark.xdist_group("environments")]),
    ],
)
def test_every_command_of_the_page_prints_what_it_says(page: str, tmp_path: Path, environment: dict[str, str]) -> None:
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    commands = steps(page)
    assert len(commands) >= 2
    for command, expected in commands:
        done = run(command, tmp_path, environment)
        assert done.returncode == 0, f"$ {command}\n{done.stdout}{done.stderr}"
        printed = [without_sizes(line) for line in (done.stdout + done.stderr).splitlines()]
        for line in expected:
            assert without_sizes(line) in printed, f"$ {command}\n{done.stdout}{done.stderr}\nlacks: {line}"
