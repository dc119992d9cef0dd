"""Rows as they came over the wire to the batch a model is given, or to the part of it that some rows make up."""

import json
from collections.abc import Callable, Hashable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from skysail_container.exception_text import exception_text
from skysail_container.model import ModelInput
from skysail_container.wire import ArrayRow, Arrays, Bytes, Dense, Json, Ragged, Rows, Strings

__all__ = ["BatchInput", "batch_input"]


class BatchInput:
    """A batch that can be given to a model as a whole or in parts.

    Every selection makes new arrays, so that a model that writes into one spoils no later attempt.
    `errors` holds the rows that no model can be given; they must not be selected.
    """

    __slots__ = ("_group", "_select", "errors", "n_rows")

    def __init__(
        self,
        n_rows: int,
        select: Callable[[Sequence[int]], ModelInput],
        group: Callable[[int], Hashable] | None = None,
        errors: dict[int, str] | None = None,
    ) -> None:
        self.n_rows = n_rows
        self.errors = errors or {}
        self._select = select
        self._group = group

    def select(self, indices: Sequence[int]) -> ModelInput:
        """What the model is given for the rows at `indices`."""
        return self._select(indices)

    def usable_indices(self) -> Sequence[int]:
        """The rows that a model can be given."""
        if not self.errors:
            return range(self.n_rows)
        return [index for index in range(self.n_rows) if index not in self.errors]

    def groups(self, indices: Sequence[int]) -> Sequence[Sequence[int]]:
        """`indices` by the rows' shape, in order of first appearance: rows of one shape can share an array."""
        if self._group is None:
            return [indices]
        by_shape: dict[Hashable, list[int]] = {}
        for index in indices:
            by_shape.setdefault(self._group(index), []).append(index)
        return list(by_shape.values())


def batch_input(rows: Rows) -> BatchInput:
    """`rows` for a model. They must be valid, as the wire's decoder leaves them."""
    match rows:
        case Dense():
            return _dense(rows)
        case Ragged():
            return _ragged(rows)
        case Arrays():
            return _arrays(rows)
        case Json():
            return _json(rows)
        case Strings() | Bytes():
            return _plain(rows.items)


def _dense(rows: Dense) -> BatchInput:
    array = _view(rows.dtype, rows.data).reshape(rows.shape)

    def select(indices: Sequence[int]) -> ModelInput:
        part = array if len(indices) == rows.n_rows else array[list(indices)]
        return _own(part)

    return BatchInput(rows.n_rows, select)


def _ragged(rows: Ragged) -> BatchInput:
    array = _view(rows.dtype, rows.data)
    lengths = rows.lengths
    ends = np.cumsum(lengths)

    def select(indices: Sequence[int]) -> ModelInput:
        parts = [_own(array[ends[index] - lengths[index] : ends[index]]) for index in indices]
        is_rectangle = len({lengths[index] for index in indices}) == 1
        return np.stack(parts) if is_rectangle else parts

    return BatchInput(rows.n_rows, select, group=lengths.__getitem__)


def _arrays(rows: Arrays) -> BatchInput:
    items = rows.items

    def shape(index: int) -> Hashable:
        return items[index].dtype, items[index].shape

    def select(indices: Sequence[int]) -> ModelInput:
        parts = [_array(items[index]) for index in indices]
        return np.stack(parts) if len({shape(index) for index in indices}) == 1 else parts

    return BatchInput(rows.n_rows, select, group=shape)


def _json(rows: Json) -> BatchInput:
    items = rows.items
    errors: dict[int, str] = {}
    fresh: dict[int, Any] = {}
    for index, text in enumerate(items):
        try:
            fresh[index] = json.loads(text)
        except (ValueError, RecursionError) as error:
            errors[index] = exception_text(error)

    def select(indices: Sequence[int]) -> ModelInput:
        # Each parsed value is handed out once; a later attempt gets its own, untouched by the model.
        return [fresh.pop(index) if index in fresh else json.loads(items[index]) for index in indices]

    return BatchInput(rows.n_rows, select, errors=errors)


def _plain(items: Sequence[str] | Sequence[bytes]) -> BatchInput:
    return BatchInput(len(items), lambda indices: [items[index] for index in indices])


def _array(row: ArrayRow) -> npt.NDArray[Any]:
    return _own(_view(row.dtype, row.data).reshape(row.shape))


def _view(dtype: str, data: bytes | bytearray | memoryview) -> npt.NDArray[Any]:
    if dtype == "|b1":  # any byte but zero is true; NumPy takes other bytes than 0 and 1 for broken booleans
        return np.frombuffer(data, np.uint8).astype(np.bool_)
    return np.frombuffer(data, dtype)


def _own(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """A writable copy in C order and the machine's byte order."""
    if array.dtype.isnative:
        return array.copy()
    return np.array(array, dtype=array.dtype.newbyteorder("="), order="C")
