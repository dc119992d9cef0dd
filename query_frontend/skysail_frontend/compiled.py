"""The hot path translated to C: the same modules, used in place of their source as long as that is what they came from.

mypyc compiles typed Python as it stands; `compiling.py` runs it. What comes out lies in a folder of `FOLDER` that bears
the digest of the sources, and appears there complete. Everything works without: the figures are in docs/performance.md.
"""

import hashlib
import logging
import os
import sys
from importlib.machinery import EXTENSION_SUFFIXES, ExtensionFileLoader
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

__all__ = [
    "EXTENSION",
    "FOLDER",
    "MODULES",
    "PACKAGE",
    "SHARED_LIBRARY",
    "digest",
    "is_complete",
    "is_in_use",
    "use_compiled",
]

MODULES = ("admission", "application", "batch", "batch_policies", "batch_queue", "batch_sizer",
           "catalog", "checked_input", "dispatcher", "hedge_budget", "http_response", "input_type",
           "metrics", "output", "payload_key", "plain_row", "poison", "predict_request",
           "prediction_cache", "prediction_recorder", "query", "replica_health", "replica_state",
           "request_order", "scheduler", "served_version", "sliding_minimum")  # fmt: skip
"""What a query passes on its way. Not the protocol classes: a compiled class cannot derive from uvicorn's."""
EXTENSION = "row_reader"
"""Written in C; built and found with the others."""
PACKAGE = Path(__file__).parent
FOLDER = PACKAGE / "_compiled"
SHARED_LIBRARY = "skysail_frontend__mypyc"
"""The code of all modules; each module's own file only leads to it."""
OFF = "off"

logger = logging.getLogger(__name__)


def use_compiled(search_path: list[str]) -> None:
    """Lets the compiled modules be found before their source, if there are any that came from it and can be loaded.

    All of them or none: compiled modules reach into each other without a look-up. ``SKYSAIL_COMPILED=off`` leaves them
    out.

    :param search_path: the package's ``__path__``
    """
    if os.environ.get("SKYSAIL_COMPILED") == OFF or not FOLDER.exists():
        return
    try:
        folder = FOLDER / digest(PACKAGE)
        if is_complete(folder):
            _load_shared_library(folder)
            search_path.insert(0, str(folder))
    except (ImportError, OSError) as error:
        logger.warning("the compiled modules cannot be used, their source is: %s", error)


def is_in_use() -> bool:
    """Whether this process runs the compiled modules."""
    return SHARED_LIBRARY in sys.modules


def digest(package: Path) -> str:
    """Of everything that compiled modules follow from: this Python and the package's sources, all of them, for the code
    relies on the types in modules that are not compiled too.

    :raises OSError: a source cannot be read
    """
    content = hashlib.sha256(f"{sys.version} {EXTENSION_SUFFIXES[0]}".encode())
    for path in sorted([*package.glob("*.py"), *package.glob("*.c")]):
        source = path.read_bytes()
        content.update(f"{path.name} {len(source)}\n".encode())
        content.update(source)
    return content.hexdigest()


def is_complete(folder: Path) -> bool:
    """Whether all that a compilation leaves behind is in `folder`."""
    try:
        return all(
            (folder / (name + EXTENSION_SUFFIXES[0])).stat().st_size for name in (SHARED_LIBRARY, EXTENSION, *MODULES)
        )
    except FileNotFoundError:
        return False


def _load_shared_library(folder: Path) -> None:
    """The modules import it by name; it is not on the path. :raises ImportError: it cannot be loaded"""
    location = str(folder / (SHARED_LIBRARY + EXTENSION_SUFFIXES[0]))
    spec = spec_from_file_location(SHARED_LIBRARY, location, loader=ExtensionFileLoader(SHARED_LIBRARY, location))
    if spec is None or spec.loader is None:
        raise ImportError(f"cannot load {location}")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    sys.modules[SHARED_LIBRARY] = module
