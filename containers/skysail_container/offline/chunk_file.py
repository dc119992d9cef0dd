"""A chunk of the output as a file of Parquet, CSV, or JSON with one object a line."""

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pyarrow as pa
from pyarrow import csv, parquet

from skysail_container.json_output import to_json
from skysail_container.offline.settings import Format

__all__ = ["chunk_writer"]


def chunk_writer(table: Any, kind: Format) -> Callable[[Any], object]:
    """What writes the pyarrow Table to an open stream.

    In CSV lists and objects are JSON texts, every file has a head line, and null is nothing.
    """
    if kind == "parquet":
        return lambda stream: parquet.write_table(table, stream)
    if kind == "csv":
        return lambda stream: csv.write_csv(_flat(table), stream)
    return lambda stream: stream.write(b"".join(_lines(table)))


def _lines(table: Any) -> Iterator[bytes]:
    for row in table.to_pylist():
        yield to_json(_without_decimals(row)) + b"\n"


def _flat(table: Any) -> Any:
    for index, field in enumerate(table.schema):
        if pa.types.is_nested(field.type):
            values = table.column(index).to_pylist()
            texts = [None if value is None else to_json(_without_decimals(value)).decode() for value in values]
            table = table.set_column(index, field.name, pa.array(texts, pa.string()))
    return table


def _without_decimals(value: Any) -> Any:
    """JSON has only doubles; a text keeps all digits."""
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, dict):
        return {name: _without_decimals(item) for name, item in value.items()}
    return [_without_decimals(item) for item in value] if isinstance(value, list) else value
