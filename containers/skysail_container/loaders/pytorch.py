"""PyTorch: TorchScript (.pt) and exported programs (.pt2).

A plain module needs its class, and with it code: that is a model folder.
"""

import warnings
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from skysail_container.errors import ManifestError, ModelLoadError, UnusableRowsError
from skysail_container.exception_text import exception_text
from skysail_container.input_types import InputType
from skysail_container.load_report import report
from skysail_container.manifest import Manifest
from skysail_container.model import Model, ModelInput
from skysail_container.named_arrays import NamedInput, NamedInputs, one_output_per_row
from skysail_container.wire import Rows

__all__ = ["ExportedModel", "ScriptModel", "load"]


class _TorchModel:
    """A module that is called with tensors, without recording for gradients."""

    def __init__(self, module: Any, outputs: Sequence[str]) -> None:
        self._module = module
        self._outputs = outputs

    def _answer(self, tensors: Sequence[Any], n_rows: int) -> object:
        with torch.inference_mode():
            found = _by_name(self._module(*tensors))
            if self._outputs:
                found = {name: _output(found, name) for name in self._outputs}
            arrays = {name: _array(tensor) for name, tensor in found.items()}
        return one_output_per_row(arrays, n_rows)


class ExportedModel(_TorchModel):
    """An exported program: it knows names, dtypes and shapes of its inputs."""

    def __init__(self, module: Any, inputs: Sequence[NamedInput], outputs: Sequence[str]) -> None:
        super().__init__(module, outputs)
        self._inputs = NamedInputs(inputs)

    def predict(self, rows: ModelInput) -> object:
        arrays = self._inputs.arrays(rows)
        return self._answer([torch.from_numpy(array) for array in arrays.values()], len(rows))

    def example_rows(self, input_type: InputType) -> Rows | None:
        return self._inputs.example_rows(input_type)


class ScriptModel(_TorchModel):
    """A TorchScript module: it knows the names of its inputs, neither their dtypes nor their shapes.

    Fractions get the dtype of the module's parameters; integers stay integers, for embeddings want those.
    """

    def __init__(self, module: Any, names: Sequence[str], outputs: Sequence[str]) -> None:
        super().__init__(module, outputs)
        self._names = tuple(names)
        floating = (parameter.dtype for parameter in module.parameters() if parameter.dtype.is_floating_point)
        self._dtype = next(floating, torch.float32)

    def predict(self, rows: ModelInput) -> object:
        return self._answer([self._tensor(values) for values in self._columns(rows)], len(rows))

    def example_rows(self, input_type: InputType) -> Rows | None:
        return None

    def _columns(self, rows: ModelInput) -> list[Any]:
        if isinstance(rows, list) and all(isinstance(row, dict) for row in rows):
            return [[self._field(row, name) for row in rows] for name in self._names]
        if len(self._names) != 1:
            raise UnusableRowsError(f"a row is an object with the inputs {', '.join(map(repr, self._names))}")
        return [rows]

    def _field(self, row: Mapping[str, Any], name: str) -> object:
        if name not in row or len(row) != len(self._names):
            raise UnusableRowsError(f"a row has exactly the inputs {', '.join(map(repr, self._names))}")
        return row[name]

    def _tensor(self, values: Any) -> Any:
        tensor = torch.from_numpy(np.asarray(values))
        return tensor.to(self._dtype) if tensor.dtype.is_floating_point else tensor


def load(folder: Path, manifest: Manifest) -> Model:
    """The TorchScript module or the exported program in the manifest's file; what it is, its content says.

    :raises ModelLoadError: it is neither, or damaged, or takes a fixed number of rows.
    """
    path = manifest.path(folder)
    _set_threads(manifest.threads)
    names = _archive_names(path)
    report.served_by = f"PyTorch {torch.__version__}"
    if "archive_format" in names or "models/model.json" in names:
        return _exported(path, manifest)
    if "constants.pkl" in names:
        return _scripted(path, manifest)
    raise ModelLoadError(
        f"{path.name} is neither TorchScript nor an exported program; weights or a pickled module do not say by "
        "themselves how to run: save torch.export.export(...) with torch.export.save, or write a model folder with "
        "the module's code"
    )


def _set_threads(n_threads: int) -> None:
    """Threads within an operation; one operation after the other. The second holds for the process."""
    torch.set_num_threads(n_threads)
    if torch.get_num_interop_threads() != 1:
        torch.set_num_interop_threads(1)


def _archive_names(path: Path) -> set[str]:
    """The names in the file, a zip, without the folder that they all are in."""
    try:
        with zipfile.ZipFile(path) as archive:
            return {name.partition("/")[2] for name in archive.namelist()}
    except zipfile.BadZipFile as error:
        raise ModelLoadError(f"{path.name} is not a PyTorch file, or is damaged: {exception_text(error)}") from error


def _scripted(path: Path, manifest: Manifest) -> Model:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # TorchScript is deprecated; what users have of it is served
        module = torch.jit.load(str(path), map_location="cpu").eval()
    # The first argument is the module itself; those with a default are left to it.
    arguments = [argument for argument in module.forward.schema.arguments[1:] if not argument.has_default_value()]
    for argument in arguments:
        if str(argument.type) != "Tensor":
            raise ModelLoadError(f"input {argument.name!r} of forward is a {argument.type}, not a Tensor")
    return ScriptModel(module, [argument.name for argument in arguments], manifest.outputs)


def _exported(path: Path, manifest: Manifest) -> Model:
    program = torch.export.load(str(path))
    values = {node.name: node.meta["val"] for node in program.graph.nodes if node.op == "placeholder"}
    inputs = [_named_input(name, values[name]) for name in program.graph_signature.user_inputs]
    model = ExportedModel(program.module(), inputs, manifest.outputs)
    if manifest.outputs:  # whether they exist shows only when it runs
        model.predict([{spec.name: np.zeros([length or 1 for length in spec.shape]) for spec in inputs}])
    return model


def _named_input(name: str, value: Any) -> NamedInput:
    if not isinstance(value, torch.Tensor):
        raise ModelLoadError(f"input {name!r} is a {type(value).__name__}, not a tensor")
    lengths = [None if isinstance(length, torch.SymInt) else int(length) for length in value.shape]
    if not lengths or lengths[0] is not None:
        raise ModelLoadError(
            f"input {name!r} has the shape {lengths}; its first axis has to be the rows, of any number: "
            f'export the module with dynamic_shapes={{"{name}": {{0: torch.export.Dim("batch")}}}}'
        )
    return NamedInput(name, torch.empty(0, dtype=value.dtype).numpy().dtype, tuple(lengths[1:]))


def _output(found: Mapping[str, Any], name: str) -> Any:
    if name not in found:
        raise ManifestError("outputs", f"{name!r} is not one of the model's: {', '.join(found)}")
    return found[name]


def _array(tensor: Any) -> npt.NDArray[Any]:
    array: npt.NDArray[Any] = (tensor.float() if tensor.dtype is torch.bfloat16 else tensor).numpy()
    return array


def _by_name(found: Any) -> dict[str, Any]:
    """What a module returned, a tensor or several in a tuple, a list or a dict, by name."""
    if isinstance(found, Mapping):
        return {str(name): tensor for name, tensor in found.items()}
    tensors = list(found) if isinstance(found, list | tuple) else [found]
    return {f"output_{index}": tensor for index, tensor in enumerate(tensors)}
