"""Input types whose examples are checked by the schema of a model version.

The check costs what decoding does not do anyway: for numbers one comparison of integers, for a tensor one of its shape,
for JSON nothing but the decoder's own work, which for objects of known fields is less than without a schema.
"""

import functools
from collections.abc import Sequence
from typing import Any

import msgspec

from skysail_frontend.input_type import (
    INPUT_TYPES,
    MAX_JSON_DEPTH,
    InputError,
    InputType,
    JsonValue,
    Numbers,
    Tensor,
    is_deeper_than,
)
from skysail_frontend.row_fault import row_fault
from skysail_frontend.row_type import row_type
from skysail_management.records import InputSchema

__all__ = ["CheckedJson", "checked_input_type"]


@functools.lru_cache(maxsize=256)
def checked_input_type(name: str, schema: InputSchema) -> InputType:
    """The input type `name` for rows of `schema`, the same for equal schemas. What cannot be checked is as without."""
    input_type = INPUT_TYPES[name]
    if isinstance(input_type, JsonValue):
        return CheckedJson(schema)
    if isinstance(input_type, Numbers) and len(schema.shape) == 1 and schema.shape[0] >= 0:
        return FixedNumbers(input_type, schema.shape[0])
    if isinstance(input_type, Tensor) and schema.fields is None:
        return ShapedTensor(schema.shape)
    return input_type


class FixedNumbers(Numbers):
    """1-D rows of so many numbers."""

    def __init__(self, numbers: Numbers, n: int) -> None:
        super().__init__(numbers.name, numbers.python_type, numbers.code, numbers.dtype)
        self._n = n
        self.row_bytes = n * self.item_bytes

    def payload(self, value: Sequence[float]) -> bytes:
        if len(value) != self._n:
            raise InputError(f"holds {len(value)} numbers; {self._n} were expected")
        return super().payload(value)


class ShapedTensor(Tensor):
    """Tensors of one shape; -1 stands for any side."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self._shape = shape
        self._is_exact = -1 not in shape

    def payload(self, value: Any) -> tuple[str, tuple[int, ...], bytes]:
        found = super().payload(value)
        if found[1] != self._shape and (self._is_exact or not self._fits(found[1])):
            raise InputError(f"has shape {list(found[1])}; {self._expected()} was expected")
        return found

    def _fits(self, shape: tuple[int, ...]) -> bool:
        return len(shape) == len(self._shape) and all(
            wanted in (-1, side) for wanted, side in zip(self._shape, shape, strict=True)
        )

    def _expected(self) -> str:
        return f"[{', '.join('n' if side < 0 else str(side) for side in self._shape)}]"


class CheckedJson(JsonValue):
    """JSON rows of one schema, checked while they are decoded. A payload has the schema's fields in its order."""

    def __init__(self, schema: InputSchema) -> None:
        self.python_type = row_type(schema)
        self._schema = schema
        kinds = [schema.type] if schema.fields is None else [field.type for field in schema.fields]
        self._is_open = "any" in kinds

    def payload(self, value: Any) -> bytes:
        if self._is_open:
            row = msgspec.structs.asdict(value) if isinstance(value, msgspec.Struct) else value
            if is_deeper_than(row, MAX_JSON_DEPTH):
                raise InputError(f"nests deeper than {MAX_JSON_DEPTH} levels")
        return msgspec.json.encode(value)

    def fault(self, body: bytes) -> str | None:
        """What is wrong with the rows of `body`; None when it is something else."""
        return row_fault(body, self._schema, self.python_type)
