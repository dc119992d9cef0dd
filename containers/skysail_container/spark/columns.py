"""Tables as columns: from lists and arrays to rows, and back."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from skysail_container.spark.inference import common_type, inferred_type
from skysail_container.spark.schema import BOOLEAN, DOUBLE, FLOAT, INT, LONG, VECTOR, Column, Schema
from skysail_container.spark.stage import Row
from skysail_container.spark.vectors import DenseVector

__all__ = ["Columns", "columns_of", "rows_of", "schema_of"]

Columns = Mapping[str, Sequence[Any] | npt.NDArray[Any]]

_BY_DTYPE = {"f8": DOUBLE, "f4": FLOAT, "i8": LONG, "i4": INT, "i2": "smallint", "i1": "tinyint", "b1": BOOLEAN}
_DTYPES: dict[str, str] = {name: dtype for dtype, name in _BY_DTYPE.items()}


def schema_of(columns: Columns, stated: Mapping[str, str | Column] | None = None) -> Schema:
    """The types of columns: as stated, else by an array's dtype, else as PySpark infers them from the values."""
    stated = stated or {}
    return Schema({name: stated[name] if name in stated else _type(values) for name, values in columns.items()})


def _type(values: Sequence[Any] | npt.NDArray[Any]) -> str:
    if isinstance(values, np.ndarray):
        if values.ndim == 2:
            return VECTOR
        known = _BY_DTYPE.get(values.dtype.str[1:])
        if known is not None:
            return known
    return common_type(inferred_type(value) for value in values)


def rows_of(columns: Columns) -> list[Row]:
    """
    :raises ValueError: the columns are not equally long.
    """
    names = list(columns)
    values = [_python_values(columns[name]) for name in names]
    return [dict(zip(names, row, strict=True)) for row in zip(*values, strict=True)]


def _python_values(values: Sequence[Any] | npt.NDArray[Any]) -> Sequence[Any]:
    if isinstance(values, np.ndarray):
        if values.ndim == 2:
            return [DenseVector(row) for row in values.astype(np.float64).tolist()]
        listed: list[Any] = values.tolist()
        return listed
    return values


def columns_of(rows: Sequence[Row], schema: Schema) -> dict[str, Any]:
    """An array for each column of numbers without nulls, a list for each other one."""
    return {name: _column([row[name] for row in rows], column.type) for name, column in schema.items()}


def _column(values: list[Any], column_type: str) -> Any:
    dtype = _DTYPES.get(column_type)
    if dtype is None or any(value is None for value in values):
        return values
    return np.array(values, dtype)
