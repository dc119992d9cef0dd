"""Rows to the named arrays that a model takes, by an input schema."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from skysail_container.errors import UnusableRowsError
from skysail_container.input_schema import InputField, InputSchema
from skysail_container.model import ModelInput
from skysail_container.named_arrays import NamedInput, NamedInputs

__all__ = ["Tensors"]

_DTYPES = {"integer": np.int64, "number": np.float64, "boolean": np.bool_, "string": np.object_}
_SOLE_INPUT = "input"


class Tensors:
    """Makes named arrays, all with the rows on the first axis."""

    def __init__(self, schema: InputSchema | None) -> None:
        self._fields = schema.fields if schema is not None else ()
        self._names = frozenset(field.name for field in self._fields)
        self._inputs = {field.name: _named_input(field) for field in self._fields}

    def arrays(self, rows: ModelInput) -> dict[str, npt.NDArray[Any]]:
        """One array for each field of rows that are objects; `input` for others.

        :raises UnusableRowsError: a row does not fit the schema, or without one, rows are not alike.
        """
        if not (isinstance(rows, list) and rows and isinstance(rows[0], dict)):
            return {_SOLE_INPUT: rows if isinstance(rows, np.ndarray) else _stacked(_SOLE_INPUT, rows)}
        names = self._names or rows[0].keys()
        for row in rows:
            if not isinstance(row, dict):
                raise UnusableRowsError(f"an object with the fields {', '.join(sorted(names))} is expected")
            if row.keys() != names:
                self._check_names(row, names)
        if not self._fields:
            return {name: _stacked(name, [row[name] for row in rows]) for name in names}
        return {field.name: self._array(field, [row.get(field.name) for row in rows]) for field in self._fields}

    def _check_names(self, row: dict[str, Any], names: Any) -> None:
        if unknown := sorted(row.keys() - names):
            raise UnusableRowsError(f"there is no field {unknown[0]!r}")
        required = names - {field.name for field in self._fields if field.is_optional}
        if missing := sorted(required - row.keys()):
            raise UnusableRowsError(f"field {missing[0]!r} is missing")

    def _array(self, field: InputField, values: list[Any]) -> npt.NDArray[Any]:
        inputs = self._inputs[field.name]
        if inputs is None:
            return _objects(values)
        return inputs.arrays([np.nan if value is None and field.is_optional else value for value in values])[field.name]


def _named_input(field: InputField) -> NamedInputs | None:
    """None for fields whose values are passed on as they are."""
    if field.type not in _DTYPES or (field.is_optional and (field.type == "string" or field.shape)):
        return None
    dtype = np.float64 if field.is_optional else _DTYPES[field.type]
    shape = tuple(None if side < 0 else side for side in field.shape)
    return NamedInputs([NamedInput(field.name, np.dtype(dtype), shape, field.is_optional)])


def _stacked(name: str, values: Sequence[Any]) -> npt.NDArray[Any]:
    try:
        array = np.array(values)
    except ValueError as error:
        raise UnusableRowsError(f"input {name!r}: rows of different shapes cannot be one array") from error
    return array.astype(object) if array.dtype.kind == "U" else array


def _objects(values: Sequence[Any]) -> npt.NDArray[Any]:
    array = np.empty(len(values), object)
    for index, value in enumerate(values):
        array[index] = value
    return array
