"""One line about an exception, whatever class a model's author gave it."""

from skysail_container.errors import RowRefusedError
from skysail_container.wire import REFUSED_ROW

__all__ = ["exception_text", "row_error_text"]

MAX_TEXT_LENGTH = 1000
"""A row's error goes to logs and replies; some libraries put whole arrays into their messages."""


def exception_text(error: BaseException) -> str:
    """`ValueError: what it says`, shortened, safe to encode."""
    name = type(error).__name__
    try:
        message = str(error)
    except Exception as second:
        message = f"its text cannot be had: {type(second).__name__}"
    return _short(f"{name}: {message}" if message else name)


def row_error_text(error: BaseException) -> str:
    """The text of a failed row on the wire: a refusal is marked as such, for it is meant for the row's sender."""
    return _short(f"{REFUSED_ROW}{error}") if isinstance(error, RowRefusedError) else exception_text(error)


def _short(text: str) -> str:
    if len(text) > MAX_TEXT_LENGTH:
        text = text[: MAX_TEXT_LENGTH - 3] + "..."
    return text.encode("utf-8", "replace").decode("utf-8")
