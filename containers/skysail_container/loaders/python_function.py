"""Plain Python functions, closures included, saved with cloudpickle."""

from pathlib import Path

import cloudpickle

from skysail_container.errors import ModelLoadError
from skysail_container.function_model import FunctionModel
from skysail_container.manifest import Manifest
from skysail_container.model import Model

__all__ = ["load"]


def load(folder: Path, manifest: Manifest) -> Model:
    """The function in the manifest's file.

    :raises ModelLoadError: another Python saved it, or it is not a function.
    """
    manifest.check_python()
    with manifest.path(folder).open("rb") as file:
        function = cloudpickle.load(file)
    if not callable(function):
        raise ModelLoadError(f"{manifest.file} holds a {type(function).__name__}, not a function")
    return FunctionModel(function)
