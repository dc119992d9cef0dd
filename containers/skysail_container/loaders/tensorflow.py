"""TensorFlow: SavedModel directories, called by one of their signatures, and .keras files."""

import os
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from skysail_container.errors import ManifestError, ModelLoadError
from skysail_container.exception_text import exception_text
from skysail_container.input_types import InputType
from skysail_container.load_report import report
from skysail_container.manifest import Manifest
from skysail_container.model import Model, ModelInput
from skysail_container.named_arrays import NamedInput, NamedInputs, one_output_per_row
from skysail_container.wire import Rows

__all__ = ["TensorFlowModel", "load"]

DEFAULT_SIGNATURE = "serving_default"


class _Function(NamedTuple):
    """A traced function from tensors, in the order of `inputs`, to tensors by name.

    `owner` holds the variables; the function alone does not keep them.
    """

    call: Any
    inputs: tuple[NamedInput, ...]
    outputs: tuple[str, ...]
    owner: Any


class TensorFlowModel:
    """One concrete function of named tensors.

    A concrete function called with tensors of its own dtypes is the fastest way in: no Keras loop, no look-up of a
    trace, no retracing whatever the number of rows is.
    """

    def __init__(self, function: _Function, outputs: Sequence[str]) -> None:
        self._function = function
        self._inputs = NamedInputs(function.inputs)
        self._outputs = tuple(outputs)

    def predict(self, rows: ModelInput) -> object:
        tensors = [tf.constant(array) for array in self._inputs.arrays(rows).values()]
        found = self._function.call(*tensors)
        return one_output_per_row({name: _plain(found[name].numpy()) for name in self._outputs}, len(rows))

    def example_rows(self, input_type: InputType) -> Rows | None:
        return self._inputs.example_rows(input_type)


def load(folder: Path, manifest: Manifest) -> Model:
    """The SavedModel directory or the .keras file that the manifest names.

    :raises ManifestError: it has no such signature or output; ModelLoadError: it is damaged, or has a fixed number of
        rows, or code of its own that safe mode does not run.
    """
    location = manifest.location(folder)
    _set_threads(manifest.threads)
    function = _saved_model(location, manifest.signature) if location.is_dir() else _keras_file(location)
    unknown = [name for name in manifest.outputs if name not in function.outputs]
    if unknown:
        raise ManifestError("outputs", f"{unknown[0]!r} is not one of the model's: {', '.join(function.outputs)}")
    report.served_by = f"TensorFlow {tf.__version__}"
    return TensorFlowModel(function, manifest.outputs or function.outputs)


def _set_threads(n_threads: int) -> None:
    """`n_threads` within an operation, one operation after the other. Holds for the process, before its first one."""
    threading = tf.config.threading
    if threading.get_intra_op_parallelism_threads() != n_threads:
        threading.set_intra_op_parallelism_threads(n_threads)
    if threading.get_inter_op_parallelism_threads() != 1:
        threading.set_inter_op_parallelism_threads(1)


# --- SavedModel -------------------------------------------------------------------------------------------------------


def _saved_model(folder: Path, signature_name: str | None) -> _Function:
    owner = tf.saved_model.load(str(folder))
    signature = _signature(dict(owner.signatures), signature_name)
    specs = dict(sorted(signature.structured_input_signature[1].items()))
    inputs = tuple(_named_input(name, spec.dtype, spec.shape) for name, spec in specs.items())

    def call(*tensors: Any) -> Any:
        return signature(**dict(zip(specs, tensors, strict=True)))

    # Traced anew: positional tensors spare a signature's own binding of names, about a sixth of a small model's call.
    traced = tf.function(call).get_concrete_function(
        *[tf.TensorSpec(spec.shape, spec.dtype) for spec in specs.values()]
    )
    return _Function(traced, inputs, tuple(sorted(signature.structured_outputs)), owner)


