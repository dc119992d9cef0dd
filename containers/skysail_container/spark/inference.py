"""The Spark types of values that come without a schema, as PySpark infers them."""

from collections.abc import Iterable, Mapping
from typing import Any

from skysail_container.spark.schema import BOOLEAN, DOUBLE, LONG, STRING, VECTOR, VOID, Schema
from skysail_container.spark.vectors import DenseVector, SparseVector

__all__ = ["common_type", "inferred_schema", "inferred_type"]

_TYPES: tuple[tuple[type, str], ...] = (
    (bool, BOOLEAN),
    (int, LONG),
    (float, DOUBLE),
    (str, STRING),
    (bytes, "binary"),
    (DenseVector, VECTOR),
    (SparseVector, VECTOR),
)


def inferred_type(value: Any) -> str:
    """The type of one value; of a list it is that of its elements."""
    if isinstance(value, list | tuple):
        return f"array<{common_type(inferred_type(one) for one in value)}>"
    for kind, name in _TYPES:
        if isinstance(value, kind):
            return name
    return VOID if value is None else type(value).__name__


def common_type(types: Iterable[str]) -> str:
    """One type for all; nulls fit any, and whole numbers fit among doubles."""
    found = set(types) - {VOID}
    if not found:
        return VOID
    return found.pop() if len(found) == 1 else DOUBLE if found == {LONG, DOUBLE} else STRING


def inferred_schema(row: Mapping[str, Any]) -> Schema:
    return Schema({name: inferred_type(value) for name, value in row.items()})
