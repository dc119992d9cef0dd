"""What a model returned to rows on the wire."""

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from skysail_container.errors import ModelOutputError
from skysail_container.exception_text import exception_text, row_error_text
from skysail_container.json_output import to_json
from skysail_container.wire import ITEM_BYTES, ArrayRow, Arrays, Bytes, Dense, Json, Rows, Strings

__all__ = ["BatchOutput", "Outputs", "RowFailure", "check_outputs", "failed_batch", "to_batch_output"]

Outputs = npt.NDArray[Any] | list[Any]

_INTEGERS = (int, np.integer)
_NUMERIC_KINDS = "biufc"


class RowFailure(NamedTuple):
    """Stands where the output of a failed row would."""

    text: str


_FAILURES = (RowFailure, BaseException)


class BatchOutput(NamedTuple):
    """Outputs ready for the wire; those of failed rows are fillers."""

    rows: Rows
    errors: dict[int, str] | None


def failed_batch(n_rows: int, text: str) -> BatchOutput:
    """The output of a batch of which every row failed for the same reason."""
    return BatchOutput(Json((b"null",) * n_rows), dict.fromkeys(range(n_rows), text))


def check_outputs(outputs: object, n_rows: int) -> Outputs:
    """`outputs` as an array or a list of `n_rows` elements.

    :raises ModelOutputError: the model did not return one output per row.
    """
    if not isinstance(outputs, np.ndarray | list):
        outputs = _collected(outputs, n_rows)
    if isinstance(outputs, np.ndarray) and not outputs.ndim:
        raise ModelOutputError(f"model returned one value for {n_rows} rows, not an array or list of outputs")
    if len(outputs) != n_rows:
        raise ModelOutputError(f"model returned {len(outputs)} outputs for {n_rows} rows")
    return outputs


def _collected(outputs: object, n_rows: int) -> Outputs:
    if hasattr(outputs, "__array__"):  # pandas, PyTorch, ...
        return np.asarray(outputs)
    if isinstance(outputs, str | bytes | bytearray | Mapping | Set) or not isinstance(outputs, Iterable):
        raise ModelOutputError(f"model returned a {type(outputs).__name__}, not an array or list of outputs")
    return list(islice(outputs, n_rows + 1))


def to_batch_output(outputs: Outputs) -> BatchOutput:
    """`outputs`, one per row, for the wire; elements that are exceptions or RowFailures become errors."""
    if isinstance(outputs, np.ndarray):
        rows = _array_rows(outputs)
        if rows is not None:
            return BatchOutput(rows, None)
        outputs = list(outputs)
    if not any(issubclass(one, _FAILURES) for one in set(map(type, outputs))):
        return _list_output(outputs)
    errors = {index: _failure_text(output) for index, output in enumerate(outputs) if isinstance(output, _FAILURES)}
    good = [output for output in outputs if not isinstance(output, _FAILURES)]
    return _with_fillers(_list_output(good), errors, len(outputs))


def _failure_text(output: RowFailure | BaseException) -> str:
    return output.text if isinstance(output, RowFailure) else row_error_text(output)


# --- arrays -----------------------------------------------------------------------------------------------------------


def _array_rows(array: npt.NDArray[Any]) -> Rows | None:
    """The rows of an array with a dtype that the wire knows, or text; None for others."""
    if array.dtype.kind in _NUMERIC_KINDS:
        dtype, data = _wire_array(array)
        return Dense(dtype, array.shape, data)
    if array.dtype.kind in "mM":
        array = array.astype(str)
    if array.ndim == 1 and array.dtype.kind == "U":
        return Strings(_encodable(array.tolist()))
    if array.ndim == 1 and array.dtype.kind == "S":
        return Bytes(tuple(array.tolist()))
    return None


def _wire_array(array: npt.NDArray[Any]) -> tuple[str, bytes]:
    """Type string and bytes of a numeric array: C order, little-endian, at most the wire's widest type."""
    name = array.dtype.str
    if name in ITEM_BYTES:
        return name, array.tobytes()
    little = array.dtype.newbyteorder("<")
    if little.str not in ITEM_BYTES:  # long doubles and their complex pairs
        little = np.dtype("<c16" if array.dtype.kind == "c" else "<f8")
    return little.str, array.astype(little, copy=False).tobytes()


# --- lists ------------------------------------------------------------------------------------------------------------


