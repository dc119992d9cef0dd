"""Schemas as types that a decoder is built for, so that a row is checked while it is decoded. Built once per schema."""

from typing import Annotated, Any, Union

import msgspec

from skysail_management.records import InputField, InputSchema, ValueType

__all__ = ["row_type"]

_TYPES: dict[ValueType, Any] = {
    "integer": int,
    "number": int | float,  # what came as 1 goes on as 1
    "string": str,
    "boolean": bool,
    "bytes": bytes,
    "any": Any,
}


def row_type(schema: InputSchema) -> Any:
    """What msgspec decodes a row into: a struct of the fields, in their order, or a value or list."""
    if schema.fields is None:
        return _value_type(schema.type or "any", schema.shape)
    return msgspec.defstruct(
        "Row",
        [_attribute(f"f{i}", field) for i, field in enumerate(schema.fields)],
        rename={f"f{i}": field.name for i, field in enumerate(schema.fields)},
        forbid_unknown_fields=True,
        kw_only=True,
        gc=False,
    )


def _attribute(name: str, field: InputField) -> Any:
    kind = _value_type(field.type, field.shape)
    if not field.optional:
        return name, kind
    return name, kind if kind is Any else Union[kind, None, msgspec.UnsetType], msgspec.UNSET  # noqa: UP007  # of values


def _value_type(kind: ValueType, shape: tuple[int, ...]) -> Any:
    found = _TYPES[kind]
    for side in reversed(shape):
        found = list.__class_getitem__(found)
        if side >= 0:
            found = Annotated[found, msgspec.Meta(min_length=side, max_length=side)]
    return found
