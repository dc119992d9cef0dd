"""JSON records to rows of Spark's types, and the types of records that come without a schema.

Source of the ranges: org.apache.spark.sql.types. A vector is a list of numbers, or `{"size": 5, "indices": [1, 3],
"values": [0.5, 2]}`; the struct that Spark itself writes of a vector into JSON and Parquet is taken as well.
"""

import re
import struct
from collections.abc import Callable, Mapping, Sequence
from decimal import ROUND_HALF_UP, Context, Decimal, InvalidOperation
from typing import Any, Final

import numpy as np

from skysail_container.errors import UnusableRowsError
from skysail_container.spark.schema import BOOLEAN, DOUBLE, FLOAT, INT, LONG, STRING, VECTOR, VOID, Schema
from skysail_container.spark.stage import Row
from skysail_container.spark.vectors import DENSE, SPARSE, DenseVector, SparseVector, Vector

__all__ = ["MAX_VECTOR_SIZE", "TypedRows", "record_schema", "spark_type"]

MAX_VECTOR_SIZE: Final = 1 << 24
"""A sparse vector of any size is a few bytes, and stages may make a dense one of it: 16 million numbers are enough."""

Convert = Callable[[Any], Any]
"""A value in the form of JSON, not null, as one of the column's type.

:raises _MisfitError: it is not one; the text says what is expected.
"""


class _MisfitError(Exception):
    """A value that a column does not take."""


class TypedRows:
    """Makes rows by a schema. A field that is missing is null."""

    def __init__(self, schema: Schema) -> None:
        """
        :raises ValueError: a column is of a type that JSON has no form for; the text names it.
        """
        self._columns = [(name, _converter(name, column.type)) for name, column in schema.items()]
        self._names = frozenset(schema)

    def row(self, record: object) -> Row:
        """The row of an object; of a list of values in the columns' order; of the value itself if there is one column.

        :raises UnusableRowsError: it does not fit; the text names the column.
        """
        values = record if type(record) is dict else self._by_position(record)
        if not values.keys() <= self._names:
            raise UnusableRowsError(f"there is no column {_unknown(values, self._names)!r}, only {self._listed()}")
        typed: Row = {}
        for name, convert in self._columns:
            value = values.get(name)
            if value is not None:
                try:
                    value = convert(value)
                except _MisfitError as misfit:
                    raise UnusableRowsError(f"column {name!r}: {misfit}") from None
            typed[name] = value
        return typed

    def _by_position(self, record: object) -> dict[str, Any]:
        plain = record.tolist() if isinstance(record, np.ndarray) else record
        if len(self._columns) == 1:
            return {self._columns[0][0]: plain}
        if isinstance(plain, list) and len(plain) == len(self._columns):
            return {name: value for (name, _), value in zip(self._columns, plain, strict=True)}
        raise UnusableRowsError(f"an object with the columns {self._listed()} is expected, this is {_shown(plain)}")

    def _listed(self) -> str:
        return ", ".join(name for name, _ in self._columns)


def _unknown(values: Mapping[str, Any], names: frozenset[str]) -> str:
    return next(name for name in values if name not in names)


def spark_type(name: str) -> str:
    """Spark's simple name of a type, whatever of its names it was given: `LONG` is bigint."""
    plain = name.strip().lower()
    if plain.startswith("array<") and plain.endswith(">"):
        return f"array<{spark_type(plain[len('array<') : -1])}>"
    return _OTHER_NAMES.get(plain, plain)


def record_schema(record: Mapping[str, Any]) -> Schema:
    """The types that one record shows: a whole number is a bigint, a list of numbers a vector, null is void."""
    return Schema({name: _shown_type(value) for name, value in record.items()})


def _shown_type(value: object) -> str:
    if isinstance(value, list):
        return f"array<{STRING}>" if value and all(isinstance(one, str) for one in value) else VECTOR
    for kind, name in ((bool, BOOLEAN), (int, LONG), (float, DOUBLE), (str, STRING), (dict, VECTOR)):
        if isinstance(value, kind):
            return name
    return VOID


# --- one value --------------------------------------------------------------------------------------------------------

_OTHER_NAMES = {"byte": "tinyint", "short": "smallint", "integer": INT, "long": LONG, "real": FLOAT, "bool": BOOLEAN}

_BITS = {"tinyint": 8, "smallint": 16, INT: 32, LONG: 64}

_FLOAT32 = struct.Struct("<f")

_ENOUGH = Context(prec=80)
"""Spark's decimals have 38 digits at most."""

_DECIMAL = re.compile(r"decimal\((\d+),\s*(\d+)\)")


