"""MLflow model directories: whatever has the python_function flavour, with the columns or tensors of its signature."""

import base64
import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from skysail_container.chosen_outputs import chosen_columns, chosen_fields
from skysail_container.data_frames import DataFrames
from skysail_container.errors import ManifestError, ModelLoadError, UnusableRowsError
from skysail_container.exception_text import exception_text
from skysail_container.input_schema import InputField, InputSchema, ValueType
from skysail_container.input_types import NUMERIC_INPUT_TYPES, InputType
from skysail_container.load_report import report
from skysail_container.manifest import Manifest
from skysail_container.model import Model, ModelInput
from skysail_container.named_arrays import NamedInput, NamedInputs, one_output_per_row
from skysail_container.wire import ITEM_BYTES, Dense, Rows

__all__ = ["MlflowModel", "load"]

_FIELD_TYPES: dict[str, ValueType] = {
    "long": "integer",
    "integer": "integer",
    "double": "number",
    "float": "number",
    "boolean": "boolean",
    "string": "string",
    "datetime": "string",
    "binary": "bytes",
}
"""MLflow's types of columns, with what a JSON row has there; lists, objects and maps are passed on as they are."""

_DTYPES: dict[str, Any] = {
    "long": np.int64,
    "integer": np.int32,
    "double": np.float64,
    "float": np.float32,
    "boolean": np.bool_,
    "string": np.object_,
}

_SOLE_TENSOR = "input"


class MlflowModel:
    """A pyfunc model. It gets a DataFrame, tensors or the rows themselves, as its signature says."""

    def __init__(
        self, predict: Callable[[Any], Any], form: "_Columns | _Tensors | _Anything", chosen: Sequence[str] = ()
    ) -> None:
        """:param chosen: the columns or arrays of what it returns that are the answer; none: all."""
        self._predict = predict
        self._form = form
        self._chosen = chosen
        self._frames = DataFrames(None)

    def predict(self, rows: ModelInput) -> object:
        returned = self._predict(self._form.of(rows))
        if isinstance(returned, Mapping):
            arrays = {str(name): _rows(values) for name, values in returned.items()}
            return one_output_per_row(chosen_columns(arrays, self._chosen), len(rows))
        outputs = self._frames.outputs(returned)
        return chosen_fields(outputs, self._chosen) if self._chosen else outputs

    def example_rows(self, input_type: InputType) -> Rows | None:
        return self._form.example_rows(input_type)


def load(folder: Path, manifest: Manifest) -> Model:
    """The model in the directory that the manifest names.

    :raises ModelLoadError: another Python saved it, or it is damaged, or it has no python_function flavour.
    :raises ManifestError: it is to answer with an output that its signature does not have.
    """
    manifest.check_python()
    location = manifest.location(folder)
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"  # a container tells nobody what it serves; read at the import
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # advice to those who log models, not to those who serve them
        import mlflow
        from mlflow.pyfunc import load_model

        try:
            model = load_model(str(location), suppress_warnings=True)
        except (ModuleNotFoundError, ModelLoadError):
            raise
        except Exception as error:
            raise ModelLoadError(f"MLflow does not load the model: {exception_text(error)}") from error
    report.served_by = f"MLflow {mlflow.__version__}"
    signature = model.metadata.signature
    _check_chosen(manifest.outputs, signature)
    return MlflowModel(model.predict, _form(signature), manifest.outputs)


def _check_chosen(chosen: Sequence[str], signature: Any) -> None:
    """Where the signature names the outputs, a wrong choice is told now, else with the first rows."""
    specs = [] if signature is None or signature.outputs is None else signature.outputs.inputs
    names = [str(spec.name) for spec in specs if spec.name is not None]
    unknown = [name for name in chosen if names and name not in names]
    if unknown:
        raise ManifestError("outputs", f"{unknown[0]!r} is not one of the model's: {', '.join(names)}")


def _form(signature: Any) -> "_Columns | _Tensors | _Anything":
    inputs = None if signature is None else signature.inputs
    if not inputs:
        return _Anything()
    return _Tensors(inputs.inputs) if inputs.is_tensor_spec() else _Columns(inputs.inputs)


def _rows(values: Any) -> Any:
    return values if isinstance(values, list) else np.asarray(values)


# --- columns ----------------------------------------------------------------------------------------------------------


