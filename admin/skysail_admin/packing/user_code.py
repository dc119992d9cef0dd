"""Which modules are the user's own code. A container cannot import those, so they travel inside the artifact."""

from __future__ import annotations

import os
import site
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from types import ModuleType

import cloudpickle

__all__ = ["is_user_module", "travelling_by_value"]


def is_user_module(module: ModuleType) -> bool:
    """Whether the module was loaded from a file of the user's, rather than from Python or an installed package.

    Skysail's own packages count as installed even when they are developed in place.
    """
    file = getattr(module, "__file__", None)
    if module.__name__ == "__main__" or file is None or module.__name__.split(".")[0].startswith("skysail_"):
        return False
    installed = _installed_folders()
    return not (file.startswith(installed) or os.path.realpath(file).startswith(installed))


@contextmanager
def travelling_by_value() -> Iterator[list[str]]:
    """Inside, cloudpickle writes functions and classes of the user's modules out in full. Gives those modules' names.

    (`__main__` cloudpickle writes out by itself.)
    """
    already = set(cloudpickle.list_registry_pickle_by_value())
    modules = [
        module
        for module in list(sys.modules.values())
        if isinstance(module, ModuleType) and module.__name__ not in already and _registrable(module)
    ]
    for module in modules:
        cloudpickle.register_pickle_by_value(module)
    try:
        yield [module.__name__ for module in modules]
    finally:
        for module in modules:
            cloudpickle.unregister_pickle_by_value(module)


def _registrable(module: ModuleType) -> bool:
    return module.__name__ in sys.modules and is_user_module(module)


@cache
def _installed_folders() -> tuple[str, ...]:
    """Folders of Python's own and of installed packages, as prefixes; as they are named and as they really are."""
    names = ("stdlib", "platstdlib", "purelib", "platlib")
    folders = [sysconfig.get_path(name) for name in names] + site.getsitepackages() + [site.getusersitepackages()]
    return tuple({f"{form}{os.sep}" for folder in folders for form in (folder, os.path.realpath(folder))})
