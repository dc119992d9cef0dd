"""`python -m skysail_management`: exit code 0 after a graceful stop, 2 for settings, 3 for a port in use."""

import asyncio
import logging
import os
import sys
from contextlib import closing

from skysail_management.data_directory import DataDirectory
from skysail_management.process import PortInUseError, RedisMissingError, bind, run
from skysail_management.settings import SettingsError, read_settings

__all__ = ["main"]

_LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def main() -> int:
    """Run one management process; the exit code."""
    try:
        settings = read_settings(sys.argv[1:], os.environ)
        logging.basicConfig(level=settings.log_level.upper(), format=_LOG_FORMAT, stream=sys.stderr)
        listener = bind(settings)
    except SettingsError as error:
        return _fail(2, error)
    except PortInUseError as error:
        return _fail(3, error)
    with listener:
        try:
            directory = DataDirectory(settings)
            with closing(directory):
                asyncio.run(run(settings, directory, listener))
        except SettingsError as error:
            return _fail(2, error)
        except RedisMissingError as error:
            return _fail(1, error)
    return 0


def _fail(code: int, error: Exception) -> int:
    sys.stderr.write(f"skysail_management: {error}\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
