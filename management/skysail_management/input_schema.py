"""What one input row of a version looks like: the schema its validation rows imply. Pure.

A schema comes with the artifact, in `input_schema` of its skysail.json; frontends check every query by it.
"""

from typing import Annotated, Literal

import msgspec

__all__ = ["MAX_FIELDS", "MAX_FIELD_NAME_CHARACTERS", "InputField", "InputSchema", "ValueType"]

MAX_FIELDS = 1_000
"""Every frontend holds a compiled check of each current schema."""

MAX_FIELD_NAME_CHARACTERS = 256
MAX_DIMENSIONS = 32
"""As many as a tensor's row may have."""

ValueType = Literal["integer", "number", "string", "boolean", "bytes", "any"]

FieldName = Annotated[str, msgspec.Meta(max_length=MAX_FIELD_NAME_CHARACTERS, pattern=r'^[^"\\\x00-\x1f]*\Z')]
"""Without the characters that JSON writes in another way: the decoder compares the bytes of names."""

Side = Annotated[int, msgspec.Meta(ge=-1, lt=2**31)]
Shape = Annotated[tuple[Side, ...], msgspec.Meta(max_length=MAX_DIMENSIONS)]


class InputField(msgspec.Struct, frozen=True, omit_defaults=True):
    """A field of a JSON object. `shape` () is one value, (-1,) a list of any length, (2, 3) two lists of three.

    `optional`: it may be null or missing.
    """

    name: FieldName
    type: ValueType
    shape: Shape = ()
    optional: bool = False


class InputSchema(msgspec.Struct, frozen=True, omit_defaults=True):
    """Either `fields`: a row is a JSON object of exactly these; or `type` and `shape`: a row is a list, a tensor or
    one value.

    Invariant: exactly one of `fields` and `type` is there, and no two fields have one name.
    """

    fields: Annotated[tuple[InputField, ...], msgspec.Meta(max_length=MAX_FIELDS)] | None = None
    type: ValueType | None = None
    shape: Shape = ()

    def __post_init__(self) -> None:
        if (self.fields is None) == (self.type is None):
            raise ValueError("expected either fields, or type and shape")
        if self.fields is None:
            return
        if self.shape:
            raise ValueError("shape: the fields have theirs, the row has none")
        seen: set[str] = set()
        for field in self.fields:
            if field.name in seen:
                raise ValueError(f"fields: {field.name!r} is there twice")
            seen.add(field.name)
