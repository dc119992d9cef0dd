"""The type of the output column: told by a sample of outputs, then kept by every chunk."""

import json
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

__all__ = ["output_type", "typed_outputs"]


def output_type(sample: Sequence[Any]) -> pa.DataType:
    """The type that takes all outputs of the sample, which are in the form of JSON.

    Whole numbers and others together are doubles, objects structs of all their fields. Where there is no such type, or
    nothing but null, it is a string, for the JSON text of each output.
    """
    found = _common(sample)
    return pa.string() if found is None or pa.types.is_null(found) or _has_null_type(found) else found


def typed_outputs(values: Sequence[Any], kind: pa.DataType) -> tuple[pa.Array, dict[int, str]]:
    """The column, and by index why an output is not of the type; null stands for those."""
    if pa.types.is_string(kind):
        return pa.array([_as_text(value) for value in values], kind), {}
    errors = {index: text for index, value in enumerate(values) if (text := _misfit(value, kind))}
    kept = [None if index in errors else value for index, value in enumerate(values)] if errors else values
    return pa.array(kept, kind), errors


def _common(values: Sequence[Any]) -> pa.DataType | None:
    """None: there is no type for all of them."""
    present = [value for value in values if value is not None]
    kinds = {type(value) for value in present}
    if not kinds:
        return pa.null()
    for python_type, arrow in ((bool, pa.bool_()), (str, pa.string())):
        if kinds == {python_type}:
            return arrow
    if kinds <= {int, float}:
        is_whole = kinds == {int} and all(-(2**63) <= value < 2**63 for value in present)
        return pa.int64() if is_whole else pa.float64()
    if kinds == {list}:
        item = _common([item for value in present for item in value])
        return None if item is None else pa.list_(item)
    if kinds == {dict}:
        return _struct(present)
    return None


def _struct(values: Sequence[dict[str, Any]]) -> pa.DataType | None:
    names = list(dict.fromkeys(name for value in values for name in value))
    kinds = [_common([value.get(name) for value in values]) for name in names]
    fields = [pa.field(name, kind) for name, kind in zip(names, kinds, strict=True) if kind is not None]
    return pa.struct(fields) if fields and len(fields) == len(names) else None


def _has_null_type(kind: pa.DataType) -> bool:
    if pa.types.is_list(kind):
        return _has_null_type(kind.value_type)
    if pa.types.is_struct(kind):
        return any(_has_null_type(field.type) for field in kind)
    return bool(pa.types.is_null(kind))


def _as_text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _misfit(value: Any, kind: pa.DataType) -> str | None:
    if _fits(value, kind):
        return None
    shown = json.dumps(value, ensure_ascii=False)
    shown = shown if len(shown) <= 60 else f"{shown[:57]}..."
    return f"the output {shown} is not of type {kind}, as those of the first rows are"


def _fits(value: Any, kind: pa.DataType) -> bool:
    if value is None:
        return True
    if pa.types.is_list(kind):
        return isinstance(value, list) and all(_fits(item, kind.value_type) for item in value)
    if pa.types.is_struct(kind):
        types = {field.name: field.type for field in kind}
        return isinstance(value, dict) and all(
            name in types and _fits(item, types[name]) for name, item in value.items()
        )
    if pa.types.is_boolean(kind) or isinstance(value, bool):
        return isinstance(value, bool) and bool(pa.types.is_boolean(kind))
    if pa.types.is_string(kind):
        return isinstance(value, str)
    if pa.types.is_integer(kind):
        return isinstance(value, int) and -(2**63) <= value < 2**63
    return isinstance(value, float) or (isinstance(value, int) and int(float(value)) == value)