class _Columns:
    """A DataFrame with the columns of the signature, each of exactly its type, since MLflow refuses 1 for 1.0."""

    def __init__(self, specs: Sequence[Any]) -> None:
        self._types = {_name(spec, index): getattr(spec.type, "name", "any") for index, spec in enumerate(specs)}
        fields = [
            InputField(name, _FIELD_TYPES.get(self._types[name], "any"), (), is_optional=not spec.required)
            for name, spec in zip(self._types, specs, strict=True)
        ]
        self._frames = DataFrames(InputSchema(fields=tuple(fields)))
        self._is_unnamed = specs[0].name is None

    def of(self, rows: ModelInput) -> Any:
        frame = self._frames.frame(self._objects(rows))
        for name, type_name in self._types.items():
            frame[name] = _column(name, frame[name], type_name)
        return frame.set_axis(range(len(self._types)), axis=1) if self._is_unnamed else frame

    def example_rows(self, input_type: InputType) -> Rows | None:
        dtypes = [_DTYPES.get(type_name) for type_name in self._types.values()]
        if input_type in NUMERIC_INPUT_TYPES:
            dtype = NUMERIC_INPUT_TYPES[input_type]
            return Dense(dtype, (1, len(dtypes)), bytes(ITEM_BYTES[dtype] * len(dtypes)))
        if None in dtypes:
            return None
        specs = [NamedInput(name, np.dtype(_DTYPES[type_name]), ()) for name, type_name in self._types.items()]
        return NamedInputs(specs).example_rows(input_type)

    def _objects(self, rows: ModelInput) -> list[Any]:
        """Each row as an object of its columns; a row may also be the values in the columns' order."""
        if isinstance(rows, list) and rows and isinstance(rows[0], dict):
            return rows
        names, plain = list(self._types), rows.tolist() if isinstance(rows, np.ndarray) else rows
        return [dict(zip(names, self._values(row), strict=True)) for row in plain]

    def _values(self, row: Any) -> Sequence[Any]:
        values = row.tolist() if isinstance(row, np.ndarray) else row if isinstance(row, list) else [row]
        if len(values) != len(self._types):
            raise UnusableRowsError(
                f"a row has {len(self._types)} columns ({', '.join(self._types)}), not {len(values)}"
            )
        return values


def _name(spec: Any, index: int) -> str:
    return f"column {index}" if spec.name is None else str(spec.name)


def _column(name: str, values: Any, type_name: str) -> Any:
    if type_name == "string":
        return values.astype(object)
    if type_name == "datetime":
        return _converted(name, values, pd.to_datetime)
    if type_name == "binary":
        return _converted(name, values, lambda texts: texts.map(base64.b64decode, na_action="ignore"))
    dtype = _DTYPES.get(type_name)
    if dtype is None:
        return values
    if values.isna().any() and np.dtype(dtype).kind != "f":
        return values.astype(object).where(values.notna(), None)
    typed = values.astype(dtype)
    if np.dtype(dtype).kind == "i" and (typed != values).any():
        raise UnusableRowsError(f"field {name!r}: a number is too large for MLflow's type {type_name}")
    return typed


def _converted(name: str, values: Any, convert: Callable[[Any], Any]) -> Any:
    try:
        return convert(values)
    except (TypeError, ValueError) as error:
        raise UnusableRowsError(f"field {name!r}: {error}") from error


# --- tensors, and no signature ----------------------------------------------------------------------------------------


class _Tensors:
    """One array, or several by name."""

    def __init__(self, specs: Sequence[Any]) -> None:
        self._is_named = specs[0].name is not None
        self._inputs = NamedInputs([_named_input(spec) for spec in specs])

    def of(self, rows: ModelInput) -> Any:
        arrays = self._inputs.arrays(rows)
        return arrays if self._is_named else arrays[_SOLE_TENSOR]

    def example_rows(self, input_type: InputType) -> Rows | None:
        return self._inputs.example_rows(input_type)


def _named_input(spec: Any) -> NamedInput:
    if not spec.shape or spec.shape[0] != -1:
        raise ModelLoadError(
            f"input {spec.name or _SOLE_TENSOR!r} of the signature has the shape {list(spec.shape)}; its first axis "
            "has to be the rows, of any number (-1)"
        )
    dtype = np.dtype(object) if spec.type.kind in "US" else spec.type
    lengths = tuple([None if length < 0 else int(length) for length in spec.shape[1:]])
    return NamedInput(spec.name or _SOLE_TENSOR, dtype, lengths)


class _Anything:
    """Without a signature, objects become a DataFrame, because that is what most pyfunc models take."""

    def of(self, rows: ModelInput) -> Any:
        if isinstance(rows, list) and rows and all(isinstance(row, dict) for row in rows):
            return pd.DataFrame(rows)
        return rows

    def example_rows(self, input_type: InputType) -> Rows | None:
        return None
