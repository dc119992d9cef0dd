"""The numbers both sides of a connection agree on."""

__all__ = ["DEFAULT_MAX_FRAME_BYTES", "MAX_DIMENSIONS", "MAX_INTEGER", "MAX_ROWS", "MAX_STATISTICS", "PROTOCOL_VERSION"]

PROTOCOL_VERSION: int = 1

DEFAULT_MAX_FRAME_BYTES: int = 64 * 1024 * 1024
"""Longest frame body either side takes unless it is configured otherwise."""

MAX_ROWS: int = 65_536
"""Most rows in one batch; bounds what a small frame of many tiny rows can make a reader allocate."""

MAX_DIMENSIONS: int = 32
"""Most axes of an array: what every NumPy since 1.0 can hold."""

MAX_INTEGER: int = 2**63 - 1
"""Largest integer in any field: a signed 64-bit one, so that every language has a type for it."""

MAX_STATISTICS: int = 256
"""Most entries of a STATISTICS reply."""
