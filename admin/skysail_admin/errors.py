"""What can go wrong, as types a caller can tell apart.

The text is the server's own wherever a server said something; the client adds only what to do next.
"""

from __future__ import annotations

from typing import ClassVar

__all__ = [
    "AlreadyExistsError",
    "DeployFailedError",
    "InUseError",
    "InvalidRequestError",
    "NotFoundError",
    "PortInUseError",
    "SkysailError",
    "StackError",
    "UnauthorizedError",
    "UnavailableError",
    "WaitTimeoutError",
]


class SkysailError(Exception):
    """Anything Skysail refuses or fails to do.

    `code` is the machine-readable kind, `field` the request field at fault if the server named one,
    `status` the HTTP status if there was a response.
    """

    default_code: ClassVar[str] = "failed"

    def __init__(
        self, message: str, *, code: str | None = None, field: str | None = None, status: int | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.default_code
        self.field = field
        self.status = status


class NotFoundError(SkysailError):
    """There is no application, model, version, replica or link of that name."""

    default_code = "not_found"


class AlreadyExistsError(SkysailError):
    """The name is taken, or a version of that name holds a different artifact (versions are immutable)."""

    default_code = "already_exists"


class InvalidRequestError(SkysailError):
    """A value is wrong or does not fit; `field` names it where the server said so."""

    default_code = "invalid"


class InUseError(SkysailError):
    """Something uses the model where it is: what was to be deleted, or a fallback that was to be asked first."""

    default_code = "in_use"


class UnauthorizedError(SkysailError):
    """The server wants a token, or another one."""

    default_code = "unauthorized"


class UnavailableError(SkysailError):
    """Nothing answers at the address, or the service says that it cannot work now."""

    default_code = "unavailable"


class WaitTimeoutError(SkysailError):
    """It did not happen in the time given; it may still happen."""

    default_code = "timeout"


class DeployFailedError(SkysailError):
    """The version's container did not come up. `logs` is what the container wrote last, its traceback included."""

    default_code = "deploy_failed"

    def __init__(self, message: str, *, logs: str = "") -> None:
        super().__init__(message)
        self.logs = logs


class StackError(SkysailError):
    """The one-machine stack cannot start or stop. `log_tail` is what the part at fault wrote last."""

    default_code = "stack"

    def __init__(self, message: str, *, log_tail: str = "") -> None:
        super().__init__(message)
        self.log_tail = log_tail


class PortInUseError(StackError):
    """Somebody else listens on a port that the stack needs."""

    default_code = "port_in_use"

    def __init__(self, message: str, *, port: int) -> None:
        super().__init__(message)
        self.port = port
