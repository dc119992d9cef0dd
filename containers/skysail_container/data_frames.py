"""Rows to the DataFrame that a model takes, and what it returns to one output per row."""

from importlib import import_module
from typing import Any

import numpy as np

from skysail_container.errors import ModelOutputError, UnusableRowsError
from skysail_container.input_schema import InputField, InputSchema
from skysail_container.model import ModelInput

__all__ = ["DataFrames"]

_DTYPES = {"integer": "int64", "number": "float64", "boolean": "bool", "string": "str"}
_OPTIONAL_DTYPES = {"integer": "Int64", "number": "float64", "boolean": "boolean", "string": "str"}


class DataFrames:
    """Makes frames by a schema; imports pandas when it is made, not before.

    :raises ModuleNotFoundError: pandas is not installed.
    """

    def __init__(self, schema: InputSchema | None) -> None:
        self._pandas: Any = import_module("pandas")
        self._fields = schema.fields if schema is not None else ()
        self._names = frozenset(field.name for field in self._fields)
        self._has_str = int(self._pandas.__version__.partition(".")[0]) >= 3

    def frame(self, rows: ModelInput) -> Any:
        """`rows` as a DataFrame with one row each.

        Objects become columns by name; arrays columns by number, and single values the column `input`.

        :raises UnusableRowsError: a row does not fit the schema.
        """
        if self._fields:
            return self._frame_of_fields(rows)
        if isinstance(rows, list) and rows and not isinstance(rows[0], dict | np.ndarray | list):
            return self._pandas.DataFrame({"input": rows})
        return self._pandas.DataFrame(rows)

    def outputs(self, returned: Any) -> object:
        """One output per row of what a model returned; whatever pandas takes for missing is null.

        :raises ModelOutputError: a DataFrame without columns.
        """
        if isinstance(returned, self._pandas.Series):
            return self._values(returned)
        if not isinstance(returned, self._pandas.DataFrame):
            return returned
        if not len(returned.columns):
            raise ModelOutputError("model returned a DataFrame without columns")
        names = [str(name) for name in returned.columns]
        if len(set(names)) < len(names):
            raise ModelOutputError(f"model returned a DataFrame with two columns of one name: {', '.join(names)}")
        columns = [list(self._values(returned.iloc[:, index])) for index in range(len(names))]
        return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]

    def _frame_of_fields(self, rows: ModelInput) -> Any:
        for row in rows:
            if not isinstance(row, dict):
                raise UnusableRowsError(f"an object with the fields {', '.join(sorted(self._names))} is expected")
            if row.keys() != self._names and (unknown := sorted(row.keys() - self._names)):
                raise UnusableRowsError(f"there is no field {unknown[0]!r}")
        columns = {field.name: self._column(field, [row.get(field.name) for row in rows]) for field in self._fields}
        return self._pandas.DataFrame(columns, copy=False)

    def _column(self, field: InputField, values: list[Any]) -> Any:
        if field.shape or field.type not in _DTYPES:
            return self._pandas.Series(values, dtype=object)
        if not field.is_optional and None in values:
            raise UnusableRowsError(f"field {field.name!r} is missing or null")
        dtype = (_OPTIONAL_DTYPES if field.is_optional else _DTYPES)[field.type]
        try:
            if dtype == "str":
                return self._pandas.Series(_texts(values), dtype="str" if self._has_str else object)
            _check_kind(field, values)
            return self._pandas.array(values, dtype=dtype) if dtype in ("Int64", "boolean") else np.array(values, dtype)
        except (TypeError, ValueError, OverflowError) as error:
            raise UnusableRowsError(f"field {field.name!r}: {error}") from error

    def _values(self, series: Any) -> Any:
        if isinstance(series.dtype, np.dtype) and series.dtype.kind in "biuf":
            return series.to_numpy()
        return [None if is_missing else value for value, is_missing in zip(series, series.isna(), strict=True)]


def _texts(values: list[Any]) -> list[Any]:
    wrong = [value for value in values if not isinstance(value, str | None)]
    if wrong:
        raise TypeError(f"a text is expected, this is {wrong[0]!r}")
    return values


def _check_kind(field: InputField, values: list[Any]) -> None:
    """NumPy would cut 3.5 down to 3, take true for 1, and a text for the number it spells."""
    for value in values:
        if text := None if value is None else field.misfit(value):
            raise TypeError(text)
