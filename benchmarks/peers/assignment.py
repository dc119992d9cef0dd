"""What a peer's server is told, in variables of its environment: which model, on which ports, where it may write.

This module runs in every peer's environment, so it imports nothing but the standard library.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

__all__ = ["N_SPARE_PORTS", "SUM", "become", "folder", "model_file", "model_name", "port", "spare_ports", "variables"]

MODEL, PORT, SPARE_PORTS, FOLDER = "PEER_MODEL", "PEER_PORT", "PEER_SPARE_PORTS", "PEER_FOLDER"
SUM = "sum"
N_SPARE_PORTS = 4


def variables(model: str, port: int, spare_ports: Sequence[int], folder: Path) -> dict[str, str]:
    """What the functions below read. Whatever a server calls temporary goes to `folder` as well."""
    told = {MODEL: model, PORT: str(port), SPARE_PORTS: " ".join(map(str, spare_ports)), FOLDER: str(folder)}
    return told | {"TMPDIR": str(folder), "TEMP": str(folder)}


def become(command: Sequence[str]) -> None:
    """Run another program in this process's place, so that it is the one that is stopped at the end."""
    os.execv(command[0], list(command))  # noqa: S606  # a list of arguments, not a line for a shell


def model_file() -> str:
    """`sum`, or the path of a file that joblib loads."""
    return os.environ[MODEL]


def model_name() -> str:
    """For routes that name the model: `sum`, or the file's name without its suffix."""
    return Path(model_file()).stem


def port() -> int:
    """Where predictions are asked for, on the loopback address."""
    return int(os.environ[PORT])


def spare_ports() -> list[int]:
    """Free ports for what else the server opens."""
    return [int(text) for text in os.environ[SPARE_PORTS].split()]


def folder() -> Path:
    """An empty folder for what the server writes; its path is short."""
    return Path(os.environ[FOLDER])
