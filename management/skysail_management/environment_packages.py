"""packages.txt: the Debian packages a model needs. They are checked here, and installed by whoever has the right to."""

import re
import shutil
import subprocess
from collections.abc import Sequence

from skysail_management.errors import EnvironmentBuildError

__all__ = ["PACKAGES_FILE", "missing_packages", "package_names"]

PACKAGES_FILE = "packages.txt"

_NAME = re.compile(r"[a-z0-9][a-z0-9+.-]+(:[a-z0-9-]+)?\Z")
_QUERY_LIMIT_S = 60.0


def package_names(text: str) -> tuple[str, ...]:
    """The names in a packages.txt: one on a line, `#` begins a comment.

    :raises EnvironmentBuildError: a line that is no name of a Debian package, with its number.
    """
    names = []
    for number, row in enumerate(text.splitlines(), 1):
        name = row.partition("#")[0].strip()
        if name and not _NAME.match(name):
            raise EnvironmentBuildError(
                f"{PACKAGES_FILE}, line {number}: {name[:100]!r} is not the name of a Debian package"
            )
        if name:
            names.append(name)
    return tuple(dict.fromkeys(names))


def missing_packages(names: Sequence[str]) -> list[str] | None:
    """Those that are not installed on this machine; None if it is not a Debian and nobody can tell. Blocks shortly."""
    if shutil.which("dpkg-query") is None:
        return None
    missing = []
    for name in names:
        query = ["dpkg-query", "--show", "--showformat=${db:Status-Status}\n", "--", name]
        told = subprocess.run(query, capture_output=True, text=True, timeout=_QUERY_LIMIT_S, check=False)
        if "installed" not in told.stdout.splitlines():
            missing.append(name)
    return missing
