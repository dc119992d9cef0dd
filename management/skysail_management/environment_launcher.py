"""`python -m skysail_management.environment_launcher --environments DIR -- CONTAINER ARGUMENTS`

Becomes the container of a model that asks for an environment of its own: finds the environment or builds it, and
replaces itself by the environment's Python running `-m skysail_container`. Its process id and its arguments are the
container's from the beginning, so that it is watched, adopted and stopped like one.

Exit codes: 0 when it was told to stop before, 5 when the environment cannot be built; all others are the container's.
"""

import argparse
import logging
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from skysail_management.environment_build import PROGRESS, Building, activated, link_runtime
from skysail_management.environment_commands import Commands, Patience, StoppedError
from skysail_management.environment_packages import missing_packages
from skysail_management.environment_python import interpreter_of
from skysail_management.environment_request import EnvironmentRequest, read_request, runtime_requirements
from skysail_management.environment_store import Environment, EnvironmentStore
from skysail_management.errors import EnvironmentBuildError

__all__ = ["EXIT_NO_ENVIRONMENT", "main"]

logger = logging.getLogger(__name__)

EXIT_NO_ENVIRONMENT = 5

_LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
_FOREIGN = frozenset({"PYTHONPATH", "PYTHONHOME", "PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_USER"})
"""Variables that would put something else into an environment, or before it."""


@dataclass(frozen=True, slots=True)
class _Settings:
    environments: Path
    may_name_indexes: bool
    build_limit_s: float
    container: Sequence[str]
    model: Path
    lifeline_fd: int | None


def _read_settings(arguments: Sequence[str]) -> _Settings:
    parser = argparse.ArgumentParser(prog="python -m skysail_management.environment_launcher", allow_abbrev=False)
    parser.add_argument("--environments", type=Path, required=True, help="where environments are kept")
    parser.add_argument("--index-options", choices=("allowed", "refused"), default="refused")
    parser.add_argument("--build-limit-s", type=float, default=1800.0)
    parser.add_argument("container", nargs="+", help="the container's arguments, behind --")
    given = parser.parse_args(arguments)
    options = dict(pairwise(given.container))
    return _Settings(
        given.environments,
        given.index_options == "allowed",
        given.build_limit_s,
        given.container,
        Path(options["--model"]),
        int(options["--lifeline-fd"]) if "--lifeline-fd" in options else None,
    )


def main() -> int:
    """Run to the exec, or to the end; the exit code."""
    settings = _read_settings(sys.argv[1:])
    logging.basicConfig(level="INFO", format=_LOG_FORMAT, stream=sys.stdout)
    try:
        environment = _environment(settings)
    except StoppedError:
        logger.info("stopped while the environment was being built")
        return 0
    except (EnvironmentBuildError, OSError) as error:
        for note in getattr(error, "__notes__", ()):
            sys.stdout.write(f"{note}\n")
        logger.error("%s", error)  # noqa: TRY400  # last, for it says what to do
        return EXIT_NO_ENVIRONMENT
    _become_container(settings, environment)
    raise AssertionError("unreachable")


def _environment(settings: _Settings) -> Environment | None:
    request = read_request(settings.model, may_name_indexes=settings.may_name_indexes)
    _check_packages(request)
    if not request.needs_virtualenv:
        return None
    store = EnvironmentStore(settings.environments)
    store.prepare()
    runtime = runtime_requirements()
    digest = request.digest(runtime)
    environment = store.find(digest)
    if environment is None:
        patience = Patience(settings.build_limit_s, settings.lifeline_fd)
        environment = _built_once(store, request, runtime, digest, settings.model, patience)
    link_runtime(environment.folder)
    return environment


def _check_packages(request: EnvironmentRequest) -> None:
    missing = missing_packages(request.packages)
    if missing is None and request.packages:
        logger.warning("packages.txt cannot be checked: there is no dpkg-query here")
    elif missing:
        raise EnvironmentBuildError(
            f"packages.txt asks for Debian packages that are not installed here: {', '.join(missing)}; "
            f"install them and deploy again: apt-get install {' '.join(missing)}"
        )


def _built_once(
    store: EnvironmentStore,
    request: EnvironmentRequest,
    runtime: Sequence[str],
    digest: str,
    artifact: Path,
    patience: Patience,
) -> Environment:
    """The environment, built here unless another process is at it: then that one's success or failure is ours too."""
    since_s = time.time()
    waits = 0

    def wait() -> None:
        nonlocal waits
        if not waits:
            logger.info("%sanother process is at it, waiting", PROGRESS)
        waits += 1
        patience.wait()

    with store.locked(digest, wait):
        environment = store.find(digest)
        if environment is not None:
            return environment
        failed = store.failure_since(digest, since_s) if waits else None
        if failed is not None:
            raise EnvironmentBuildError(failed)
        try:
            return _built(store, request, runtime, digest, artifact, patience)
        except (EnvironmentBuildError, OSError) as error:
            text = f"{error} (the whole log: {store.log_path(digest)})"
            store.note_failure(digest, text)
            failure = EnvironmentBuildError(text)
            for note in getattr(error, "__notes__", ()):
                failure.add_note(note)
            raise failure from error


def _built(
    store: EnvironmentStore,
    request: EnvironmentRequest,
    runtime: Sequence[str],
    digest: str,
    artifact: Path,
    patience: Patience,
) -> Environment:
    started_s = time.monotonic()
    interpreter = interpreter_of(request)
    build = store.begin()
    is_placed = False
    try:
        with store.log_path(digest).open("wb") as log:
            building = Building(request, runtime, build.folder, Commands(patience, log, _clean_variables()))
            building.make_virtualenv(interpreter)
            version = building.describe_python()
            resolved = building.resolve()
            key = building.key(resolved)
            with store.locked(key, patience.wait):
                found = store.hold(key)
                if found is None:
                    building.install(resolved)
                    building.run_setup(artifact)
                    store.place(key, build)
                    is_placed = True
                store.remember(digest, key, resolved)
    finally:
        if not is_placed:
            store.discard(build)
    took_s = time.monotonic() - started_s
    logger.info("its environment is ready after %.1f s: Python %s, %d packages", took_s, version, len(resolved))
    return found or build


def _clean_variables() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in _FOREIGN}


def _become_container(settings: _Settings, environment: Environment | None) -> None:
    variables = dict(os.environ)
    python = sys.executable
    if environment is not None:
        os.set_inheritable(environment.hold, True)  # so that the environment stays as long as the container
        variables = _clean_variables() | activated(environment.folder)
        python = str(environment.python)
    logging.shutdown()
    sys.stdout.flush()
    os.execve(python, [python, "-m", "skysail_container", *settings.container], variables)  # noqa: S606


if __name__ == "__main__":
    sys.exit(main())
