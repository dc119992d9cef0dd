"""Spark's values as JSON and back: NaN and infinities by Python's names, vectors by their form."""

from decimal import Decimal
from typing import Any

from skysail_container.spark import DenseVector, SparseVector

__all__ = ["from_json", "to_json"]


def to_json(value: Any) -> Any:
    """A value as PySpark or the scorer gives it."""
    if type(value).__name__ == "DenseVector":
        return {"dense": [float(one) for one in value.values]}
    if type(value).__name__ == "SparseVector":
        return {"sparse": [int(value.size), [int(one) for one in value.indices], [float(one) for one in value.values]]}
    if hasattr(value, "tolist"):  # NumPy's scalars and arrays; PySpark's dense vectors have it too
        return to_json(value.tolist())
    if isinstance(value, Decimal):
        return {"decimal": str(value)}
    if isinstance(value, list | tuple):
        return [to_json(one) for one in value]
    return value


def from_json(value: Any) -> Any:
    if isinstance(value, dict):
        if "dense" in value:
            return DenseVector(value["dense"])
        if "decimal" in value:
            return Decimal(value["decimal"])
        return SparseVector(*value["sparse"])
    if isinstance(value, list):
        return [from_json(one) for one in value]
    return value
