"""A peer's environment: a virtual one of its own under `.environments/`, with the versions of its requirements.txt.

Invariant: its stamp is written last and holds what it was made from, so that one half made, or made from other
requirements, is never taken for ready.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

__all__ = ["PeerEnvironment", "PeerEnvironmentError"]

PEERS = Path(__file__).parent
ENVIRONMENTS = ".environments"
STAMP = ".made-from"
N_LAST_LINES = 15
VERSIONS = (
    "import json, sys; from importlib.metadata import version; print(json.dumps({n: version(n) for n in sys.argv[1:]}))"
)


class PeerEnvironmentError(Exception):
    """It could not be made, or cannot be used; the message holds the end of what pip said."""


class PeerEnvironment:
    """The environment of the peer whose requirements are in the folder `name` of `peers`."""

    def __init__(self, name: str, peers: Path = PEERS) -> None:
        self.name = name
        self._folder = peers / ENVIRONMENTS / name
        self._requirements = peers / name / "requirements.txt"

    @property
    def python(self) -> Path:
        return self._folder / "bin" / "python"

    def is_ready(self) -> bool:
        """Whether it was made to the end, from the requirements of now and by this Python."""
        stamp = self._folder / STAMP
        return stamp.is_file() and stamp.read_text() == self._made_from() and self.python.exists()

    def make(self) -> None:
        """Make it anew. Blocks for a minute or several, and downloads what pip has not cached.

        :raises PeerEnvironmentError: pip, or the network, or the disk.
        """
        shutil.rmtree(self._folder, ignore_errors=True)
        self._run(sys.executable, "-m", "venv", str(self._folder))
        self._run(str(self.python), "-m", "pip", "install", "--no-input", "--progress-bar=off", "--quiet",
                  "--disable-pip-version-check", "--requirement", str(self._requirements))  # fmt: skip
        (self._folder / STAMP).write_text(self._made_from())

    def versions(self, *distributions: str) -> dict[str, str]:
        """What is really installed.

        :raises PeerEnvironmentError: one of them is not.
        """
        versions: dict[str, str] = json.loads(self._run(str(self.python), "-c", VERSIONS, *distributions))
        return versions

    def size_bytes(self) -> int:
        """On the disk, links not followed."""
        files = (Path(folder) / name for folder, _, names in os.walk(self._folder) for name in names)
        return sum(file.lstat().st_size for file in files)

    def _made_from(self) -> str:
        digest = hashlib.sha256(self._requirements.read_bytes()).hexdigest()
        return f"{digest} {sys.version}\n"

    def _run(self, *command: str) -> str:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            last_lines = "\n".join((done.stdout + done.stderr).strip().splitlines()[-N_LAST_LINES:])
            raise PeerEnvironmentError(f"{' '.join(command[:4])} ... ended with code {done.returncode}\n{last_lines}")
        return done.stdout
