"""The environments of one data directory, as they lie on the disk.

Invariants:
- `environments/<key>` is a link to a folder in `builds/`, and exists only once that folder is whole. A virtualenv has
  its own path in it and cannot be moved, so its name is what moves into place.
- `requests/<digest>.json` says which environment a request gave and what its requirements resolved to.
- Whoever builds or uses a folder in `builds/` holds a shared lock on it for as long as the process lives, a container
  through its `exec` too; nothing is removed without an exclusive one.
- A lock file is held by at most one process, and is never taken for another that was removed meanwhile.
"""

import fcntl
import json
import os
import secrets
import shutil
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from skysail_management.files import move_into_place, write_new_file

__all__ = ["Environment", "EnvironmentStore"]

_FOLDERS = ("environments", "builds", "requests", "failures", "locks", "logs")


@dataclass(frozen=True, slots=True)
class Environment:
    """A folder with a virtualenv, and the descriptor whose lock keeps it there."""

    folder: Path
    hold: int

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"


class EnvironmentStore:
    """Environments below `directory`. Any number of processes may use it at once. All methods block."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._links, self._builds, self._requests, self._failures, self._locks, self._logs = (
            directory / name for name in _FOLDERS
        )

    def prepare(self) -> None:
        """Make the folders."""
        for name in _FOLDERS:
            (self.directory / name).mkdir(mode=0o700, parents=True, exist_ok=True)

    def log_path(self, digest: str) -> Path:
        """What pip and setup.sh wrote when the request was last built, be it in vain."""
        return self._logs / f"{digest}.log"

    @contextmanager
    def locked(self, name: str, while_waiting: Callable[[], None]) -> Iterator[None]:
        """Alone with this name among all processes. `while_waiting` is called again and again, and may raise."""
        path = self._locks / f"{name}.lock"
        while True:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                while not _try_lock(descriptor, fcntl.LOCK_EX):
                    while_waiting()
                if _is_at(descriptor, path):
                    yield
                    return
            finally:
                os.close(descriptor)

    def find(self, digest: str) -> Environment | None:
        """The environment of a request, held; None if it is not built."""
        try:
            key = json.loads((self._requests / f"{digest}.json").read_bytes())["environment"]
        except (OSError, ValueError, LookupError, TypeError):
            return None
        return self.hold(str(key))

    def hold(self, key: str) -> Environment | None:
        """The environment with this key, held; None if there is none."""
        link = self._links / key
        try:
            folder = link.resolve(strict=True)
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError:
            return None
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        environment = Environment(folder, descriptor)
        if _is_at(descriptor, link) and os.access(environment.python, os.X_OK):
            return environment
        os.close(descriptor)
        return None

    def begin(self) -> Environment:
        """A new empty folder to build in, held."""
        while True:
            folder = self._builds / secrets.token_hex(8)
            folder.mkdir(mode=0o700)
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            fcntl.flock(descriptor, fcntl.LOCK_SH)
            if _is_at(descriptor, folder):
                return Environment(folder, descriptor)
            os.close(descriptor)

    def discard(self, build: Environment) -> None:
        """Remove what became no environment."""
        os.close(build.hold)
        shutil.rmtree(build.folder, ignore_errors=True)

    def place(self, key: str, build: Environment) -> None:
        """From now on the build is the environment with this key; of an earlier one only broken rests can be left."""
        fresh = self._links / f"{key}.{secrets.token_hex(4)}"
        fresh.symlink_to(os.path.relpath(build.folder, self._links))
        move_into_place(fresh, self._links / key)

    def remember(self, digest: str, key: str, resolved: Collection[str]) -> None:
        """This request is answered by that environment."""
        self._write(self._requests / f"{digest}.json", json.dumps({"environment": key, "resolved": list(resolved)}))

    def note_failure(self, digest: str, text: str) -> None:
        """For those who waited for this build."""
        self._write(self._failures / f"{digest}.txt", text)

    def failure_since(self, digest: str, wall_clock_s: float) -> str | None:
        """How a build of the request failed, if one did since then."""
        path = self._failures / f"{digest}.txt"
        try:
            return path.read_text() if path.stat().st_mtime >= wall_clock_s else None
        except FileNotFoundError:
            return None

    def _write(self, path: Path, text: str) -> None:
        fresh = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
        with write_new_file(fresh) as file:
            file.write(text.encode())
        move_into_place(fresh, path)

    def sweep(self, wanted: Collection[str], *, older_than_s: float) -> list[str]:
        """Remove what belongs to none of the wanted requests, is that old, and is in nobody's use; the keys removed."""
        latest = time.time() - older_than_s
        for folder in (self._requests, self._failures, self._logs):
            for path in _old(folder, latest):
                if path.name.partition(".")[0] not in wanted:
                    path.unlink(missing_ok=True)
        needed = self._needed_keys()
        removed = [link.name for link in _old(self._links, latest) if link.name not in needed and self._unlink(link)]
        linked = {link.readlink().name for link in self._links.iterdir() if link.is_symlink()}
        for build in _old(self._builds, latest):
            if build.name not in linked:
                self._remove_build(build)
        for lock in _old(self._locks, latest):
            if lock.stem not in wanted and lock.stem not in needed:
                _remove_lock(lock)
        return removed

    def _needed_keys(self) -> set[str]:
        keys = set()
        for path in self._requests.glob("*.json"):
            with suppress(OSError, ValueError, LookupError, TypeError):
                keys.add(str(json.loads(path.read_bytes())["environment"]))
        return keys

    def _unlink(self, link: Path) -> bool:
        """Take the name of an environment that nobody uses; whether it is gone."""
        build = self._builds / link.readlink().name
        with _alone(build) as is_ours:
            if is_ours or not build.exists():
                link.unlink(missing_ok=True)
                return True
        return False

    def _remove_build(self, build: Path) -> None:
        with _alone(build) as is_ours:
            if is_ours:
                shutil.rmtree(build, ignore_errors=True)


def _old(folder: Path, latest: float) -> list[Path]:
    found = []
    for path in folder.iterdir():
        with suppress(FileNotFoundError):
            if path.lstat().st_mtime <= latest:
                found.append(path)
    return found


def _try_lock(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_at(descriptor: int, path: Path) -> bool:
    """Whether the open file is the one at the path."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


@contextmanager
def _alone(path: Path) -> Iterator[bool]:
    """Whether nobody else holds the file or folder; as long as the block lasts nobody does."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        yield False
        return
    try:
        yield _try_lock(descriptor, fcntl.LOCK_EX)
    finally:
        os.close(descriptor)


def _remove_lock(path: Path) -> None:
    with _alone(path) as is_ours:
        if is_ours:
            path.unlink(missing_ok=True)
