"""The columns of a table as the rows that a query would bring: which columns, of which types, and each row's fault."""

import base64
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, time
from decimal import Decimal
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from skysail_container.errors import OfflineJobError
from skysail_container.exception_text import exception_text
from skysail_container.input_schema import InputSchema, parsed_schema
from skysail_container.input_types import NUMERIC_INPUT_TYPES, InputType
from skysail_container.manifest import Manifest
from skysail_container.wire import ArrayRow, Arrays, Bytes, Dense, Json, Ragged, Rows, Strings

__all__ = ["FeatureRows", "UsableRows", "feature_rows"]

SOLE_COLUMN = "input"
"""A column of this name, alone, holds whole rows."""

_NUMBERS = frozenset({"tinyint", "smallint", "int", "bigint", "float", "double"})

Form = Literal["numbers", "value", "object"]
"""How a row is made: of several columns with one number each, of one column's value, or as an object of columns."""


class UsableRows(NamedTuple):
    """The rows that a model can be given, where they stand in the table, and why it cannot be given the others."""

    rows: Rows | None
    positions: Sequence[int]
    errors: dict[int, str]


@dataclass(frozen=True)
class FeatureRows:
    """Makes rows of record batches. Can be pickled."""

    columns: tuple[str, ...]
    input_type: InputType
    form: Form
    schema: InputSchema | None = None
    """What rows of JSON are checked by, as they are online."""
    are_decimals_texts: bool = False
    """A Spark pipeline takes all digits of a decimal; others take doubles."""

    def usable(self, batch: Any) -> UsableRows:
        """Of a pyarrow RecordBatch with at least one row."""
        if self.form == "numbers":
            return self._matrix(batch)
        return _wired(self.json_rows(batch), self.input_type)

    def json_rows(self, batch: Any) -> list[Any]:
        """Each row as a query's JSON has it, NaN and the infinities aside; a `ValueError` stands for a faulty one."""
        columns = [batch.column(name).to_pylist() for name in self.columns]
        if self.form == "value":
            return [self._checked(self._plain(value)) for value in columns[0]]
        if self.form == "object":
            rows = zip(*columns, strict=True)
            return [self._checked(dict(zip(self.columns, map(self._plain, row), strict=True))) for row in rows]
        faults = self._matrix(batch).errors
        rows = zip(*[map(self._number, column) for column in columns], strict=True)
        return [ValueError(faults[index]) if index in faults else list(row) for index, row in enumerate(rows)]

    def _number(self, value: Any) -> Any:
        if isinstance(value, Decimal):
            value = float(value)
        is_whole = self.input_type == "integers" and isinstance(value, float) and value.is_integer()
        return int(value) if is_whole else value

    def _plain(self, value: Any) -> Any:
        if value is None or isinstance(value, str | int | float):
            return value
        if isinstance(value, list | tuple):
            return [self._plain(item) for item in value]
        if isinstance(value, dict):
            return {name: self._plain(item) for name, item in value.items()}
        if isinstance(value, Decimal):
            return str(value) if self.are_decimals_texts else float(value)
        if isinstance(value, bytes):
            return base64.b64encode(value).decode("ascii")
        return value.isoformat() if isinstance(value, date | time) else str(value)

    def _checked(self, row: Any) -> Any:
        if self.schema is not None and (text := self.schema.misfit(row)):
            return ValueError(text)
        return row

    def _matrix(self, batch: Any) -> UsableRows:
        dtype = NUMERIC_INPUT_TYPES[self.input_type]
        errors: dict[int, str] = {}
        arrays = [_numbers(name, batch.column(name), dtype, errors) for name in self.columns]
        matrix = np.column_stack(arrays)
        positions: Sequence[int] = range(len(matrix))
        if errors:
            positions = [index for index in positions if index not in errors]
            matrix = matrix[positions]
        rows = Dense(dtype, matrix.shape, matrix.tobytes()) if len(matrix) else None
        return UsableRows(rows, positions, errors)


def feature_rows(
    types: Mapping[str, str], chosen: Sequence[str], manifest: Manifest, input_type: InputType
) -> FeatureRows:
    """How the model's rows are made of a table whose columns have these names and, as Spark calls them, types.

    :param chosen: the columns in the model's order; empty: those that the version's schema names, else all.
    :raises OfflineJobError: a column is missing, or its type does not fit the input type.
    """
    schema = None if manifest.input_schema is None else parsed_schema(manifest.input_schema)
    columns = _columns(types, chosen, manifest, schema)
    form = _form(types, columns, input_type, schema)
    if form == "numbers" and schema is not None and schema.row is not None:
        _check_width(columns, schema.row.shape)
    checked = schema if input_type == "json" else None
    return FeatureRows(columns, input_type, form, checked, manifest.framework == "spark")


def _columns(
    types: Mapping[str, str], chosen: Sequence[str], manifest: Manifest, schema: InputSchema | None
) -> tuple[str, ...]:
    wanted = list(chosen)
    if not wanted and schema is not None and schema.fields:
        wanted = [field.name for field in schema.fields if field.name in types or not field.is_optional]
    elif not wanted and manifest.spark_schema is not None:
        wanted = list(manifest.spark_schema)
    for name in wanted:
        if name not in types:
            raise OfflineJobError(
                "invalid", f"the input has no column {name!r}, which the version takes; it has {', '.join(types)}"
            )
    return tuple(wanted or types)


