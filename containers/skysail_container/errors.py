"""Every error of this distribution: one base class, few leaves, the facts as attributes."""

__all__ = [
    "FrameTooLargeError",
    "MalformedFrameError",
    "SkysailContainerError",
    "UnsupportedVersionError",
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
