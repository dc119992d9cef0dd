"""Rows to the named input arrays that a framework takes, and its named outputs to one output per row."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from skysail_container.errors import ModelOutputError, UnusableRowsError
from skysail_container.input_types import NUMERIC_INPUT_TYPES, InputType
from skysail_container.model import ModelInput
from skysail_container.wire import ITEM_BYTES, Dense, Json, Rows, Strings

__all__ = ["NamedInput", "NamedInputs", "NamedOutputs", "one_output_per_row"]

NamedOutputs = Mapping[str, npt.NDArray[Any] | list[Any]]
"""Outputs by name, each with the rows on its first axis (a list: one element per row)."""


@dataclass(frozen=True, slots=True)
class NamedInput:
    """One input of a model, without the axis of the rows.

    :param dtype: of NumPy; `object` stands for texts.
    :param shape: of one row; None stands for any length.
    :param is_optional: a value that is null or missing becomes NaN. Only for floating-point inputs.
    """

    name: str
    dtype: np.dtype[Any]
    shape: tuple[int | None, ...]
    is_optional: bool = False


class NamedInputs:
    """What a model takes. Numbers are converted where nothing is lost but digits of a fraction: an input of integers
    takes 3.0 and refuses 3.5.
    """

    def __init__(self, inputs: Sequence[NamedInput]) -> None:
        self.inputs = tuple(inputs)
        self._names = frozenset(spec.name for spec in inputs)
        self._required = [spec.name for spec in inputs if not spec.is_optional]

    def arrays(self, rows: ModelInput) -> dict[str, npt.NDArray[Any]]:
        """One array per input, in the order of the inputs, with the rows on the first axis.

        Rows that are objects are taken apart by name. A sole input also takes rows that are its value themselves; flat
        rows get the input's shape if they are as long.

        :raises UnusableRowsError: a row does not fit; the text names the input, and the row if there are several.
        """
        if isinstance(rows, list) and rows and isinstance(rows[0], dict):
            self._check_fields(rows)
            return {spec.name: _array(spec, [row.get(spec.name) for row in rows]) for spec in self.inputs}
        if len(self.inputs) != 1:
            raise UnusableRowsError(f"a row is an object with the inputs {_listed(self._names)}")
        sole = self.inputs[0]
        return {sole.name: _array(sole, rows)}

    def example_rows(self, input_type: InputType) -> Rows | None:
        """A row of zeros or empty texts, if a row of `input_type` can have one; unknown lengths are 1."""
        if input_type == "json":
            row = {spec.name: np.zeros(_known(spec.shape), _plain_dtype(spec.dtype)).tolist() for spec in self.inputs}
            return Json((json.dumps(row).encode(),))
        if len(self.inputs) != 1:
            return None
        sole = self.inputs[0]
        if sole.dtype.kind == "O":
            return Strings(("",)) if input_type == "strings" else None
        if input_type == "tensor":
            dtype = sole.dtype.newbyteorder("<").str
            if dtype not in ITEM_BYTES:
                return None
            return Dense(dtype, (1, *_known(sole.shape)), bytes(ITEM_BYTES[dtype] * math.prod(_known(sole.shape))))
        if input_type in NUMERIC_INPUT_TYPES:
            dtype, width = NUMERIC_INPUT_TYPES[input_type], math.prod(_known(sole.shape))
            return Dense(dtype, (1, width), bytes(ITEM_BYTES[dtype] * width))
        return None

    def _check_fields(self, rows: list[Any]) -> None:
        for index, row in enumerate(rows):
            if not isinstance(row, dict):
                raise UnusableRowsError(f"{_row(index, rows)}an object is expected, this is {_shown(row)}")
            if row.keys() == self._names:
                continue
            for name in self._required:
                if name not in row:
                    raise UnusableRowsError(f"{_row(index, rows)}input {name!r} is missing")
            unknown = [name for name in row if name not in self._names]
            if unknown:
                raise UnusableRowsError(
                    f"{_row(index, rows)}there is no input {unknown[0]!r}, only {_listed(self._names)}"
                )


def one_output_per_row(outputs: NamedOutputs, n_rows: int) -> object:
    """A sole output as it is; several as one object per row.

    :raises ModelOutputError: an output does not have one element per row.
    """
    for name, values in outputs.items():
        shape = np.shape(values) if isinstance(values, np.ndarray) else (len(values),)
        if not shape or shape[0] != n_rows:
            raise ModelOutputError(f"output {name!r} has the shape {list(shape)} for {n_rows} rows")
    if len(outputs) == 1:
        return next(iter(outputs.values()))
    columns = [values.tolist() if isinstance(values, np.ndarray) else values for values in outputs.values()]
    return [dict(zip(outputs, row, strict=True)) for row in zip(*columns, strict=True)]


# --- one input --------------------------------------------------------------------------------------------------------


class _MisfitError(Exception):
    """Values that an input does not take; the text says why."""


def _array(spec: NamedInput, values: npt.NDArray[Any] | list[Any]) -> npt.NDArray[Any]:
    try:
        return _fitted(spec, values)
    except _MisfitError as together:
        parts = [_alone(spec, values, index) for index in range(len(values))]
        if len({part.shape for part in parts}) != 1:
            raise UnusableRowsError(f"input {spec.name!r}: {together}") from None
        return np.concatenate(parts)


def _alone(spec: NamedInput, values: npt.NDArray[Any] | list[Any], index: int) -> npt.NDArray[Any]:
    try:
        return _fitted(spec, values[index : index + 1])
    except _MisfitError as alone:
        raise UnusableRowsError(f"{_row(index, values)}input {spec.name!r}: {alone}") from None


def _fitted(spec: NamedInput, values: npt.NDArray[Any] | list[Any]) -> npt.NDArray[Any]:
    array = values if isinstance(values, np.ndarray) else _collected(spec, values)
    return _cast(spec, _shaped(spec, array))


def _collected(spec: NamedInput, values: list[Any]) -> npt.NDArray[Any]:
    if spec.dtype == np.uint8 and values and all(isinstance(value, bytes) for value in values):
        values = [np.frombuffer(value, np.uint8) for value in values]
    try:
        array = np.array(values, object if spec.dtype.kind == "O" else None)
        # NumPy makes texts of the numbers among texts; as objects they stay what they are.
        return np.array(values, object) if array.dtype.kind in "US" else array
    except (ValueError, OverflowError, TypeError):
        raise _MisfitError("lists of different lengths make no array") from None


def _shaped(spec: NamedInput, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    shape = array.shape[1:]
    if len(shape) == len(spec.shape) and all(
        expected in (None, length) for expected, length in zip(spec.shape, shape, strict=True)
    ):
        return array
    if len(shape) <= 1 and None not in spec.shape and math.prod(shape) == math.prod(_known(spec.shape)):
        return array.reshape(len(array), *_known(spec.shape))
    raise _MisfitError(f"{_shape_text(spec.shape)} is expected, this is {_shape_text(shape)}")


def _cast(spec: NamedInput, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    dtype = spec.dtype
    if dtype.kind == "O":
        _check_elements(array, str | bytes, "a text is expected, this is ")
        return array.astype(object, copy=False)
    if array.dtype == dtype:
        return np.ascontiguousarray(array)
    if array.dtype.kind == "O":
        accepted = int | float | None if spec.is_optional else int | float
        _check_elements(array, accepted, "a number is expected, this is ")
    try:
        with np.errstate(over="ignore", invalid="ignore"):
            converted = array.astype(dtype, order="C")
    except OverflowError:
        raise _MisfitError(f"a value of type {dtype.name} is expected, this is too large") from None
    if dtype.kind in "biu" and array.dtype.kind != "b" and not np.array_equal(converted, array):
        wrong = np.ravel(array)[np.ravel(converted != array)][0]
        raise _MisfitError(f"a value of type {dtype.name} is expected, this is {wrong}")
    return converted


def _check_elements(array: npt.NDArray[Any], expected: Any, text: str) -> None:
    for element in array.ravel().tolist():
        if not isinstance(element, expected):
            raise _MisfitError(text + _shown(element))


def _known(shape: tuple[int | None, ...]) -> tuple[int, ...]:
    return tuple(1 if length is None else length for length in shape)


def _plain_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    return np.dtype("U") if dtype.kind == "O" else dtype


def _row(index: int, rows: Sequence[Any] | npt.NDArray[Any]) -> str:
    """Where the only row is wrong, there is nothing to tell apart."""
    return f"row {index}, " if len(rows) > 1 else ""


def _shape_text(shape: tuple[int | None, ...]) -> str:
    if not shape:
        return "one value"
    return f"a list of shape [{', '.join('any' if length is None else str(length) for length in shape)}]"


def _shown(value: object) -> str:
    if value is None:
        return "null"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _listed(names: frozenset[str]) -> str:
    return ", ".join(repr(name) for name in sorted(names))
