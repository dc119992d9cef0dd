"""The command `skysail`."""

from skysail_admin.cli.program import main

__all__ = ["main"]
