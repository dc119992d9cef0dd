"""The input types of an application and its models, and which rows on the wire each of them takes."""

from typing import Literal, get_args

from skysail_container.errors import UnusableRowsError
from skysail_container.wire import Arrays, Bytes, Dense, Json, Ragged, Rows, Strings

__all__ = ["INPUT_TYPES", "NUMERIC_INPUT_TYPES", "InputType", "check_rows"]

InputType = Literal["integers", "floats", "doubles", "strings", "bytes", "json", "tensor"]
INPUT_TYPES: tuple[InputType, ...] = get_args(InputType)

NUMERIC_INPUT_TYPES: dict[InputType, str] = {"integers": "<i8", "floats": "<f4", "doubles": "<f8"}
"""The input types whose rows are lists of numbers, with the dtype they have on the wire."""

_ROWS: dict[InputType, tuple[type, ...]] = {
    "integers": (Dense, Ragged),
    "floats": (Dense, Ragged),
    "doubles": (Dense, Ragged),
    "strings": (Strings,),
    "bytes": (Bytes,),
    "json": (Json,),
    "tensor": (Dense, Arrays),
}


def check_rows(rows: Rows, input_type: InputType) -> None:
    """Checks that a model of `input_type` can be given `rows`.

    :raises UnusableRowsError: it cannot; the text says why.
    """
    if not isinstance(rows, _ROWS[input_type]):
        raise UnusableRowsError(f"a model for {input_type} takes no rows of kind {type(rows).__name__}")
    if isinstance(rows, Dense) and input_type in NUMERIC_INPUT_TYPES and len(rows.shape) != 2:
        raise UnusableRowsError(f"a model for {input_type} takes rows with one axis, not {len(rows.shape) - 1}")
