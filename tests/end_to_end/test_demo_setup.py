"""What `make setup` (and so `make demo`) says on a machine that lacks something; it changes nothing there."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
TOOLS = ("bash", "dirname", "awk", "id", "python3")


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """A folder to be the whole PATH: what every Debian has, a compiler and a disk with room."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in TOOLS:
        found = shutil.which(name)
        assert found is not None
        (folder / name).symlink_to(found)
    script(folder / "cc", "exit 0")
    script(folder / "df", "printf 'Filesystem\\nroot 90000 1 80000 1%% /\\n'")
    return folder


def script(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def setup(tools: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PATH": str(tools), "PYTHON": ""}
    command = [str(tools / "bash"), str(CHECKOUT / "scripts" / "setup.sh"), str(tools.parent / "venv")]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


def assert_one_line(ran: subprocess.CompletedProcess[str], *said: str) -> None:
    assert ran.returncode == 1
    assert ran.stdout == ""
    lines = ran.stderr.strip().splitlines()
    assert len(lines) == 1
    for words in said:
        assert words in lines[0]


def test_without_a_compiler_it_says_how_to_get_one(tools: Path) -> None:
    (tools / "cc").unlink()
    assert_one_line(setup(tools), "no C compiler found", "apt-get install build-essential")
    assert not (tools.parent / "venv").exists()


def test_on_a_full_disk_it_says_how_much_is_needed(tools: Path) -> None:
    script(tools / "df", "printf 'Filesystem\\nroot 90000 89900 100 99%% /\\n'")
    assert_one_line(setup(tools), "the disk has 100 MiB left", "needs 1500", "free some space")
    assert not (tools.parent / "venv").exists()
