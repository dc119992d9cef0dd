"""What decoded rows cost in memory: a small frame of many tiny rows becomes many objects."""

from skysail_container.wire import Arrays, Dense, Ragged, Rows

__all__ = ["memory_bytes"]

INTEGER_BYTES = 40
"""An int and its place in a tuple (CPython 3.11, 64 bit)."""

ITEM_BYTES = 64
"""The head of a str or bytes object and its place in a tuple."""

ARRAY_BYTES = 320
"""An ArrayRow with its shape and the heads of its parts."""


def memory_bytes(rows: Rows) -> int:
    """About how many bytes `rows` occupy."""
    if isinstance(rows, Dense):
        return len(rows.data)
    if isinstance(rows, Ragged):
        return len(rows.data) + INTEGER_BYTES * len(rows.lengths)
    if isinstance(rows, Arrays):
        return sum([len(item.data) for item in rows.items]) + ARRAY_BYTES * len(rows.items)
    return sum(map(len, rows.items)) + ITEM_BYTES * len(rows.items)
