"""Folders with a model.py: a function `predict(rows)`, or a class `Model` that is given the folder's path."""

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

from skysail_container.errors import ModelLoadError
from skysail_container.function_model import FunctionModel
from skysail_container.manifest import Manifest
from skysail_container.model import Model

__all__ = ["load"]

MODULE_NAME = "skysail_model"
"""What the module is called in tracebacks; `model` may be a module of the folder itself."""


def load(folder: Path, manifest: Manifest) -> Model:
    """The model that the folder's module defines; a class `Model` goes before a function `predict`.

    :raises ModelLoadError: it defines neither.
    """
    module = _imported(folder.resolve(), manifest.path(folder))
    factory = getattr(module, "Model", None)
    function = factory(str(folder.resolve())).predict if factory is not None else getattr(module, "predict", None)
    if not callable(function):
        raise ModelLoadError(f"{manifest.file} defines neither a class Model nor a function predict(rows)")
    return FunctionModel(function)


def _imported(folder: Path, path: Path) -> ModuleType:
    sys.path.insert(0, str(folder))
    spec = spec_from_file_location(MODULE_NAME, path)
    if spec is None or spec.loader is None:
        raise ModelLoadError(f"{path.name} is not a Python module")
    module = module_from_spec(spec)
    sys.modules[MODULE_NAME] = module
    spec.loader.exec_module(module)
    return module
