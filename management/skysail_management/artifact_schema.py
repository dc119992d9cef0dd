"""The schema that an artifact brings along, in `input_schema` of its skysail.json, read before it is registered.

What else the manifest says is the container's to read.
"""

import json
import re
from pathlib import Path
from typing import Any, Final, get_args

import msgspec

from skysail_management.errors import InvalidError
from skysail_management.input_schema import (
    MAX_FIELD_NAME_CHARACTERS,
    MAX_FIELDS,
    InputField,
    InputSchema,
    ValueType,
)
from skysail_management.records import InputType

__all__ = ["checked_schema", "parsed_schema", "read_schema"]

MANIFEST_FILE = "skysail.json"

MAX_MANIFEST_BYTES = 16 << 20
"""A manifest with long warm-up rows; more than that belongs into files beside it."""

_FIELD = "input_schema"
_PLACE = re.compile(r"(?P<text>.*?)(?: - at `\$(?P<path>.*)`)?\Z", re.DOTALL)

_NUMBERS: tuple[ValueType, ...] = ("integer", "number", "any")
_TYPES: Final[dict[InputType, tuple[ValueType, ...]]] = {
    InputType.INTEGERS: _NUMBERS,
    InputType.FLOATS: _NUMBERS,
    InputType.DOUBLES: _NUMBERS,
    InputType.TENSOR: _NUMBERS,
    InputType.STRINGS: ("string", "any"),
    InputType.BYTES: ("bytes", "string", "any"),
}
_N_SIDES: Final[dict[InputType, int]] = {
    InputType.INTEGERS: 1,
    InputType.FLOATS: 1,
    InputType.DOUBLES: 1,
    InputType.STRINGS: 0,
    InputType.BYTES: 0,
}


def read_schema(folder: Path) -> InputSchema | None:
    """The schema in the manifest of an extracted artifact, None when it has none. Blocks.

    :raises InvalidError: the manifest is no JSON object, or its schema is none; `field` says where.
    """
    path = folder / MANIFEST_FILE
    if not path.is_file():
        return None
    if path.stat().st_size > MAX_MANIFEST_BYTES:
        raise InvalidError(f"{MANIFEST_FILE}: expected at most {MAX_MANIFEST_BYTES} bytes, got more", field="artifact")
    try:
        manifest = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise InvalidError(f"{MANIFEST_FILE}: expected JSON, got something else: {error}", field="artifact") from error
    if not isinstance(manifest, dict):
        raise InvalidError(f"{MANIFEST_FILE}: expected a JSON object, got something else", field="artifact")
    given = manifest.get(_FIELD)
    return None if given is None else parsed_schema(given)


def parsed_schema(given: Any) -> InputSchema:
    """The schema as a manifest has it: JSON that was decoded.

    :raises InvalidError: it is none; `field` says where, as `input_schema.fields[3].type`.
    """
    _check_keys(given, InputSchema, _FIELD)
    if isinstance(given, dict) and isinstance(given.get("fields"), list):
        for index, field in enumerate(given["fields"][: MAX_FIELDS + 1]):
            _check_keys(field, InputField, f"{_FIELD}.fields[{index}]")
    try:
        return msgspec.convert(given, InputSchema)
    except (msgspec.ValidationError, RecursionError) as error:
        raise _invalid(str(error)) from error


def checked_schema(schema: InputSchema | None, input_type: InputType) -> InputSchema | None:
    """`schema`, if rows of `input_type` can be of it.

    :raises InvalidError: they cannot.
    """
    if schema is None or input_type == InputType.JSON or schema == InputSchema(type="any"):
        return schema
    types, n_sides = _TYPES[input_type], _N_SIDES.get(input_type)
    if schema.type not in types:
        got = "fields" if schema.type is None else repr(schema.type)
        raise InvalidError(
            f"{_FIELD}.type: expected {', '.join(types)} for {input_type}, got {got}",
            field=f"{_FIELD}.type",
        )
    if n_sides is not None and len(schema.shape) != n_sides:
        raise InvalidError(
            f"{_FIELD}.shape: expected {n_sides} lengths for {input_type}, got {list(schema.shape)}",
            field=f"{_FIELD}.shape",
        )
    return schema


def _check_keys(given: Any, kind: type[msgspec.Struct], place: str) -> None:
    """A key that nobody knows is a slip of the pen: what it should have said would not be checked."""
    if isinstance(given, dict):
        for key in given.keys() - set(kind.__struct_fields__):
            names = ", ".join(kind.__struct_fields__)
            raise InvalidError(f"{place}: expected {names}, got {str(key)[:100]!r}", field=place)


def _invalid(text: str) -> InvalidError:
    """What the decoder says, with the field in front."""
    found = _PLACE.match(text)
    problem, path = (text, "") if found is None else (found["text"], found["path"] or "")
    place = _FIELD + path
    if path.endswith(".type"):
        problem = f"expected one of {', '.join(get_args(ValueType))}; {problem}"
    elif path.endswith(".name"):
        problem = (
            f"expected up to {MAX_FIELD_NAME_CHARACTERS} characters, none of them a quotation mark, a backslash or a "
            f"control character; {problem}"
        )
    return InvalidError(f"{place}: {problem[:1].lower()}{problem[1:]}", field=place)
