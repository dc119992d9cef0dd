"""What the command's exit code means. Scripts rely on these; they do not change."""

from __future__ import annotations

from skysail_admin.errors import (
    AlreadyExistsError,
    DeployFailedError,
    InUseError,
    InvalidRequestError,
    NotFoundError,
    PortInUseError,
    SkysailError,
    UnauthorizedError,
    UnavailableError,
    WaitTimeoutError,
)

__all__ = ["EXIT_CODES", "exit_code_of"]

EXIT_CODES = {
    0: "done",
    1: "failed for another reason",
    2: "wrong usage, or a value the server refuses",
    3: "a port is in use",
    4: "not found",
    5: "exists already, or still in use",
    6: "nothing answers (is the stack running?)",
    7: "not ready in time",
    8: "the model's container did not come up",
    9: "a token is needed, or another one",
    130: "interrupted",
}

_BY_KIND: dict[type[SkysailError], int] = {
    InvalidRequestError: 2,
    PortInUseError: 3,
    NotFoundError: 4,
    AlreadyExistsError: 5,
    InUseError: 5,
    UnavailableError: 6,
    WaitTimeoutError: 7,
    DeployFailedError: 8,
    UnauthorizedError: 9,
}


def exit_code_of(error: SkysailError) -> int:
    return next((_BY_KIND[kind] for kind in type(error).__mro__ if kind in _BY_KIND), 1)
