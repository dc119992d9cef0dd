"""The names of input types: ours, and the shorter ones that Clipper's users know."""

from __future__ import annotations

from skysail_admin.errors import InvalidRequestError

__all__ = ["INPUT_TYPES", "canonical_input_type"]

INPUT_TYPES = ("integers", "floats", "doubles", "strings", "bytes", "json", "tensor")

_ALIASES = {
    **dict.fromkeys(("ints", "integer", "int", "i"), "integers"),
    **dict.fromkeys(("float", "f"), "floats"),
    **dict.fromkeys(("double", "d"), "doubles"),
    **dict.fromkeys(("string", "str", "strs", "s"), "strings"),
    **dict.fromkeys(("byte", "b"), "bytes"),
    **dict.fromkeys(("record", "dataframe"), "json"),
    **dict.fromkeys(("ndarray",), "tensor"),
}


def canonical_input_type(name: str) -> str:
    """:raises InvalidRequestError: there is no such type."""
    found = _ALIASES.get(name, name)
    if found not in INPUT_TYPES:
        raise InvalidRequestError(f"{name!r} is not an input type; {', '.join(INPUT_TYPES)} are", field="input_type")
    return found
