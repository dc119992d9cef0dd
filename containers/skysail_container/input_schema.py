"""What one row of a model looks like: `input_schema` of the manifest, as the validation rows implied it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast, get_args

from skysail_container.errors import ManifestError

__all__ = ["InputField", "InputSchema", "ValueType", "parsed_schema"]

ValueType = Literal["integer", "number", "string", "boolean", "bytes", "any"]
VALUE_TYPES: tuple[ValueType, ...] = get_args(ValueType)

ANY_LENGTH = -1


@dataclass(frozen=True, slots=True)
class InputField:
    """One value: of a field of an object, or, without a name, of a whole row.

    `shape` () is one value, (-1,) a list of any length, (2, 3) two lists of three. `is_optional`: it may be null or
    missing.
    """

    name: str
    type: ValueType
    shape: tuple[int, ...] = ()
    is_optional: bool = False

    def misfit(self, value: object) -> str | None:
        """What keeps `value` from being one of this field, as `3 values are expected, these are 2`; None: nothing."""
        if value is None and self.is_optional:
            return None
        return _misfit(value, self.type, self.shape)


@dataclass(frozen=True, slots=True)
class InputSchema:
    """Either `fields`, for rows that are objects of exactly these, or `row`, for rows that are one value or list."""

    fields: tuple[InputField, ...] = ()
    row: InputField | None = None

    def misfit(self, value: object) -> str | None:
        """What keeps `value`, a row in the form of JSON, from being a row of this schema; None: nothing does."""
        if self.row is not None:
            return self.row.misfit(value)
        if not isinstance(value, Mapping):
            return f"an object is expected, this is {_shown(value)}"
        for field in self.fields:
            if field.name not in value and not field.is_optional:
                return f"field {field.name!r} is missing"
            if text := field.misfit(value.get(field.name)):
                return f"field {field.name!r}: {text}"
        unknown = sorted(value.keys() - {field.name for field in self.fields}, key=str)
        return f"there is no field {unknown[0]!r}" if unknown else None


def parsed_schema(values: Mapping[str, Any]) -> InputSchema:
    """The schema as the manifest has it.

    :raises ManifestError: it is not one.
    """
    if "fields" not in values:
        return InputSchema(row=_field("", values))
    fields = values["fields"]
    if not isinstance(fields, list):
        raise _error(f"fields: {_shown(fields)} is not a list")
    found = []
    for index, field in enumerate(fields):
        if not isinstance(field, dict) or not isinstance(field.get("name"), str):
            raise _error(f"fields[{index}]: an object with a name is expected, this is {_shown(field)}")
        found.append(_field(field["name"], field))
    if len({field.name for field in found}) < len(found):
        raise _error("two fields have the same name")
    return InputSchema(fields=tuple(found))


def _field(name: str, values: Mapping[str, Any]) -> InputField:
    where = f"field {name!r}: " if name else ""
    value_type, shape = values.get("type"), values.get("shape", [])
    if value_type not in VALUE_TYPES:
        raise _error(f"{where}type {_shown(value_type)} is not one of {', '.join(VALUE_TYPES)}")
    if not isinstance(shape, list) or any(type(side) is not int or side < ANY_LENGTH for side in shape):
        raise _error(f"{where}shape {_shown(shape)} is not a list of lengths, -1 for any")
    return InputField(name, cast("ValueType", value_type), tuple(shape), values.get("optional") is True)


def _error(problem: str) -> ManifestError:
    return ManifestError("input_schema", problem)


def _misfit(value: object, value_type: ValueType, shape: Sequence[int]) -> str | None:
    if not shape:
        return None if _is_of(value, value_type) else f"{_article(value_type)} is expected, this is {_shown(value)}"
    if not isinstance(value, list):
        return f"a list is expected, this is {_shown(value)}"
    if shape[0] not in (ANY_LENGTH, len(value)):
        return f"a list of {shape[0]} values is expected, this one has {len(value)}"
    for index, item in enumerate(value):
        if text := _misfit(item, value_type, shape[1:]):
            return f"[{index}]: {text}"
    return None


def _is_of(value: object, value_type: ValueType) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    match value_type:
        case "any":
            return True
        case "integer":
            return is_number and float(cast("float", value)).is_integer()
        case "number":
            return is_number
        case "boolean":
            return isinstance(value, bool)
        case "string" | "bytes":  # bytes are written as base64
            return isinstance(value, str)


def _article(value_type: ValueType) -> str:
    return {"integer": "an integer", "bytes": "a base64 text"}.get(value_type, f"a {value_type}")


def _shown(value: object) -> str:
    if value is None:
        return "null"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
