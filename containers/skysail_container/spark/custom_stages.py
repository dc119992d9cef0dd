"""Stages of the user's own, in a `stages.py` beside a model's manifest."""

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

from skysail_container.spark.errors import StageError

__all__ = ["CUSTOM_STAGES_FILE", "import_custom_stages"]

CUSTOM_STAGES_FILE = "stages.py"

_MODULE = "skysail_stages"
"""What the module is called in tracebacks."""


def import_custom_stages(folder: Path) -> bool:
    """Runs the folder's `stages.py`, whose classes register themselves with `spark_stage`; whether there is one.

    It may import other modules of the folder.

    :raises StageError: it cannot be imported; the cause has its traceback.
    """
    path = folder.resolve() / CUSTOM_STAGES_FILE
    if not path.is_file():
        return False
    spec = spec_from_file_location(_MODULE, path)
    if spec is None or spec.loader is None:
        raise StageError(CUSTOM_STAGES_FILE, "it is not a Python module")
    if str(path.parent) not in sys.path:
        sys.path.insert(0, str(path.parent))
    module = module_from_spec(spec)
    sys.modules[_MODULE] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # whatever the user's code raises
        raise StageError(CUSTOM_STAGES_FILE, f"it cannot be imported: {type(error).__name__}: {error}") from error
    return True
