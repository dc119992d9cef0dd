"""Features of stages that take arrays of numbers as well as vectors, which clusterings do.

Source: org.apache.spark.ml.util.{SchemaUtils.validateVectorCompatibleColumn, DatasetUtils.columnToVector}.
"""

from collections.abc import Callable
from typing import Any, Final

from skysail_container.spark.schema import DOUBLE, FLOAT, VECTOR, Schema
from skysail_container.spark.stage import Row, Stage
from skysail_container.spark.vectors import DenseVector, Vector

__all__ = ["ReadFeatures", "bound_features"]

_ARRAYS: Final = (f"array<{DOUBLE}>", f"array<{FLOAT}>")

ReadFeatures = Callable[[Row], Vector]
"""The features of a row.

:raises RowError: they are null.
"""


def bound_features(stage: Stage, schema: Schema, column: str) -> ReadFeatures:
    """
    :raises StageError: the column is missing, or neither of vectors nor of arrays of floating-point numbers.
    """
    found = schema.column(stage.uid, column, VECTOR, *_ARRAYS)
    is_array = found.type in _ARRAYS

    def read(row: Row) -> Vector:
        value: Any = row[column]
        if value is None:
            raise stage.row_error(f"column {column!r} is null")
        if is_array:
            if None in value:
                raise stage.row_error(f"column {column!r} has a null among its numbers")
            return DenseVector(value)
        features: Vector = value
        return features

    return read
