"""Missing numbers replaced by what the training rows had on average."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np

from skysail_container.spark.column_pairs import ColumnPairs, column_pairs
from skysail_container.spark.errors import UnsupportedStageError
from skysail_container.spark.registry import spark_stage
from skysail_container.spark.schema import DOUBLE, FLOAT, VOID, Column, Schema
from skysail_container.spark.stage import Bound, Row, Stage
from skysail_container.spark.stage_folder import StageFolder

__all__ = ["ImputerModel"]

_BITS: Final = {"tinyint": 8, "smallint": 16, "int": 32, "bigint": 64}
_EXACT: Final = 1 << 53
"""Up to here each integer is a double."""


@spark_stage(
    "org.apache.spark.ml.feature.ImputerModel",
    parameters={"inputCol": None, "outputCol": None, "inputCols": None, "outputCols": None, "missingValue": math.nan},
    training=("strategy", "relativeError"),
)
@dataclass(frozen=True)
class ImputerModel(Stage):
    """Null and the missing value become the column's surrogate, in the column's own type. Source: ImputerModel.

    Values pass through a double on their way, so that a bigint beyond 2^53 is rounded, as in Spark. An output column
    may be an input column.
    """

    uid: str
    columns: ColumnPairs
    surrogates: tuple[float, ...]
    """One for each pair of columns."""
    missing_value: float = math.nan

    @classmethod
    def from_spark(cls, folder: StageFolder) -> Self:
        columns, row = column_pairs(folder), folder.row()
        for source, _ in columns:
            if row.get(source) is None:
                raise folder.error(f"it has no surrogate for this column; it has for {', '.join(row)}", column=source)
        surrogates = tuple(float(row[source]) for source, _ in columns)
        return cls(folder.uid, columns, surrogates, float(folder.required("missingValue")))

    def bind(self, schema: Schema) -> Bound:
        after = schema
        for number, name in enumerate(target for _, target in self.columns):
            if name in [target for _, target in self.columns[:number]]:
                raise self.error("it is the output of two columns", column=name)
        imputations = []
        for (source, target), surrogate in zip(self.columns, self.surrogates, strict=True):
            found = schema.numeric(self.uid, source)
            value_type = DOUBLE if found.type == VOID else found.type
            after = after.with_column(target, Column(value_type))
            imputations.append((source, target, self._imputed(source, value_type, surrogate)))
        return Bound(after, _imputing(imputations))

    def _imputed(self, source: str, value_type: str, surrogate: float) -> Callable[[Any], Any]:
        """What a value of this type becomes."""
        if value_type == DOUBLE:
            return self._of_doubles(surrogate)
        if value_type == FLOAT:
            with np.errstate(over="ignore"):
                return self._of_doubles(float(np.float32(surrogate)))
        if value_type in _BITS:
            return self._of_integers(source, surrogate, _BITS[value_type])
        raise UnsupportedStageError(
            self.uid, f"columns of {value_type} are not imputed here; cast it to double before", column=source
        )

    def _of_doubles(self, surrogate: float) -> Callable[[Any], Any]:
        missing = self.missing_value
        if missing != missing:
            return lambda value: surrogate if value is None or value != value else value
        return lambda value: surrogate if value is None or value == missing else value

    def _of_integers(self, source: str, surrogate: float, bits: int) -> Callable[[Any], Any]:
        missing, limit = self.missing_value, 1 << (bits - 1)

        def cast(number: float) -> int:
            """Toward zero. A double next to the largest bigint is beyond it, and becomes it."""
            if not -limit <= math.ceil(number) or not math.floor(number) <= (limit - 1 if bits < 64 else limit):
                raise self.row_error(f"column {source!r}: {number} does not fit into {bits} bits")
            return min(int(number), limit - 1)

        def impute(value: Any) -> Any:
            if value is None:
                return cast(surrogate)
            if -_EXACT <= value <= _EXACT and value != missing:
                return value
            number = float(value)
            return cast(surrogate if number == missing else number)

        return impute


def _imputing(imputations: list[tuple[str, str, Callable[[Any], Any]]]) -> Callable[[Row], None]:
    if len(imputations) == 1:
        source, target, imputed = imputations[0]

        def score_one(row: Row) -> None:
            row[target] = imputed(row[source])

        return score_one
    steps = tuple(imputations)

    def score(row: Row) -> None:
        row.update([(target, imputed(row[source])) for source, target, imputed in steps])

    return score
