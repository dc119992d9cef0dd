"""The schema that validation rows imply: the names, types and shapes of the fields of an input row. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from skysail_admin.errors import InvalidRequestError

__all__ = ["MAX_FIELDS", "derived_schema"]

MAX_FIELDS = 1_000
"""As many as the registry keeps."""

ANY_LENGTH = -1

_TYPES_OF_ROWS = {"floats": "number", "doubles": "number", "tensor": "number", "bytes": "bytes", "integers": "integer"}
_INTEGERS = ("integer", None)
_NUMBERS = ("number", *_INTEGERS)
"""None is the type of what is in an empty list."""


@dataclass(frozen=True)
class _Kind:
    """What is known of one field: `type` None when only nulls or empty lists were seen."""

    type: str | None = None
    shape: tuple[int, ...] | None = None
    is_optional: bool = False

    def as_json(self) -> dict[str, Any]:
        shape = self.shape or ()
        if self.type is None:  # lists that were empty in all rows say nothing about their length
            shape = tuple(side or ANY_LENGTH for side in shape)
        return {"type": self.type or "any", "shape": list(shape)}


_ANY = _Kind("any", ())


def derived_schema(rows: Sequence[Any], input_type: str) -> dict[str, Any]:
    """The schema of `rows`: `{"fields": [...]}` when they are objects, else `{"type": ..., "shape": ...}`.

    Integers and fractions together are numbers, lists of different lengths are of any length, what is null or missing
    in some row is optional, and what has no one type or depth is of type `any`.

    :raises InvalidRequestError: a row is not of the input type, or they have more fields than a schema may.
    """
    if input_type == "json" and all(isinstance(row, dict) for row in rows):
        return {"fields": _fields(rows)}
    kinds = [_kind(row) for row in rows]
    for number, kind in enumerate(kinds, 1):
        _check(number, kind, input_type)
    kind = _merged_all(kinds)
    return _Kind(_TYPES_OF_ROWS.get(input_type, kind.type), kind.shape).as_json()


def _check(number: int, kind: _Kind, input_type: str) -> None:
    """That a row can be one of the input type."""
    if input_type == "json":
        return
    n_axes = len(kind.shape or ())
    expected, is_right = {
        "integers": ("a list of integers", n_axes == 1 and kind.type in _INTEGERS),
        "strings": ("a text", n_axes == 0 and kind.type == "string"),
        "bytes": ("a base64 text", n_axes == 0 and kind.type == "string"),
        "tensor": (
            "numbers in lists of the same lengths",
            kind.type in _NUMBERS and ANY_LENGTH not in (kind.shape or ()),
        ),
    }.get(input_type, ("a list of numbers", n_axes == 1 and kind.type in _NUMBERS))
    if not is_right or kind.is_optional:
        raise InvalidRequestError(
            f"validation row {number} is not of input type {input_type}: {expected} is expected", field="model"
        )


def _fields(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    names = list(dict.fromkeys(name for row in rows for name in row))
    if len(names) > MAX_FIELDS:
        raise InvalidRequestError(
            f"the validation rows have {len(names)} fields; at most {MAX_FIELDS} are possible, put numbers into lists",
            field="model",
        )
    fields = []
    for name in names:
        kind = _merged_all(_kind(row.get(name)) for row in rows)
        fields.append({"name": name, **kind.as_json(), "optional": kind.is_optional})
    return fields


def _kind(value: Any) -> _Kind:
    if value is None:
        return _Kind(is_optional=True)
    if isinstance(value, list):
        items = _merged_all(map(_kind, value))
        if items.is_optional:  # a null among the values of a list
            return _Kind("any", (len(value),))
        return _Kind(items.type, (len(value), *(items.shape or ())))
    if isinstance(value, bool):
        return _Kind("boolean", ())
    if isinstance(value, int | float):
        return _Kind("integer" if isinstance(value, int) else "number", ())
    return _Kind("string", ()) if isinstance(value, str) else _ANY


def _merged_all(kinds: Iterable[_Kind]) -> _Kind:
    merged = _Kind()
    for kind in kinds:
        merged = _merged(merged, kind)
    return merged


def _merged(one: _Kind, other: _Kind) -> _Kind:
    is_optional = one.is_optional or other.is_optional
    if one.shape is None or other.shape is None:
        known = other if one.shape is None else one
        return _Kind(known.type, known.shape, is_optional)
    flat, deep = sorted((one, other), key=lambda kind: len(kind.shape or ()))
    if len(one.shape) != len(other.shape) and flat.type is not None:
        return _Kind("any", (), is_optional)
    # What is behind an empty list is not known, so it agrees with any depth.
    sides = [a if a == b else ANY_LENGTH for a, b in zip(flat.shape or (), deep.shape or (), strict=False)]
    shape = (*sides, *(deep.shape or ())[len(sides) :])
    return _Kind(_merged_type(one.type, other.type), shape, is_optional)


def _merged_type(one: str | None, other: str | None) -> str | None:
    if one is None or other is None:
        return one or other
    if one == other:
        return one
    return "number" if {one, other} == {"integer", "number"} else "any"
