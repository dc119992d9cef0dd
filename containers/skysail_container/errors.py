"""Every error of this distribution: one base class, few leaves, the facts as attributes."""

from collections.abc import Sequence

__all__ = [
    "FrameTooLargeError",
    "ListenError",
    "MalformedFrameError",
    "ManifestError",
    "ModelLoadError",
    "ModelOutputError",
    "RowRefusedError",
    "SkysailContainerError",
    "UnsupportedVersionError",
    "UnusableRowsError",
    "ValidationError",
    "WireError",
]


class SkysailContainerError(Exception):
    """Base class of what this distribution raises."""


class WireError(SkysailContainerError):
    """A frame that breaks the wire protocol; the connection it came on is of no further use."""


class FrameTooLargeError(WireError):
    """A frame is longer than the limit agreed for the connection."""

    def __init__(self, n_bytes: int, max_frame_bytes: int) -> None:
        super().__init__(f"a frame of {n_bytes} bytes is over the limit of {max_frame_bytes} bytes")
        self.n_bytes = n_bytes
        self.max_frame_bytes = max_frame_bytes


class MalformedFrameError(WireError):
    """A frame's body is not what the protocol says; `field` names the part that is wrong."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field
        self.problem = problem


class UnsupportedVersionError(MalformedFrameError):
    """The peer asks for a protocol version that is not spoken here."""

    def __init__(self, asked: int, spoken: int) -> None:
        super().__init__("protocol_version", f"version {asked} is asked for, this side speaks {spoken}")
        self.asked = asked
        self.spoken = spoken


class ListenError(SkysailContainerError):
    """The address cannot be listened on: another process has it, or this machine does not."""


class ModelLoadError(SkysailContainerError):
    """The model cannot be loaded; the text says what to do about it."""


class ManifestError(ModelLoadError):
    """The model folder's skysail.json is not a manifest; `field` names the part that is wrong."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"skysail.json: {field}: {problem}")
        self.field = field
        self.problem = problem


class ValidationError(ModelLoadError):
    """The model was loaded and does not answer its validation rows as it should; the first of `differences` are in the
    text."""

    def __init__(self, file: str, n_rows: int, differences: Sequence[str], n_listed: int) -> None:
        listed = [f"  {text}" for text in differences[:n_listed]]
        if len(differences) > n_listed:
            listed.append(f"  and {len(differences) - n_listed} more")
        found = "1 difference" if len(differences) == 1 else f"{len(differences)} differences"
        text = f"the model does not pass its validation: {found} in the {n_rows} rows of {file}"
        super().__init__("\n".join([text, *listed]))
        self.differences = tuple(differences)


class ModelOutputError(SkysailContainerError):
    """What the model returned is not one output per row."""


class RowRefusedError(SkysailContainerError):
    """A row that cannot be served as it is. Unlike other errors of a model its text goes to whoever sent the row."""


class UnusableRowsError(RowRefusedError):
    """The rows of a batch are not of the kind that the model's input type takes."""


class OfflineJobError(SkysailContainerError):
    """An offline job that cannot start or go on; the text says what to do.

    `kind`: invalid (an argument, or what the input holds), exists (the output does), environment (PySpark or Java is
    missing), model (it cannot be loaded), online (no answers to compare with), failed (Spark did).
    """

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind
