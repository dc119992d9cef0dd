"""Reads and checks rows values."""

from collections.abc import Callable
from math import prod

from skysail_container.errors import MalformedFrameError
from skysail_container.wire.body_reader import BodyReader
from skysail_container.wire.limits import MAX_DIMENSIONS, MAX_INTEGER, MAX_ROWS
from skysail_container.wire.rows import ITEM_BYTES, ArrayRow, Arrays, Bytes, Dense, Json, Ragged, RowKind, Rows, Strings

__all__ = ["read_rows"]


def read_rows(reader: BodyReader) -> Rows:
    """The rows value at the cursor, inputs or outputs: errors name its parts as `rows.kind`, `rows.shape` and so on.

    :raises MalformedFrameError: its parts are of wrong types or do not fit each other.
    """
    n_parts = reader.array("rows", 4)
    kind = reader.integer("rows.kind")
    known = _READERS.get(kind)
    if known is None:
        raise MalformedFrameError("rows.kind", f"{kind} is not a kind of rows")
    n_expected, read = known
    if n_parts != n_expected:
        raise MalformedFrameError("rows", f"{n_expected} elements are expected for kind {kind}, not {n_parts}")
    return read(reader)


def _read_dense(reader: BodyReader) -> Dense:
    dtype, shape, data = _read_array(reader)
    if not shape:
        raise MalformedFrameError("rows.shape", "the first axis is the rows: at least one is expected")
    if shape[0] > MAX_ROWS:
        raise MalformedFrameError("rows.shape", f"{shape[0]} rows are more than {MAX_ROWS}")
    return Dense(dtype, shape, data)


def _read_ragged(reader: BodyReader) -> Ragged:
    dtype, item_bytes = _read_dtype(reader)
    n_rows = reader.array("rows.lengths", MAX_ROWS)
    lengths = reader.integers("rows.lengths", n_rows)
    return Ragged(dtype, lengths, _read_data(reader, sum(lengths) * item_bytes))


def _read_arrays(reader: BodyReader) -> Arrays:
    n_rows = reader.array("rows.items", MAX_ROWS)
    return Arrays(tuple([_read_array_row(reader) for _ in range(n_rows)]))


def _read_array_row(reader: BodyReader) -> ArrayRow:
    n_parts = reader.array("rows.items", 3)
    if n_parts != 3:
        raise MalformedFrameError("rows.items", f"3 elements are expected for an array, not {n_parts}")
    return ArrayRow(*_read_array(reader))


def _read_strings(reader: BodyReader) -> Strings:
    n_rows = reader.array("rows.items", MAX_ROWS)
    return Strings(reader.texts("rows.items", n_rows))


def _read_binaries(reader: BodyReader) -> tuple[bytes, ...]:
    n_rows = reader.array("rows.items", MAX_ROWS)
    return reader.binaries("rows.items", n_rows)


def _read_bytes(reader: BodyReader) -> Bytes:
    return Bytes(_read_binaries(reader))


def _read_json(reader: BodyReader) -> Json:
    return Json(_read_binaries(reader))


def _read_array(reader: BodyReader) -> tuple[str, tuple[int, ...], bytes]:
    dtype, item_bytes = _read_dtype(reader)
    n_dimensions = reader.array("rows.shape", MAX_DIMENSIONS)
    shape = tuple([reader.integer("rows.shape") for _ in range(n_dimensions)])
    n_elements = prod(shape)
    # With one axis of zero the others are free of the data's length; NumPy multiplies them all the same.
    if not n_elements and prod([n or 1 for n in shape]) * item_bytes > MAX_INTEGER:
        raise MalformedFrameError("rows.shape", "its axes are too long")
    return dtype, shape, _read_data(reader, n_elements * item_bytes)


def _read_dtype(reader: BodyReader) -> tuple[str, int]:
    dtype = reader.text("rows.dtype")
    item_bytes = ITEM_BYTES.get(dtype)
    if item_bytes is None:
        raise MalformedFrameError("rows.dtype", f"{dtype[:40]!r} is not one of {', '.join(ITEM_BYTES)}")
    return dtype, item_bytes


def _read_data(reader: BodyReader, n_expected: int) -> bytes:
    data = reader.binary("rows.data")
    if len(data) != n_expected:
        raise MalformedFrameError("rows.data", f"{n_expected} bytes are expected, not {len(data)}")
    return data


_READERS: dict[int, tuple[int, Callable[[BodyReader], Rows]]] = {
    RowKind.DENSE: (4, _read_dense),
    RowKind.RAGGED: (4, _read_ragged),
    RowKind.ARRAYS: (2, _read_arrays),
    RowKind.STRINGS: (2, _read_strings),
    RowKind.BYTES: (2, _read_bytes),
    RowKind.JSON: (2, _read_json),
}
