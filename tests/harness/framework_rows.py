"""Random rows and what a loaded model answers to them in batches, for comparison with its framework's own answers."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from skysail_container.batch_execution import run_batch
from skysail_container.model import Model
from skysail_container.wire import Dense, Json, Rows
from skysail_container.wire.rows import ITEM_BYTES

__all__ = ["BATCH_SIZES", "N_ROWS", "batches", "dense_answers", "json_answers", "random_rows", "rows_of"]

N_ROWS = 1_024
BATCH_SIZES = (1, 2, 7, 64)


def random_rows(*shape: int, dtype: str = "<f4", seed: int = 4) -> npt.NDArray[Any]:
    """N_ROWS rows of `shape`, normally distributed."""
    return np.random.default_rng(seed).normal(size=(N_ROWS, *shape)).astype(dtype)


def batches(array: npt.NDArray[Any], size: int) -> Iterator[npt.NDArray[Any]]:
    """`array` in parts of `size` rows; the last one may be smaller."""
    for start in range(0, len(array), size):
        yield array[start : start + size]


def rows_of(array: npt.NDArray[Any]) -> Dense:
    """A batch as it comes over the wire."""
    dtype = array.dtype.newbyteorder("<").str
    assert ITEM_BYTES[dtype] * math.prod(array.shape) == array.nbytes
    return Dense(dtype, array.shape, array.tobytes())


def dense_answers(model: Model, array: npt.NDArray[Any], size: int) -> npt.NDArray[Any]:
    """What `model` answers to all of `array`, `size` rows at a time, as it goes back over the wire."""
    return np.concatenate([_numbers(_answered(model, rows_of(part))) for part in batches(array, size)])


def json_answers(model: Model, rows: Sequence[Mapping[str, Any]]) -> list[Any]:
    """What `model` answers to `rows` in one batch of JSON, parsed."""
    answered = _answered(model, Json(tuple([json.dumps(row).encode() for row in rows])))
    assert isinstance(answered, Json), answered
    return [json.loads(item) for item in answered.items]


def _answered(model: Model, rows: Rows) -> Rows:
    output = run_batch(model, rows, lambda: True)
    assert output.errors is None, output.errors
    return output.rows


def _numbers(rows: Rows) -> npt.NDArray[Any]:
    assert isinstance(rows, Dense), rows
    return np.frombuffer(rows.data, rows.dtype).reshape(rows.shape)
