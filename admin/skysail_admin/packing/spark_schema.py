"""The columns of a Spark pipeline's rows: with Spark's names of their types, and as the schema queries are checked by.

The container makes rows of these types (`skysail_container.spark.typed_rows`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from skysail_admin.errors import InvalidRequestError
from skysail_admin.packing.input_schema import MAX_FIELDS

__all__ = ["DOUBLE_DIGITS", "VECTOR", "check_types", "described_rows", "input_fields", "spark_schema"]

VECTOR = "vector"
_VOID = "void"

_VALUE_TYPES = {
    "tinyint": "integer",
    "smallint": "integer",
    "int": "integer",
    "bigint": "integer",
    "float": "number",
    "double": "number",
    "string": "string",
    "boolean": "boolean",
    VECTOR: "any",
    _VOID: "any",
}
"""The types that a JSON value can have, with what a query is checked for; a vector is a list or an object."""

_ARROW_TYPES = {
    "int8": "tinyint",
    "int16": "smallint",
    "int32": "int",
    "int64": "bigint",
    "float": "float",
    "double": "double",
    "string": "string",
    "large_string": "string",
    "bool": "boolean",
    "null": _VOID,
}
_DECIMAL = re.compile(r"decimal\((\d+),")
DOUBLE_DIGITS = 15
"""As many decimal digits come through a double as they are."""

_VECTOR_FIELDS = frozenset({"type", "size", "indices", "values"})


def spark_schema(types: Mapping[str, str]) -> list[dict[str, str]]:
    """As the manifest has it."""
    return [{"name": name, "type": column_type} for name, column_type in types.items()]


def check_types(types: Mapping[str, str]) -> None:
    """
    :raises InvalidRequestError: values of a type have no form in JSON.
    """
    for name, column_type in types.items():
        if _value_type(_scalar(column_type)) is None:
            raise InvalidRequestError(
                f"column {name!r} is of type {column_type}, which a query's JSON has no form for: cast it before the "
                "pipeline is trained, or leave it out of the examples if the pipeline does not need it",
                field="examples",
            )


def input_fields(types: Mapping[str, str], rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The input schema of objects with these columns: one is optional when it is null in some row.

    :raises InvalidRequestError: there are more columns than a schema may have fields.
    """
    if len(types) > MAX_FIELDS:
        raise InvalidRequestError(
            f"the rows have {len(types)} columns; at most {MAX_FIELDS} are possible, put numbers into vectors",
            field="model",
        )
    return {"fields": [_field(name, types[name], [row.get(name) for row in rows]) for name in types]}


def _field(name: str, column_type: str, values: Sequence[Any]) -> dict[str, Any]:
    value_type = _value_type(_scalar(column_type)) or "any"
    shape: list[int] = []
    if column_type.startswith("array<") and value_type != "any":
        holds_nulls = any(None in value for value in values if value is not None)
        is_flat = not column_type.startswith("array<array<")
        value_type, shape = (value_type, [-1]) if is_flat and not holds_nulls else ("any", [])
    return {"name": name, "type": value_type, "shape": shape, "optional": None in values}


def _value_type(column_type: str) -> str | None:
    """Decimals of more digits than a double has are written as texts, so that none is lost."""
    if decimal := _DECIMAL.match(column_type):
        return "number" if int(decimal[1]) <= DOUBLE_DIGITS else "any"
    return _VALUE_TYPES.get(column_type)


def _scalar(column_type: str) -> str:
    """The type of what is in an array, and in arrays of arrays."""
    while column_type.startswith("array<"):
        column_type = column_type[len("array<") : -1]
    return column_type


# --- of validation rows -----------------------------------------------------------------------------------------------


def described_rows(path: Path, rows: Sequence[Mapping[str, Any]], manifest: Mapping[str, Any]) -> dict[str, Any]:
    """What a manifest says of the rows in a validation file: a Parquet file states its types, JSON shows them.

    There a number that is whole in every row is a bigint, a list of numbers a vector. Types that the manifest states
    already are those.

    :raises InvalidRequestError: the values of a column are of different types, or there are too many columns.
    """
    names = list(dict.fromkeys(name for row in rows for name in row))
    stated = manifest.get("spark_schema")
    if stated is not None:
        types = {column["name"]: column["type"] for column in stated}
    elif path.suffix == ".parquet":
        types = _parquet_types(path, names)
    else:
        types = {name: _shown_type(name, [row.get(name) for row in rows]) for name in names}
    return {"input_schema": input_fields(types, rows), "spark_schema": spark_schema(types)}


def _parquet_types(path: Path, names: Sequence[str]) -> dict[str, str]:
    import pyarrow.parquet

    fields = pyarrow.parquet.read_schema(path)
    return {name: _arrow_type(fields.field(name).type) for name in names}


def _arrow_type(arrow: Any) -> str:
    import pyarrow.types

    if pyarrow.types.is_list(arrow) or pyarrow.types.is_large_list(arrow):
        return f"array<{_arrow_type(arrow.value_type)}>"
    if pyarrow.types.is_dictionary(arrow):
        return _arrow_type(arrow.value_type)
    if pyarrow.types.is_struct(arrow) and {field.name for field in arrow} == _VECTOR_FIELDS:
        return VECTOR
    if pyarrow.types.is_decimal(arrow):
        return f"decimal({arrow.precision},{arrow.scale})"
    return _ARROW_TYPES.get(str(arrow), str(arrow))


def _shown_type(name: str, values: Iterable[Any]) -> str:
    found = {_type(value) for value in values if value not in (None, [])}
    if found == {"bigint", "double"}:
        return "double"
    if len(found) > 1:
        raise InvalidRequestError(
            f"column {name!r} has values of type {' and '.join(sorted(found))} in the validation rows; "
            "one type is expected",
            field="model",
        )
    return found.pop() if found else _VOID


def _type(value: Any) -> str:
    if isinstance(value, list):
        return "array<string>" if all(isinstance(one, str | None) for one in value) else VECTOR
    for kind, name in ((bool, "boolean"), (int, "bigint"), (float, "double"), (str, "string")):
        if isinstance(value, kind):
            return name
    return VECTOR
