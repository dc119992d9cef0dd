"""Folders with a model.py: a class that derives from DataFrameModel or TensorModel, a plain class `Model` that is given
the folder's path, or a function `predict(rows)`.
"""

import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

from skysail_container.chosen_outputs import chosen_columns, chosen_fields
from skysail_container.data_frames import DataFrames
from skysail_container.errors import ModelLoadError, ModelOutputError
from skysail_container.function_model import FunctionModel
from skysail_container.input_schema import InputSchema, parsed_schema
from skysail_container.manifest import Manifest
from skysail_container.model import Model, ModelInput
from skysail_container.model_folder import DataFrameModel, TensorModel
from skysail_container.named_arrays import one_output_per_row
from skysail_container.tensors import Tensors

__all__ = ["load"]

MODULE_NAME = "skysail_model"
"""What the module is called in tracebacks; `model` may be a module of the folder itself."""

_BASES = (DataFrameModel, TensorModel)


def load(folder: Path, manifest: Manifest) -> Model:
    """The model that the folder's module defines; a class goes before a function `predict`.

    :raises ModelLoadError: it defines none of them, or several classes.
    """
    folder = folder.resolve()
    module = _imported(folder, manifest.path(folder))
    schema = None if manifest.input_schema is None else parsed_schema(manifest.input_schema)
    model_class = _model_class(module, manifest.file)
    if model_class is None:
        function = getattr(module, "predict", None)
        if not callable(function):
            raise ModelLoadError(
                f"{manifest.file} defines neither a class that derives from DataFrameModel or TensorModel, nor a class "
                "Model, nor a function predict(rows)"
            )
        return FunctionModel(_choosing(function, manifest.outputs))
    if not callable(getattr(model_class, "predict", None)) or inspect.isabstract(model_class):
        raise ModelLoadError(f"the class {model_class.__name__} in {manifest.file} has no method predict")
    return FunctionModel(_predict_of(model_class, folder, schema, manifest.outputs))


def _model_class(module: ModuleType, file: str) -> type[Any] | None:
    """The class `Model`, else the only one that derives from one of the bases; bases of it do not count."""
    named = getattr(module, "Model", None)
    if isinstance(named, type) and named not in _BASES:
        return named
    found = {value for value in vars(module).values() if isinstance(value, type) and issubclass(value, _BASES)}
    leaves = [one for one in found if one not in _BASES and not any(one in other.__mro__[1:] for other in found)]
    if len(leaves) > 1:
        names = ", ".join(sorted(one.__name__ for one in leaves))
        raise ModelLoadError(f"{file} defines several models ({names}): call the one to be served Model")
    return leaves[0] if leaves else None


def _predict_of(
    model_class: type[Any], folder: Path, schema: InputSchema | None, chosen: Sequence[str]
) -> Callable[[ModelInput], object]:
    if issubclass(model_class, DataFrameModel):
        return _choosing(_over_frames(model_class(folder), DataFrames(schema)), chosen)
    if issubclass(model_class, TensorModel):
        return _over_tensors(model_class(folder), Tensors(schema), chosen)
    return _choosing(model_class(str(folder)).predict, chosen)


def _choosing(predict: Callable[[ModelInput], object], chosen: Sequence[str]) -> Callable[[ModelInput], object]:
    """`predict` itself unless outputs are chosen."""
    if not chosen:
        return predict

    def choose(rows: ModelInput) -> object:
        return chosen_fields(predict(rows), chosen)

    return choose


def _over_frames(model: DataFrameModel, frames: DataFrames) -> Callable[[ModelInput], object]:
    def predict(rows: ModelInput) -> object:
        return frames.outputs(model.predict(frames.frame(rows)))

    return predict


def _over_tensors(model: TensorModel, tensors: Tensors, chosen: Sequence[str]) -> Callable[[ModelInput], object]:
    def predict(rows: ModelInput) -> object:
        outputs = model.predict(tensors.arrays(rows))
        if not isinstance(outputs, Mapping) or not outputs:
            raise ModelOutputError(f"model returned a {type(outputs).__name__}, not a dict of named arrays")
        return one_output_per_row(chosen_columns(outputs, chosen), len(rows))

    return predict


def _imported(folder: Path, path: Path) -> ModuleType:
    sys.path.insert(0, str(folder))
    spec = spec_from_file_location(MODULE_NAME, path)
    if spec is None or spec.loader is None:
        raise ModelLoadError(f"{path.name} is not a Python module")
    module = module_from_spec(spec)
    sys.modules[MODULE_NAME] = module
    spec.loader.exec_module(module)
    return module
