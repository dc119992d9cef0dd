"""Errors of the query frontend. They know nothing of sockets; the edge turns them into HTTP answers."""

__all__ = ["FrontendError", "RequestRefusedError", "SettingsError"]


class FrontendError(Exception):
    """Base of every error the frontend raises on purpose."""


class SettingsError(FrontendError):
    """A setting is missing or out of range; the message names it and what is allowed."""


class RequestRefusedError(FrontendError):
    """A request that gets an error object instead of an answer.

    :param status: HTTP status, 400 to 599
    :param error: Clipper's class of error: ``Json error`` or ``Query processing error``
    :param cause: one sentence for the caller: which field, what was expected, what came
    """

    def __init__(self, status: int, error: str, cause: str) -> None:
        super().__init__(cause)
        self.status = status
        self.error = error
        self.cause = cause

    @classmethod
    def json(cls, cause: str) -> "RequestRefusedError":
        """The body is not JSON, or not the JSON this application takes."""
        return cls(400, "Json error", cause)

    @classmethod
    def processing(cls, cause: str, status: int = 400) -> "RequestRefusedError":
        """The body is fine, but cannot be processed: unknown application, version or query id."""
        return cls(status, "Query processing error", cause)