def _signature(signatures: Mapping[str, Any], asked: str | None) -> Any:
    if not signatures:
        raise ModelLoadError(
            "the SavedModel has no signatures, so nothing says what it takes: save it with "
            "tf.saved_model.save(model, folder, signatures=...), or with model.export(folder) of Keras"
        )
    name = asked or DEFAULT_SIGNATURE
    if name not in signatures:
        known = "; ".join(f"{name!r} {_described(signature)}" for name, signature in sorted(signatures.items()))
        raise ManifestError("signature", f"{name!r} is not one of the SavedModel's: {known}")
    return signatures[name]


def _described(signature: Any) -> str:
    """`(left: float32 [None, 2]) -> sum`"""
    specs = sorted(signature.structured_input_signature[1].items())
    inputs = ", ".join(f"{name}: {spec.dtype.name} {_shape_text(spec.shape)}" for name, spec in specs)
    return f"({inputs}) -> {', '.join(sorted(signature.structured_outputs))}"


# --- .keras -----------------------------------------------------------------------------------------------------------


def _keras_file(path: Path) -> _Function:
    if not zipfile.is_zipfile(path):
        raise ModelLoadError(f"{path.name} is not a .keras file, or is damaged")
    os.environ["KERAS_BACKEND"] = "tensorflow"  # read when Keras is imported; a user's own default may be another one
    import keras

    try:
        model = keras.saving.load_model(path, compile=False, safe_mode=True)
    except (TypeError, ValueError) as error:
        raise ModelLoadError(
            f"Keras does not load {path.name}: {exception_text(error)}\n"
            "A .keras file may hold only layers that Keras knows, for its own code is not run (safe mode). With Lambda "
            "or custom layers, save the computation itself: model.export(folder) writes a SavedModel"
        ) from error
    names = [tensor.name for tensor in getattr(model, "inputs", None) or ()]  # a model that was not built may raise
    if not names:
        raise ModelLoadError(f"the model in {path.name} was never called, so its input is not known: build it, save it")
    inputs = tuple(_named_input(tensor.name, tf.as_dtype(tensor.dtype), tensor.shape) for tensor in model.inputs)

    def call(*tensors: Any) -> Any:
        found = model(tensors[0] if len(names) == 1 else dict(zip(names, tensors, strict=True)), training=False)
        return _by_name(found, getattr(model, "output_names", None))

    specs = [tf.TensorSpec(tensor.shape, tensor.dtype) for tensor in model.inputs]
    traced = tf.function(call).get_concrete_function(*specs)
    return _Function(traced, inputs, tuple(traced.structured_outputs), model)


def _by_name(found: Any, names: Sequence[str] | None) -> dict[str, Any]:
    """What a Keras model returned, a tensor or several in a list or a dict, by name."""
    if isinstance(found, Mapping):
        return {str(name): tensor for name, tensor in found.items()}
    tensors = list(found) if isinstance(found, list | tuple) else [found]
    if names is None or len(names) != len(tensors) or len(set(names)) != len(names):
        names = [f"output_{index}" for index in range(len(tensors))]
    return dict(zip(names, tensors, strict=True))


# --- both -------------------------------------------------------------------------------------------------------------


def _named_input(name: str, dtype: Any, shape: Any) -> NamedInput:
    lengths = list(tf.TensorShape(shape)) if tf.TensorShape(shape).rank is not None else []
    if not lengths or lengths[0] is not None:
        raise ModelLoadError(
            f"input {name!r} has the shape {_shape_text(shape)}; its first axis has to be the rows, of any number: "
            "save the model with TensorSpec((None, ...))"
        )
    return NamedInput(name, np.dtype(dtype.as_numpy_dtype), tuple(lengths[1:]))


def _shape_text(shape: Any) -> str:
    known = tf.TensorShape(shape)
    return "unknown" if known.rank is None else str(list(known))


def _plain(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """String tensors come as bytes; what is UTF-8 becomes text."""
    if array.dtype.kind != "O":
        return array
    texts = np.empty(array.size, object)
    texts[:] = [_text(item) for item in array.ravel()]
    return texts.reshape(array.shape)


def _text(item: bytes) -> str | bytes:
    try:
        return item.decode()
    except UnicodeDecodeError:
        return item