def _list_output(outputs: list[Any]) -> BatchOutput:
    types = set(map(type, outputs))
    for is_kind, to_rows in _LIST_KINDS:
        if types and all(is_kind(one) for one in types):
            rows = to_rows(outputs)
            if rows is not None:
                return BatchOutput(rows, None)
    return _json_output(outputs)


def _numbers(outputs: list[Any]) -> Rows | None:
    try:
        array = np.asarray(outputs)
    except OverflowError:
        return None
    if array.dtype.kind == "f" and _has_integers(outputs):
        return None  # 3 must not become 3.0 because of its batch-mates, nor lose digits
    return _array_rows(array)


def _has_integers(outputs: list[Any]) -> bool:
    return any(issubclass(one, _INTEGERS) for one in set(map(type, outputs)))


def _texts(outputs: list[Any]) -> Rows:
    return Strings(_encodable(outputs))


def _binaries(outputs: list[Any]) -> Rows:
    return Bytes(tuple(bytes(output) for output in outputs))


def _arrays(outputs: list[npt.NDArray[Any]]) -> Rows | None:
    if any(array.dtype.kind not in _NUMERIC_KINDS for array in outputs):
        return None
    if len({(array.dtype, array.shape) for array in outputs}) == 1:
        return _array_rows(np.stack(outputs))
    return Arrays(tuple([_array_row(array) for array in outputs]))


def _array_row(array: npt.NDArray[Any]) -> ArrayRow:
    dtype, data = _wire_array(array)
    return ArrayRow(dtype, array.shape, data)


def _json_output(outputs: list[Any]) -> BatchOutput:
    texts: list[bytes] = []
    errors: dict[int, str] = {}
    for index, output in enumerate(outputs):
        try:
            texts.append(to_json(output))
        except Exception as error:  # an output's own methods run in there, and may raise anything
            texts.append(b"null")
            errors[index] = exception_text(error)
    return BatchOutput(Json(tuple(texts)), errors or None)


def _is_boolean(one: type) -> bool:
    return issubclass(one, bool | np.bool_)


def _is_number(one: type) -> bool:
    return issubclass(one, int | float | complex | np.number) and not _is_boolean(one)


_LIST_KINDS: Sequence[tuple[Callable[[type], bool], Callable[[list[Any]], Rows | None]]] = (
    (_is_number, _numbers),
    (_is_boolean, _numbers),
    (lambda one: issubclass(one, str), _texts),
    (lambda one: issubclass(one, bytes | bytearray | memoryview), _binaries),
    (lambda one: issubclass(one, np.ndarray), _arrays),
)


def _encodable(texts: Iterable[Any]) -> tuple[str, ...]:
    """Plain texts without lone surrogates, which have no UTF-8."""
    return tuple([str(text) if text.isascii() else text.encode("utf-8", "replace").decode() for text in texts])


# --- fillers ----------------------------------------------------------------------------------------------------------


def _with_fillers(good: BatchOutput, failures: dict[int, str], n_rows: int) -> BatchOutput:
    positions = [index for index in range(n_rows) if index not in failures]
    late_errors = {positions[index]: text for index, text in (good.errors or {}).items()}
    return BatchOutput(_spread(good.rows, positions, n_rows), {**failures, **late_errors})


def _spread(rows: Rows, positions: list[int], n_rows: int) -> Rows:
    """`rows` at `positions` among fillers of their kind."""
    match rows:
        case Dense(dtype, shape, data):
            spread = np.zeros((n_rows, *shape[1:]), dtype)
            spread[positions] = np.frombuffer(data, dtype).reshape(shape)
            return Dense(dtype, spread.shape, spread.tobytes())
        case Arrays(items):
            return Arrays(_spread_items(items, positions, n_rows, ArrayRow("|u1", (0,), b"")))
        case Strings(items):
            return Strings(_spread_items(items, positions, n_rows, ""))
        case Bytes(items):
            return Bytes(_spread_items(items, positions, n_rows, b""))
        case Json(items):
            return Json(_spread_items(items, positions, n_rows, b"null"))
    raise ModelOutputError(f"outputs are never of kind {type(rows).__name__}")


def _spread_items(items: Sequence[Any], positions: list[int], n_rows: int, filler: Any) -> tuple[Any, ...]:
    spread = [filler] * n_rows
    for position, item in zip(positions, items, strict=True):
        spread[position] = item
    return tuple(spread)