def _form(
    types: Mapping[str, str], columns: tuple[str, ...], input_type: InputType, schema: InputSchema | None
) -> Form:
    sole = types[columns[0]] if len(columns) == 1 else None
    if input_type == "json":
        is_value = schema.row is not None if schema is not None else columns == (SOLE_COLUMN,)
        if is_value and sole is None:
            raise _several(columns, "the version's rows are single values")
        return "value" if is_value else "object"
    if input_type in NUMERIC_INPUT_TYPES:
        if sole is not None and not _is_number(sole):
            return "value"
        for name in columns:
            if not _is_number(types[name]):
                raise OfflineJobError(
                    "invalid",
                    f"column {name!r} is of type {types[name]} and the version takes {input_type}: "
                    "choose the columns with numbers by --columns, in the model's order",
                )
        return "numbers"
    if sole is None:
        raise _several(columns, f"the version takes {input_type}")
    if input_type == "strings" and sole != "string":
        raise OfflineJobError("invalid", f"column {columns[0]!r} is of type {sole} and the version takes strings")
    return "value"


def _several(columns: Sequence[str], why: str) -> OfflineJobError:
    return OfflineJobError(
        "invalid", f"{why}, and the input has {len(columns)} columns ({', '.join(columns)}): choose one by --columns"
    )


def _check_width(columns: Sequence[str], shape: Sequence[int]) -> None:
    if len(shape) == 1 and shape[0] not in (-1, len(columns)):
        raise OfflineJobError(
            "invalid",
            f"the version's rows have {shape[0]} numbers and {len(columns)} columns are to be used "
            f"({', '.join(columns)}): choose them by --columns, in the model's order",
        )


def _is_number(spark_type: str) -> bool:
    return spark_type in _NUMBERS or spark_type.startswith("decimal(")


# --- numbers ----------------------------------------------------------------------------------------------------------


def _numbers(name: str, column: Any, dtype: str, errors: dict[int, str]) -> npt.NDArray[Any]:
    """The column's numbers; what is wrong with some of them is added to `errors`, by row."""
    if pa.types.is_decimal(column.type):
        column = column.cast(pa.float64())
    if column.null_count:
        _fault(errors, np.asarray(column.is_null()), f"column {name!r} is null")
        column = column.fill_null(0)
    values = np.asarray(column)
    if dtype == "<i8" and values.dtype.kind == "f":
        with np.errstate(invalid="ignore"):
            is_whole = (np.floor(values) == values) & (np.abs(values) < 2.0**63)
        _fault(errors, ~is_whole, f"column {name!r} has no whole number")
        values = np.where(is_whole, values, 0)
    with np.errstate(over="ignore"):
        narrowed = values.astype(dtype)
    if dtype == "<f4":
        _fault(errors, np.isinf(narrowed) & np.isfinite(values), f"column {name!r} has a number that no float can hold")
    return narrowed


def _fault(errors: dict[int, str], where: npt.NDArray[np.bool_], text: str) -> None:
    for index in np.flatnonzero(where).tolist():
        errors.setdefault(index, text)


# --- rows of JSON -----------------------------------------------------------------------------------------------------


def _wired(values: Sequence[Any], input_type: InputType) -> UsableRows:
    items: list[Any] = []
    positions: list[int] = []
    errors: dict[int, str] = {}
    for index, value in enumerate(values):
        try:
            if isinstance(value, ValueError):
                raise value
            items.append(_item(value, input_type))
            positions.append(index)
        except (ValueError, TypeError, OverflowError, RecursionError) as error:
            errors[index] = str(error) if isinstance(value, ValueError) else exception_text(error)
    return UsableRows(_rows(items, input_type) if items else None, positions, errors)


def _item(value: Any, input_type: InputType) -> Any:
    match input_type:
        case "json":
            return json.dumps(value).encode()
        case "strings" | "bytes":
            if not isinstance(value, str):
                raise TypeError(f"a text is expected, this is {'null' if value is None else value!r}")
            return value if input_type == "strings" else base64.b64decode(value, validate=True)
        case "tensor":
            return _tensor(value)
        case _:
            return _vector(value, NUMERIC_INPUT_TYPES[input_type])


def _rows(items: list[Any], input_type: InputType) -> Rows:
    match input_type:
        case "json":
            return Json(tuple(items))
        case "strings":
            return Strings(tuple(items))
        case "bytes":
            return Bytes(tuple(items))
        case "tensor":
            return Arrays(tuple([ArrayRow(item.dtype.str, item.shape, item.tobytes()) for item in items]))
        case _:
            dtype = NUMERIC_INPUT_TYPES[input_type]
            return Ragged(dtype, tuple([len(item) for item in items]), b"".join([item.tobytes() for item in items]))


def _vector(value: Any, dtype: str) -> npt.NDArray[Any]:
    found = np.array(_dense(value))
    if found.ndim != 1 or not found.size or found.dtype.kind not in "iuf":
        raise TypeError(f"a list of numbers is expected, this is {_shown(value)}")
    if dtype == "<i8" and found.dtype.kind == "f" and not (np.floor(found) == found).all():
        raise TypeError(f"a list of whole numbers is expected, this is {_shown(value)}")
    return found.astype(dtype)


def _tensor(value: Any) -> npt.NDArray[Any]:
    """As online: whole numbers are 64 bits of integer, all others doubles."""
    found = np.array(_dense(value))
    if found.dtype.kind not in "iuf" or not found.ndim:
        raise TypeError(f"lists of numbers of one shape are expected, this is {_shown(value)}")
    return found.astype("<i8" if found.dtype.kind in "iu" else "<f8")


def _dense(value: Any) -> Any:
    """The numbers of a Spark vector; anything else as it is."""
    if not isinstance(value, dict) or not {"size", "indices", "values"} <= value.keys():
        return value
    if value["size"] is None or value["indices"] is None:
        return value["values"]
    dense = [0.0] * value["size"]
    for index, number in zip(value["indices"], value["values"], strict=True):
        dense[index] = number
    return dense


def _shown(value: Any) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "null" if value is None else "NaN"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