def _converter(name: str, column_type: str) -> Convert:
    if column_type in _BITS:
        return _whole_number(column_type)
    if column_type.startswith("array<"):
        return _array(_converter(name, column_type[len("array<") : -1]))
    if decimal := _DECIMAL.fullmatch(column_type):
        return _decimal(column_type, int(decimal[1]), int(decimal[2]))
    found = _CONVERTERS.get(column_type)
    if found is None:
        raise ValueError(
            f"column {name!r} is of type {column_type}, which a JSON record cannot have here: "
            f"{', '.join((*_BITS, *_CONVERTERS))}, decimals and arrays of them can be; cast it before the pipeline "
            "is trained"
        )
    return found


def _whole_number(column_type: str) -> Convert:
    limit = 1 << (_BITS[column_type] - 1)
    expected = f"a whole number of type {column_type} is expected, this is "

    def convert(value: Any) -> int:
        if type(value) is float and value.is_integer():
            value = int(value)
        if type(value) is not int or not -limit <= value < limit:
            raise _MisfitError(expected + _shown(value))
        return value

    return convert


def _double(value: Any) -> float:
    if type(value) is float:
        return value
    if type(value) is not int:
        raise _MisfitError(f"a number is expected, this is {_shown(value)}")
    try:
        return float(value)
    except OverflowError:
        raise _MisfitError(f"a number is expected that a double can hold, this is {_shown(value)}") from None


def _float(value: Any) -> float:
    """What is left of it in 32 bits, as a double."""
    try:
        (narrowed,) = _FLOAT32.unpack(_FLOAT32.pack(_double(value)))
    except OverflowError:
        raise _MisfitError(f"a number is expected that a float can hold, this is {_shown(value)}") from None
    return float(narrowed)


def _decimal(column_type: str, precision: int, scale: int) -> Convert:
    """From a number, or from a text, which holds more digits than a double; rounded as Spark's casts do."""
    unit, limit = Decimal(1).scaleb(-scale), Decimal(1).scaleb(precision - scale)

    def convert(value: Any) -> Decimal:
        if type(value) not in (int, float, str):
            raise _MisfitError(f"a number is expected, this is {_shown(value)}")
        try:
            found = Decimal(str(value)).quantize(unit, ROUND_HALF_UP, _ENOUGH)
        except InvalidOperation:
            raise _MisfitError(f"a {column_type} is expected, this is {_shown(value)}") from None
        if not found.is_finite() or abs(found) >= limit:
            raise _MisfitError(f"a {column_type} is expected, this is {_shown(value)}")
        return found

    return convert


def _text(value: Any) -> str:
    if type(value) is not str:
        raise _MisfitError(f"a string is expected, this is {_shown(value)}")
    return value


def _boolean(value: Any) -> bool:
    if type(value) is not bool:
        raise _MisfitError(f"true or false is expected, this is {_shown(value)}")
    return value


def _nothing(value: Any) -> None:
    raise _MisfitError(f"null is expected, for no value of this column was ever seen; this is {_shown(value)}")


def _array(element: Convert) -> Convert:
    def convert(value: Any) -> list[Any]:
        if type(value) is not list:
            raise _MisfitError(f"a list is expected, this is {_shown(value)}")
        try:
            return [None if one is None else element(one) for one in value]
        except _MisfitError as misfit:
            raise _MisfitError(f"in the list, {misfit}") from None

    return convert


def _vector(value: Any) -> Vector:
    if type(value) is list:
        return DenseVector([_double(one) for one in value])
    if type(value) is not dict or not {"values"} <= value.keys() <= {"type", "size", "indices", "values"}:
        raise _MisfitError(
            f'a list of numbers or an object with "size", "indices" and "values" is expected, this is {_shown(value)}'
        )
    values = value["values"]
    if type(values) is not list:
        raise _MisfitError(f"its values are no list but {_shown(values)}")
    numbers = [_double(one) for one in values]
    if value.get("type", SPARSE) == DENSE:
        return DenseVector(numbers)
    return _sparse(value.get("size"), value.get("indices"), numbers)


def _sparse(size: Any, indices: Any, values: list[float]) -> SparseVector:
    if type(size) is not int or not 0 <= size <= MAX_VECTOR_SIZE:
        raise _MisfitError(f"a size of 0 to {MAX_VECTOR_SIZE} is expected, this is {_shown(size)}")
    if type(indices) is not list or len(indices) != len(values) or not _ascends(indices, size):
        raise _MisfitError(
            f"as many indices as values are expected, ascending, from 0 to {size - 1}; these are {_shown(indices)}"
        )
    return SparseVector(size, indices, values)


def _ascends(indices: Sequence[Any], size: int) -> bool:
    previous = -1
    for index in indices:
        if type(index) is not int or not previous < index < size:
            return False
        previous = index
    return True


_CONVERTERS: dict[str, Convert] = {
    FLOAT: _float,
    DOUBLE: _double,
    STRING: _text,
    BOOLEAN: _boolean,
    VECTOR: _vector,
    VOID: _nothing,
}


def _shown(value: object) -> str:
    text = "null" if value is None else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
