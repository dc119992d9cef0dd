"""One line about an exception, whatever class a model's author gave it."""

__all__ = ["exception_text"]

MAX_TEXT_LENGTH = 1000
"""A row's error goes to logs and replies; some libraries put whole arrays into their messages."""


def exception_text(error: BaseException) -> str:
    """`ValueError: what it says`, shortened, safe to encode."""
    name = type(error).__name__
    try:
        message = str(error)
    except Exception as second:
        message = f"its text cannot be had: {type(second).__name__}"
    text = f"{name}: {message}" if message else name
    if len(text) > MAX_TEXT_LENGTH:
        text = text[: MAX_TEXT_LENGTH - 3] + "..."
    return text.encode("utf-8", "replace").decode("utf-8")
