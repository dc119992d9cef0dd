"""Which Python an environment is made with: the one the model was saved with, if this machine has it."""

import platform
import shutil
import subprocess
import sys

from skysail_management.environment_request import EnvironmentRequest
from skysail_management.errors import EnvironmentBuildError

__all__ = ["interpreter_of", "running_version"]

_LOWEST = (3, 11)
"""What the container's runtime needs."""

_PROBE = "import sys; print('%d.%d' % sys.version_info[:2])"
_PROBE_LIMIT_S = 60.0


def running_version() -> str:
    """The version of this Python as a manifest names it: 3.11."""
    return "{}.{}".format(*sys.version_info[:2])


def interpreter_of(request: EnvironmentRequest) -> str:
    """The program to make the environment with: this Python, or the other one that the manifest names.

    A model that is no pickle may do with another version than it was packed with: the running one, then.

    :raises EnvironmentBuildError: the model is a pickle of another Python, and this machine has not got it.
    """
    wanted = request.python
    if wanted is None or wanted == running_version():
        return sys.executable
    found = shutil.which(f"python{wanted}")
    if found is not None and _is_usable(found, wanted):
        return found
    if not request.is_pickled:
        return sys.executable
    raise EnvironmentBuildError(
        f"the model was saved by Python {wanted}, and this machine runs Python {platform.python_version()} and has no "
        f"usable python{wanted}: deploy it again from Python {running_version()}, or install python{wanted} here"
    )


def _is_usable(program: str, wanted: str) -> bool:
    """Whether it starts and is what its name says; a stand-in of a version manager may do neither."""
    try:
        told = subprocess.run(
            [program, "-I", "-c", _PROBE], capture_output=True, text=True, timeout=_PROBE_LIMIT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    version = told.stdout.strip()
    return told.returncode == 0 and version == wanted and tuple(map(int, version.split("."))) >= _LOWEST
