"""The local backend's side of environments: who gets one, how far it is, and when it is removed."""

import logging
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from skysail_management.artifacts import ArtifactStore
from skysail_management.container_process import has_argument
from skysail_management.environment_build import PROGRESS
from skysail_management.environment_request import asks_for_environment, read_request, runtime_requirements
from skysail_management.environment_store import EnvironmentStore
from skysail_management.errors import EnvironmentBuildError

__all__ = ["Environments"]

logger = logging.getLogger(__name__)

_LAUNCHER = "skysail_management.environment_launcher"
_FORGOTTEN_AGE_S = 600.0
"""What was made within ten minutes stays: its version may be on its way to the registry, or back."""


@dataclass(frozen=True, slots=True)
class Environments:
    """The environments below `directory`, for the models of one artifact store."""

    directory: Path
    build_limit_s: float
    index_options: str

    def command(self, folder: Path, arguments: Sequence[str], runtime: Sequence[str]) -> list[str]:
        """How to start the container of the model in the folder: itself, or through what makes its environment."""
        if not asks_for_environment(folder):
            return [*runtime, *arguments]
        launcher = [sys.executable, "-m", _LAUNCHER, "--environments", str(self.directory)]
        limits = ["--build-limit-s", f"{self.build_limit_s:g}", "--index-options", self.index_options]
        return [*launcher, *limits, "--", *arguments]

    def is_building(self, pid: int) -> bool:
        """Whether the process has not become a container yet. Blocks shortly."""
        return has_argument(pid, _LAUNCHER)

    def progress(self, last_words: str) -> str:
        """What the end of its log says about a process that is building; "" if nothing."""
        _, begins, text = last_words.rpartition("\n")[2].partition(PROGRESS)
        return f"{begins}{text}"

    def sweep(self, artifacts: ArtifactStore, *, older_than_s: float = _FORGOTTEN_AGE_S) -> None:
        """Remove the environments that no stored artifact asks for and no container uses. Blocks."""
        store = EnvironmentStore(self.directory)
        store.prepare()
        wanted = {digest for sha256 in artifacts.stored(0) if (digest := _digest(artifacts.directory / sha256))}
        for key in store.sweep(wanted, older_than_s=older_than_s):
            logger.info("removed environment %s: no artifact asks for it", key)


def _digest(folder: Path) -> str | None:
    if not asks_for_environment(folder):
        return None
    try:
        return read_request(folder, may_name_indexes=True).digest(runtime_requirements())
    except EnvironmentBuildError:  # it never got one
        return None
