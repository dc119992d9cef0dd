"""The commands that a document shows, with what it says they print."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from harness.free_ports import free_ports
from harness.local_stack import data_folder

__all__ = ["Step", "console_steps", "run_step", "stack_environment", "without_figures"]

_PARTS = ("QUERY", "MANAGEMENT")


class Step(NamedTuple):
    command: str
    expected: list[str]


def console_steps(text: str) -> list[Step]:
    """Each command of the `console` blocks with the lines that follow it."""
    steps: list[Step] = []
    for block in re.findall(r"```console\n(.*?)```", text, re.DOTALL):
        for line in block.splitlines():
            if line.startswith("$ "):
                steps.append(Step(line[2:], []))
            elif line.strip():
                steps[-1].expected.append(line)
    return steps


def without_figures(text: str) -> str:
    """Digits, digests, paths and runs of blanks are what differs between two runs."""
    text = re.sub(r"\b[0-9a-f]{12}\b|\d+(\.\d+)?(e-\d+)?", "N", text)
    return " ".join(re.sub(r"data in \S+", "data in DIR", text).split())


@contextmanager
def stack_environment() -> Iterator[dict[str, str]]:
    """An environment whose `skysail` has ports and data of its own; the stack it starts is stopped at the end."""
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
            subprocess.run(["skysail", "down"], env=environment, capture_output=True, check=False, timeout=80)


def run_step(step: Step, environment: dict[str, str], folder: Path, timeout_s: float) -> str:
    """Runs the command in `folder`; the ports that it leaves out are the environment's. What it printed.

    :raises AssertionError: it fails, or does not print the lines that the document has, figures aside.
    """
    query_url, management_url = (f"http://127.0.0.1:{environment[f'SKYSAIL_{part}_PORT']}" for part in _PARTS)
    command = step.command.replace("http://127.0.0.1:1337/", f"{query_url}/")
    command = re.sub(r"python examples/\S+\.py", rf"\g<0> {management_url} {query_url}", command)
    done = subprocess.run(
        ["bash", "-c", command],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0, f"$ {command}\n{said}"
    printed = [without_figures(line) for line in said.splitlines()]
    for line in step.expected:
        assert without_figures(line) in printed, f"$ {command}\n{said}\nlacks: {line}"
    return said
