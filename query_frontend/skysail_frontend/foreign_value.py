"""Values that look like JSON and are not: NaN, Infinity and lone surrogates, which many encoders let through.

The fast decoder says at which byte it stopped; a caller who sent NaN wants to hear which field it was. Looked for only
after a body was refused.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

__all__ = ["MAX_BODY_BYTES", "foreign_value"]

MAX_BODY_BYTES = 64 * 1024
"""Larger bodies get the decoder's error alone: looking twice costs some 25 ns a byte."""

_SURROGATE = re.compile("[\ud800-\udfff]")


class _Constant(str):
    """NaN, Infinity or -Infinity, as Python's parser hands it over."""

    __slots__ = ()


def foreign_value(body: bytes) -> str | None:
    """One sentence that names the first such field and what it holds; None when that is not what is wrong."""
    if len(body) > MAX_BODY_BYTES:
        return None
    try:
        value = json.loads(body, parse_constant=_Constant)
        return next(_complaints(value, ""), None)
    except (ValueError, RecursionError):
        return None


def _complaints(value: Any, field: str) -> Iterator[str]:
    if isinstance(value, _Constant):
        yield f"`{field or 'body'}` is {value}, which is not JSON"
    elif isinstance(value, str):
        if _SURROGATE.search(value):
            yield f"`{field or 'body'}` holds a lone surrogate, which is not text"
    elif isinstance(value, dict):
        for key, child in value.items():
            yield from _complaints(key, f"{field}.{key!a}"[:200].lstrip("."))
            yield from _complaints(child, f"{field}.{key}".lstrip(".")[:200])
    elif isinstance(value, list):
        for i, child in enumerate(value):
            yield from _complaints(child, f"{field}[{i}]")
