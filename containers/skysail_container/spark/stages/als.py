"""Recommendations by alternating least squares: a rating of a user for an item."""

import math
from array import array
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt

from skysail_container.spark.registry import spark_stage
from skysail_container.spark.schema import FLOAT, INT, Schema
from skysail_container.spark.stage import Bound, Row, Stage
from skysail_container.spark.stage_folder import StageFolder

__all__ = ["ALSModel", "Factors"]

_LEAST: Final = -(2**31)
_LARGEST: Final = 2**31 - 1


class Factors:
    """Factors of users or of items by their ids. Invariant: ids ascend; row i of `values` belongs to id i."""

    def __init__(self, ids: Sequence[int], values: npt.NDArray[np.float32]) -> None:
        """
        :param values: (n, rank) float32
        :raises ValueError: they are not equally many, or an id comes twice.
        """
        order = np.argsort(np.asarray(ids, np.int64), kind="stable")
        sorted_ids = np.asarray(ids, np.int64)[order]
        if len(sorted_ids) != len(values) or (np.diff(sorted_ids) == 0).any():
            raise ValueError("ids and factors do not fit together")
        self._ids = array("i", sorted_ids.astype(np.int32).tobytes())
        self._values = np.ascontiguousarray(values[order], np.float32)

    @property
    def rank(self) -> int:
        return int(self._values.shape[1])

    def __len__(self) -> int:
        return len(self._ids)

    def of(self, key: int) -> npt.NDArray[np.float32] | None:
        """(rank,) float32; None: the id is unknown."""
        at = bisect_left(self._ids, key)
        if at == len(self._ids) or self._ids[at] != key:
            return None
        found: npt.NDArray[np.float32] = self._values[at]
        return found


@spark_stage(
    "org.apache.spark.ml.recommendation.ALSModel",
    parameters={"userCol": "user", "itemCol": "item", "predictionCol": "prediction", "coldStartStrategy": "nan"},
    training=(
        "rank", "maxIter", "regParam", "numUserBlocks", "numItemBlocks", "implicitPrefs", "alpha", "ratingCol",
        "nonnegative", "checkpointInterval", "intermediateStorageLevel", "finalStorageLevel", "seed", "blockSize",
    ),
)  # fmt: skip
@dataclass(frozen=True, eq=False)
class ALSModel(Stage):
    """The product of two vectors of float32, summed up in float32. Source: org.apache.spark.ml.recommendation.ALSModel.

    As in Spark, the columns of ids are whole numbers (int) from there on.
    """

    uid: str
    user_column: str
    item_column: str
    prediction_column: str
    drops_unknown: bool
    users: Factors
    items: Factors

    @classmethod
    def from_spark(cls, folder: StageFolder) -> Self:
        strategy = str(folder.required("coldStartStrategy")).lower()
        if strategy not in ("nan", "drop"):
            raise folder.error(f"its coldStartStrategy is {strategy!r}, which is neither nan nor drop")
        rank = int(folder.metadata.extra["rank"])
        return cls(
            folder.uid,
            folder.required("userCol"),
            folder.required("itemCol"),
            folder.required("predictionCol"),
            strategy == "drop",
            _factors(folder, "userFactors", rank),
            _factors(folder, "itemFactors", rank),
        )

    def bind(self, schema: Schema) -> Bound:
        user_column, item_column, prediction_column = self.user_column, self.item_column, self.prediction_column
        user_id, item_id = self._ids(schema, user_column), self._ids(schema, item_column)
        users, items, drops = self.users.of, self.items.of, self.drops_unknown

        def score(row: Row) -> None:
            user_key, item_key = user_id(row[user_column]), item_id(row[item_column])
            user, item = users(user_key), items(item_key)
            rating = math.nan if user is None or item is None else float((user * item).cumsum()[-1])
            if drops and math.isnan(rating):
                unknown = f"user {user_key}" if user is None else f"item {item_key}"
                raise self.dropped(f"{unknown} is unknown, and coldStartStrategy is drop")
            row[user_column], row[item_column], row[prediction_column] = user_key, item_key, rating

        outputs = schema.with_column(user_column, INT).with_column(item_column, INT)
        return Bound(outputs.with_output(self.uid, prediction_column, FLOAT), score)

    def _ids(self, schema: Schema, column: str) -> Callable[[Any], int]:
        """From a value to an id.

        :raises StageError: the column is missing or not numeric.
        """
        schema.numeric(self.uid, column)

        def key(value: Any) -> int:
            if type(value) is not int:
                if value is None or value != value or value in (math.inf, -math.inf) or int(value) != value:
                    raise self.row_error(f"column {column!r} is {value}, and ids are whole numbers")
                value = int(value)
            if not _LEAST <= value <= _LARGEST:
                raise self.row_error(f"column {column!r} is {value}, and ids are of 32 bits")
            return int(value)

        return key


def _factors(folder: StageFolder, name: str, rank: int) -> Factors:
    table = folder.table(name)
    ids = table.column("id").to_numpy()
    features = table.column("features").combine_chunks()
    values = features.flatten().to_numpy(zero_copy_only=False).astype(np.float32)
    lengths = features.value_lengths().to_numpy(zero_copy_only=False)
    if not (lengths == rank).all():
        raise folder.error(f"its {name} are not all of rank {rank}")
    return Factors(ids, values.reshape(len(ids), rank))
