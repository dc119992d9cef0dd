"""JSON given on the command line: the text itself, `@FILE`, or `-` for stdin."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, NoReturn

from skysail_admin.errors import InvalidRequestError

__all__ = ["read_json", "read_json_or_text"]


def read_json(argument: str) -> Any:
    """:raises InvalidRequestError: the file cannot be read, or the text is not JSON."""
    text = _text_of(argument)
    try:
        return json.loads(text, parse_constant=_refuse)
    except ValueError as error:
        shown = text if len(text) <= 60 else text[:57] + "..."
        hint = f"; a string needs its quotes: '\"{shown}\"'" if shown.strip().isalnum() else ""
        raise InvalidRequestError(f"this is not JSON ({error}): {shown}{hint}", field="input") from error


def read_json_or_text(argument: str) -> Any:
    """JSON if it is JSON, else the text as a string."""
    try:
        return json.loads(argument, parse_constant=_refuse)
    except ValueError:
        return argument


def _text_of(argument: str) -> str:
    if argument == "-":
        return sys.stdin.read()
    if not argument.startswith("@"):
        return argument
    try:
        return Path(argument[1:]).expanduser().read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidRequestError(f"{argument[1:]} cannot be read: {error}", field="input") from error


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")
