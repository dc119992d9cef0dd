"""The data directory: made, checked, and locked for one management process."""

import errno
import fcntl
import hashlib
import os
import stat
import tempfile
from pathlib import Path

from skysail_management.settings import Settings, SettingsError

__all__ = ["DataDirectory"]

_MAX_SOCKET_DIRECTORY_BYTES = 107 - len("/0123456789ab.sock")
"""A unix socket's path has at most 107 bytes (unix(7))."""


class DataDirectory:
    """`artifacts`, `environments`, `logs` and `sockets`, ours alone until the process ends."""

    def __init__(self, settings: Settings) -> None:
        """:raises SettingsError: it cannot be used, or another management process uses it."""
        root = settings.data_dir.absolute()
        self.artifacts = root / "artifacts"
        self.logs = root / "logs" / "models"
        self.environments = root / "environments"
        wanted = settings.socket_directory().absolute()
        self.sockets = _short_enough(wanted)
        self._is_elsewhere = self.sockets != wanted
        try:
            for folder in (root, self.artifacts, self.environments, self.logs, self.sockets):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = os.open(root / "management.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise SettingsError(f"--data-dir {root}: another management process is using it") from error
        except OSError as error:
            raise SettingsError(f"--data-dir {root}: {_remedy(error)}") from error
        _check_private(self.sockets)

    def close(self) -> None:
        """Let another process use the directory. Nothing of it stays outside of it, unless containers still listen."""
        if self._is_elsewhere and not any(self.sockets.iterdir()):
            self.sockets.rmdir()
        os.close(self._lock)


def _remedy(error: OSError) -> str:
    if error.errno == errno.ENOSPC:
        return "the disk is full; free some space or choose another directory"
    return f"{error.strerror} ({error.filename})"


def _short_enough(directory: Path) -> Path:
    """The directory, or a place in the system's temporary directory if its path leaves no room for a socket's name."""
    if len(os.fsencode(directory)) <= _MAX_SOCKET_DIRECTORY_BYTES:
        return directory
    digest = hashlib.sha256(os.fsencode(directory)).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"skysail-{os.getuid()}-{digest}"


def _check_private(directory: Path) -> None:
    """:raises SettingsError: somebody else could put sockets there."""
    facts = directory.lstat()
    if not stat.S_ISDIR(facts.st_mode) or facts.st_uid != os.getuid() or facts.st_mode & stat.S_IWOTH:
        raise SettingsError(f"{directory}: expected a directory of our own that nobody else can write to")
