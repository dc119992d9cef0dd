"""ONNX models, run by ONNX Runtime."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime

from skysail_container.errors import ManifestError, ModelLoadError
from skysail_container.input_types import InputType
from skysail_container.load_report import report
from skysail_container.manifest import Manifest
from skysail_container.model import Model, ModelInput
from skysail_container.named_arrays import NamedInput, NamedInputs, one_output_per_row
from skysail_container.wire import Rows

__all__ = ["OnnxModel", "load", "new_session"]

_DTYPES = {
    "tensor(float)": "f4",
    "tensor(double)": "f8",
    "tensor(float16)": "f2",
    "tensor(int8)": "i1",
    "tensor(int16)": "i2",
    "tensor(int32)": "i4",
    "tensor(int64)": "i8",
    "tensor(uint8)": "u1",
    "tensor(uint16)": "u2",
    "tensor(uint32)": "u4",
    "tensor(uint64)": "u8",
    "tensor(bool)": "?",
    "tensor(string)": "O",
}


class OnnxModel:
    """A session with named inputs and outputs, whose first axis is the rows.

    A model exported for batches of one row is run row by row.
    """

    def __init__(self, session: Any, output_names: Sequence[str]) -> None:
        self._run = session.run
        self._inputs = NamedInputs([_named_input(argument) for argument in session.get_inputs()])
        self._output_names = list(output_names)
        self.takes_one_row = any(argument.shape[0] == 1 for argument in session.get_inputs())

    def predict(self, rows: ModelInput) -> object:
        arrays = self._inputs.arrays(rows)
        if not self.takes_one_row or len(rows) == 1:
            outputs = self._run(self._output_names, arrays)
        else:
            outputs = [_joined(parts) for parts in zip(*self._each_row(arrays, len(rows)), strict=True)]
        return one_output_per_row(dict(zip(self._output_names, outputs, strict=True)), len(rows))

    def _each_row(self, arrays: dict[str, npt.NDArray[Any]], n_rows: int) -> list[list[Any]]:
        return [
            self._run(self._output_names, {name: array[index : index + 1] for name, array in arrays.items()})
            for index in range(n_rows)
        ]

    def example_rows(self, input_type: InputType) -> Rows | None:
        return self._inputs.example_rows(input_type)


def load(folder: Path, manifest: Manifest) -> Model:
    """The model in the manifest's file, and the weights that it may have in files beside it.

    :raises ModelLoadError: ONNX Runtime cannot load it, or an input has no form in rows.
    """
    if manifest.method != "predict":
        raise ManifestError("method", f"an ONNX model has no {manifest.method!r}; outputs says what it answers with")
    path = manifest.path(folder)
    try:
        session = new_session(path, manifest.threads)
    except Exception as error:  # ONNX Runtime's exceptions have no base class but this one
        raise ModelLoadError(f"{manifest.file} is not a model that ONNX Runtime can load: {error}") from error
    model = OnnxModel(session, _chosen_outputs(manifest.outputs, [output.name for output in session.get_outputs()]))
    report.served_by = f"onnxruntime {onnxruntime.__version__}"
    if model.takes_one_row:
        report.note("the model was exported for batches of one row and runs row by row; a dynamic first axis is faster")
    return model


def new_session(model: Path | bytes, n_threads: int) -> Any:
    """A session on the processor with so many threads, which do not spin while they wait."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = n_threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(
        model if isinstance(model, bytes) else str(model), options, providers=["CPUExecutionProvider"]
    )


def _named_input(argument: Any) -> NamedInput:
    dtype = _DTYPES.get(argument.type)
    if dtype is None:
        raise ModelLoadError(f"input {argument.name!r} is a {argument.type}; only tensors can be given as rows")
    if not argument.shape:
        raise ModelLoadError(f"input {argument.name!r} has no axis for the rows of a batch")
    n_rows, *shape = argument.shape
    if isinstance(n_rows, int) and n_rows != 1:
        raise ModelLoadError(
            f"input {argument.name!r} takes batches of exactly {n_rows} rows: "
            "export the model with a dynamic first axis"
        )
    lengths = tuple([length if isinstance(length, int) else None for length in shape])
    return NamedInput(argument.name, np.dtype(dtype), lengths)


def _chosen_outputs(chosen: Sequence[str], existing: list[str]) -> list[str]:
    for name in chosen:
        if name not in existing:
            raise ManifestError("outputs", f"the model has no output {name!r}, only {', '.join(map(repr, existing))}")
    return list(chosen) or existing


def _joined(parts: Sequence[Any]) -> Any:
    """One output of several runs: arrays are put after each other; so are sequences, as of ZipMap's objects."""
    if isinstance(parts[0], list):
        return [element for part in parts for element in part]
    return np.concatenate(parts)
