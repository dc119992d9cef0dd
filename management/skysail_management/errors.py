"""What can go wrong in management. HTTP-free: the edge chooses the status from the class."""

__all__ = [
    "ConflictError",
    "EnvironmentBuildError",
    "InUseError",
    "IncompatibleError",
    "InvalidError",
    "ManagementError",
    "NotFoundError",
    "RegistryEmptyError",
    "RegistryUnavailableError",
    "StorageFullError",
    "TooLargeError",
]


class ManagementError(Exception):
    """Base of all errors of this distribution.

    `code` is the machine-readable word a client may match on, `field` the input field at fault, if there is one.
    """

    code = "internal"

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.field = field


class InvalidError(ManagementError):
    """An input that is wrong in itself, whatever the registry holds."""

    code = "invalid"


class TooLargeError(ManagementError):
    """A body, an artifact or a value over its limit."""

    code = "too_large"


class StorageFullError(ManagementError):
    """The disk that holds the data directory has no room left."""

    code = "storage_full"


class NotFoundError(ManagementError):
    """The named application, model, version, link, replica or artifact does not exist."""

    code = "not_found"


class ConflictError(ManagementError):
    """The name is taken."""

    code = "already_exists"


class InUseError(ConflictError):
    """Something needs the model or the version where it is."""

    code = "in_use"


class IncompatibleError(ConflictError):
    """Two input types that should be one."""

    code = "incompatible"


class EnvironmentBuildError(ManagementError):
    """The environment that a model asks for cannot be built, or may not be."""

    code = "environment"


class RegistryUnavailableError(ManagementError):
    """Redis does not answer. What was acknowledged is in Redis; an unanswered write may or may not be."""

    code = "registry_unavailable"


class RegistryEmptyError(RegistryUnavailableError):
    """Redis answers but holds no registry: it lost its data, or it is the wrong Redis."""
