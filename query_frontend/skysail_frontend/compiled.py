"""The hot path translated to C: the same modules, used in place of their source as long as that is what they came from.

mypyc compiles typed Python as it stands; `compiling.py` runs it and puts what comes out into `FOLDER`. Everything works
without: the figures are in docs/performance.md.
"""

import hashlib
import os
import sys
from importlib.machinery import EXTENSION_SUFFIXES, ExtensionFileLoader
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

__all__ = ["DIGEST", "FOLDER", "MODULES", "SHARED_LIBRARY", "digest", "is_in_use", "use_compiled"]

MODULES = ("application", "batch", "batch_queue", "batch_sizer", "catalog", "dispatcher", "http_response", "input_type",
           "metrics", "output", "predict_request", "prediction_recorder", "query", "scheduler",
           "sliding_minimum")  # fmt: skip
"""What a query passes on its way. Not the protocol classes: a compiled class cannot derive from uvicorn's."""
PACKAGE = Path(__file__).parent
FOLDER = PACKAGE / "_compiled"
DIGEST = "digest"
SHARED_LIBRARY = "skysail_frontend__mypyc"
"""The code of all modules; each module's own file only leads to it."""
OFF = "off"


def use_compiled(search_path: list[str]) -> None:
    """Lets the compiled modules be found before their source, unless they came from another one or another Python.

    ``SKYSAIL_COMPILED=off`` leaves them out.

    :param search_path: the package's ``__path__``
    """
    try:
        is_current = (FOLDER / DIGEST).read_text() == digest()
    except OSError:
        return  # never compiled, or a part of the source is not there
    if is_current and os.environ.get("SKYSAIL_COMPILED") != OFF:
        _load_shared_library()
        search_path.insert(0, str(FOLDER))


def is_in_use() -> bool:
    """Whether this process runs the compiled modules."""
    return SHARED_LIBRARY in sys.modules


def digest() -> str:
    """Of everything that compiled modules follow from. :raises OSError: a source cannot be read"""
    content = hashlib.sha256(sys.version.encode())
    for module in MODULES:
        content.update((PACKAGE / f"{module}.py").read_bytes())
    return content.hexdigest()


def _load_shared_library() -> None:
    """The modules import it by name; it is not on the path."""
    location = str(FOLDER / (SHARED_LIBRARY + EXTENSION_SUFFIXES[0]))
    spec = spec_from_file_location(SHARED_LIBRARY, location, loader=ExtensionFileLoader(SHARED_LIBRARY, location))
    if spec is None or spec.loader is None:
        raise ImportError(f"cannot load {location}")
    module = module_from_spec(spec)
    sys.modules[SHARED_LIBRARY] = module
    spec.loader.exec_module(module)
