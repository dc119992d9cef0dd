"""What a model's folder asks of the environment it runs in: requirements.txt, packages.txt, setup.sh, and the Python.

The digest of a request is what its environment is found by when the model starts again, without a network. A setup.sh
may read any file of its folder, so that an environment with one belongs to that one artifact.
"""

import hashlib
import json
import platform
import re
import sys
import sysconfig
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path
from typing import Any

from skysail_management.environment_packages import PACKAGES_FILE, package_names
from skysail_management.environment_requirements import REQUIREMENTS_FILE, Requirements, parse_requirements
from skysail_management.errors import EnvironmentBuildError

__all__ = [
    "SETUP_FILE",
    "EnvironmentRequest",
    "asks_for_environment",
    "digest_of",
    "read_request",
    "runtime_requirements",
]

SETUP_FILE = "setup.sh"

_FORMAT = 1
"""Of what is built: another one makes every environment anew."""

_MAX_FILE_BYTES = 1 << 20
_PICKLED = ("sklearn", "python")
_RUNTIME_EXTRAS = ("python", "fast", "metrics")
_VERSION = re.compile(r"3\.[0-9]{1,2}\Z")


@dataclass(frozen=True, slots=True)
class EnvironmentRequest:
    """Invariant: what differs in anything that could change the environment has another digest."""

    artifact: str
    requirements: Requirements | None = None
    packages: tuple[str, ...] = ()
    setup: str | None = None
    python: str | None = None
    framework: str = "folder"

    @property
    def needs_virtualenv(self) -> bool:
        """Debian packages alone are there or not; nothing has to be built for them."""
        return self.requirements is not None or self.setup is not None

    @property
    def is_pickled(self) -> bool:
        """Whether the model can be loaded only by the Python that saved it."""
        return self.framework in _PICKLED

    def digest(self, runtime: Sequence[str]) -> str:
        """The name of the request, on this machine and with these requirements of the container's own runtime."""
        facts = {
            "format": _FORMAT,
            "requirements": None if self.requirements is None else self.requirements.texts,
            "runtime": sorted(runtime),
            "python": [self.python, self.is_pickled, platform.python_version(), sys.base_prefix],
            "platform": sysconfig.get_platform(),
        }
        return digest_of(facts | self.own_facts())

    def own_facts(self) -> dict[str, str | None]:
        """What of the request shapes the environment beside its packages."""
        return {"setup": self.setup, "artifact": self.artifact if self.setup is not None else None}


def digest_of(facts: object) -> str:
    """The sha256 of facts in JSON."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def asks_for_environment(folder: Path) -> bool:
    """Whether the model in the folder asks for anything at all. Blocks shortly."""
    return any((folder / name).is_file() for name in (REQUIREMENTS_FILE, PACKAGES_FILE, SETUP_FILE))


def read_request(folder: Path, *, may_name_indexes: bool) -> EnvironmentRequest:
    """What the model in an artifact's folder asks for. Blocks shortly.

    :raises EnvironmentBuildError: one of its files says something that is not allowed.
    """
    requirements = _text_of(folder / REQUIREMENTS_FILE)
    manifest = _manifest(folder)
    python = manifest.get("python")
    return EnvironmentRequest(
        artifact=folder.name,
        requirements=(
            None if requirements is None else parse_requirements(requirements, may_name_indexes=may_name_indexes)
        ),
        packages=package_names(_text_of(folder / PACKAGES_FILE) or ""),
        setup=_text_of(folder / SETUP_FILE),
        python=python if isinstance(python, str) and _VERSION.match(python) else None,
        framework=str(manifest.get("framework", "folder")),
    )


def _text_of(path: Path) -> str | None:
    if not path.is_file():
        return None
    with path.open("rb") as file:
        data = file.read(_MAX_FILE_BYTES + 1)
    if len(data) > _MAX_FILE_BYTES:
        raise EnvironmentBuildError(f"{path.name}: expected at most {_MAX_FILE_BYTES} bytes, got more")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise EnvironmentBuildError(f"{path.name} is not UTF-8 text: {error}") from error


def _manifest(folder: Path) -> dict[str, Any]:
    """The manifest as far as it can be read; what is wrong with it, the container tells."""
    try:
        values = json.loads(_text_of(folder / "skysail.json") or "{}")
    except ValueError:
        return {}
    return values if isinstance(values, dict) else {}


def runtime_requirements() -> tuple[str, ...]:
    """What the container's own runtime needs beside the model, as its distribution declares it.

    :raises EnvironmentBuildError: the container's distribution is not installed here.
    """
    try:
        declared = requires("skysail-container") or []
    except PackageNotFoundError as error:
        raise EnvironmentBuildError("skysail-container is not installed beside management") from error
    wanted = []
    for line in declared:
        requirement, _, marker = line.partition(";")
        extra = re.search(r"extra\s*==\s*['\"]([^'\"]+)['\"]", marker)
        if extra is None or extra[1] in _RUNTIME_EXTRAS:
            wanted.append(requirement.strip())
    return tuple(sorted(wanted))
