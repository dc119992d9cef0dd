"""The files that ship Skysail, read for tests: compose file, Dockerfiles, and what each process's flags are."""

import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import yaml

__all__ = ["ROOT", "Instruction", "compose_file", "dockerfile", "environment_names", "interpolated"]

ROOT = Path(__file__).resolve().parents[2]

_FLAG = re.compile(r"(?<![\w-])--([a-z][a-z0-9-]*)")
_INTERPOLATION = re.compile(r"\$\{(?P<name>[A-Z_]+)(?:(?P<operator>:-|:\?)(?P<operand>[^}]*))?\}")


class Instruction(NamedTuple):
    """One instruction of a Dockerfile, its continuation lines joined."""

    name: str
    arguments: str


def dockerfile(path: Path) -> list[Instruction]:
    """The instructions of a Dockerfile in order, without comments."""
    lines = [line for line in path.read_text().splitlines() if line.strip() and not line.lstrip().startswith("#")]
    text = "\n".join(lines).replace("\\\n", " ")
    return [
        Instruction(name, " ".join(rest.split()))
        for name, _, rest in (line.partition(" ") for line in text.split("\n"))
    ]


def compose_file() -> dict[str, Any]:
    """docker-compose.yml as it stands, variables not interpolated, anchors merged."""
    content: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return content


def interpolated(text: str) -> dict[str, tuple[str | None, str | None]]:
    """The variables in a compose value, `${NAME:-default}` or `${NAME:?message}`: name -> (operator, operand)."""
    return {match["name"]: (match["operator"], match["operand"]) for match in _INTERPOLATION.finditer(text)}


@cache
def environment_names(module: str) -> frozenset[str]:
    """The environment variables that `python -m module` reads: the twins of the flags in its --help."""
    done = subprocess.run(
        [sys.executable, "-m", module, "--help"], capture_output=True, text=True, check=True, timeout=60
    )
    return frozenset(
        "SKYSAIL_" + flag.upper().replace("-", "_") for flag in _FLAG.findall(done.stdout) if flag != "help"
    )
