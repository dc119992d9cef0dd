"""The folder of one saved stage: its parameters, its Parquet data, and the stages within it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from skysail_container.spark.errors import StageError
from skysail_container.spark.metadata import Metadata, read_metadata, read_mllib_metadata

__all__ = ["StageFolder", "matrix_of"]

Parameters = Mapping[str, Any]

_MAX_NUMBERS = 1 << 28
"""Of a matrix that is written out: 2 GB."""


class StageFolder:
    """Invariant: what it gives was read whole; whatever is damaged is a `StageError` that names stage and file."""

    def __init__(self, path: Path, defaults: Parameters | None = None, metadata: Metadata | None = None) -> None:
        self.path = path
        self.metadata: Metadata = read_metadata(path) if metadata is None else metadata
        self._defaults = defaults or {}

    def with_defaults(self, defaults: Parameters) -> "StageFolder":
        """The same folder, read with these defaults for parameters that Spark did not write."""
        return StageFolder(self.path, defaults, self.metadata)

    @property
    def uid(self) -> str:
        return self.metadata.uid

    def param(self, name: str) -> Any:
        """A parameter's value: as set, else Spark's default when it was saved, else today's; None if it has none."""
        for params in (self.metadata.params, self.metadata.defaults, self._defaults):
            if name in params:
                return params[name]
        return None

    def required(self, name: str) -> Any:
        """
        :raises StageError: the parameter has no value.
        """
        value = self.param(name)
        if value is None:
            raise self.error(f"its parameter {name} is not set")
        return value

    def choice(self, name: str, *known: str) -> str:
        """A parameter that is one of a few words.

        :raises StageError: it is something else.
        """
        value = self.required(name)
        if value not in known:
            raise self.error(f"its parameter {name} is {value!r} instead of {', '.join(known)}")
        return str(value)

    def extra(self, name: str) -> Any:
        """What the class wrote beside its parameters; None: nothing of that name."""
        return self.metadata.extra.get(name)

    def error(self, reason: str, *, column: str | None = None) -> StageError:
        return StageError(self.uid, reason, column=column)

    def child(self, name: str) -> "StageFolder":
        """The stage saved in a folder within this one.

        :raises StageError: there is none.
        """
        if not (self.path / name).is_dir():
            raise self.error(f"its part {name} is missing")
        return StageFolder(self.path / name)

    def mllib_metadata(self, name: str) -> Mapping[str, Any]:
        """The metadata of the spark.mllib model that the stage keeps in a folder within this one.

        :raises StageError: there is none, or it is damaged.
        """
        return read_mllib_metadata(self.path / name)

    def table(self, name: str = "data") -> pa.Table:
        """All Parquet parts under `name`, one after another.

        :raises StageError: there are none, or one is damaged.
        """
        parts = sorted((self.path / name).glob("part-*.parquet"))
        if not parts:
            raise self.error(f"its {name}/part-*.parquet is missing")
        tables = []
        for part in parts:
            try:
                tables.append(pq.ParquetFile(part).read())
            except (OSError, pa.ArrowException) as error:
                raise self.error(f"{name}/{part.name} cannot be read: {error}") from error
        filled = [table for table in tables if table.num_rows] or tables[:1]
        try:
            return pa.concat_tables(filled)
        except pa.ArrowException as error:
            raise self.error(f"the parts of {name} do not fit together: {error}") from error

    def rows(self, name: str = "data") -> list[dict[str, Any]]:
        """The rows under `name` as dicts of Python values, in the order of the parts.

        :raises StageError: there are none, or they are damaged.
        """
        rows: list[dict[str, Any]] = self.table(name).to_pylist()
        return rows

    def row(self, name: str = "data") -> dict[str, Any]:
        """The only row under `name`.

        :raises StageError: there are none or several.
        """
        rows = self.rows(name)
        if len(rows) != 1:
            raise self.error(f"its {name} has {len(rows)} rows instead of one")
        return rows[0]


def matrix_of(struct: Any) -> npt.NDArray[np.float64]:
    """The matrix in a struct of a Parquet file: shape (numRows, numCols), in C order whatever it was.

    Source: org.apache.spark.ml.linalg.MatrixUDT; type 1 is dense, 0 compressed sparse columns.

    :raises ValueError: it is too large, or its parts do not fit together.
    """
    n_rows, n_cols = struct["numRows"], struct["numCols"]
    if n_rows * n_cols > _MAX_NUMBERS:
        raise ValueError(f"a matrix of {n_rows} x {n_cols} is larger than any model's")
    values = np.array(struct["values"], np.float64)
    is_transposed = struct["isTransposed"]
    if struct["type"] == 1:
        shaped = values.reshape(n_rows, n_cols) if is_transposed else values.reshape(n_cols, n_rows).T
        return np.ascontiguousarray(shaped)
    matrix = np.zeros((n_rows, n_cols))
    starts, indices = struct["colPtrs"], struct["rowIndices"]
    for outer in range(len(starts) - 1):
        span = slice(starts[outer], starts[outer + 1])
        if is_transposed:
            matrix[outer, indices[span]] = values[span]
        else:
            matrix[indices[span], outer] = values[span]
    return matrix
