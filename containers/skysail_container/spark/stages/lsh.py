"""Vectors to buckets that are alike for vectors that are: locality-sensitive hashing."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from skysail_container.spark.registry import spark_stage
from skysail_container.spark.schema import VECTOR, Schema
from skysail_container.spark.stage import Bound, Row, Stage
from skysail_container.spark.stage_folder import StageFolder, matrix_of
from skysail_container.spark.vectors import DenseVector, SparseVector, Vector

__all__ = ["BucketedRandomProjectionLSHModel", "MinHashLSHModel"]

_BUCKETS = f"array<{VECTOR}>"
_HASH_PRIME = 2038074743
_MANY = 64
"""From so many products on NumPy is faster than Python."""


def _bound(
    stage: Stage, schema: Schema, source: str, target: str, buckets: Callable[[Vector], npt.NDArray[Any] | list[float]]
) -> Bound:
    """One vector of one number for each hash table. Source: LSHModel."""
    schema.column(stage.uid, source, VECTOR)

    def score(row: Row) -> None:
        vector = row[source]
        if vector is None:
            raise stage.row_error(f"{source} is null")
        row[target] = [DenseVector([float(bucket)]) for bucket in buckets(vector)]

    return Bound(schema.with_output(stage.uid, target, _BUCKETS), score)


@spark_stage(
    "org.apache.spark.ml.feature.MinHashLSHModel",
    parameters={"inputCol": None, "outputCol": None},
    training=("numHashTables", "seed"),
)
@dataclass(frozen=True)
class MinHashLSHModel(Stage):
    """The least hash of the features that are not zero, by several hash functions. Source: MinHashLSHModel."""

    uid: str
    input_column: str
    output_column: str
    coefficients: tuple[tuple[int, int], ...]
    """a and b of each hash function, ((1 + feature) * a + b) modulo a prime."""

    @classmethod
    def from_spark(cls, folder: StageFolder) -> Self:
        numbers = [int(number) for number in folder.row()["randCoefficients"]]
        if not numbers or len(numbers) % 2 or not all(0 <= number < _HASH_PRIME for number in numbers):
            raise folder.error(f"its randCoefficients are no pairs of numbers below {_HASH_PRIME}")
        pairs = tuple(zip(numbers[::2], numbers[1::2], strict=True))
        return cls(folder.uid, folder.required("inputCol"), folder.required("outputCol"), pairs)

    def bind(self, schema: Schema) -> Bound:
        pairs = self.coefficients
        factors, offsets = (np.array(numbers, np.int64)[:, None] for numbers in zip(*pairs, strict=True))

        def buckets(vector: Vector) -> npt.NDArray[Any] | list[float]:
            features = [1 + index for index, _ in vector.nonzeros()]
            if not features:
                raise self.row_error(f"{self.input_column} has no value that is not zero")
            if len(features) * len(pairs) < _MANY:
                return [min((feature * a + b) % _HASH_PRIME for feature in features) for a, b in pairs]
            hashes: npt.NDArray[Any] = (np.array(features, np.int64) * factors + offsets) % _HASH_PRIME
            least: npt.NDArray[Any] = hashes.min(axis=1)
            return least

        return _bound(self, schema, self.input_column, self.output_column, buckets)


@spark_stage(
    "org.apache.spark.ml.feature.BucketedRandomProjectionLSHModel",
    parameters={"inputCol": None, "outputCol": None, "bucketLength": None},
    training=("numHashTables", "seed"),
    exactness="exact, but for a dense vector within 1e-12 of a bucket's border: dense sums use SIMD in Spark",
)
@dataclass(frozen=True)
class BucketedRandomProjectionLSHModel(Stage):
    """The bucket that a vector's projection falls into, in several directions.

    Source: BucketedRandomProjectionLSHModel.
    """

    uid: str
    input_column: str
    output_column: str
    directions: npt.NDArray[np.float64] = field(repr=False)
    """Unit vectors, shape (n_tables, n_features)."""
    bucket_length: float

    @classmethod
    def from_spark(cls, folder: StageFolder) -> Self:
        bucket_length = float(folder.required("bucketLength"))
        if not bucket_length > 0.0:
            raise folder.error(f"its bucketLength is {bucket_length}, which is not above 0")
        directions = matrix_of(folder.row()["randUnitVectors"])
        return cls(folder.uid, folder.required("inputCol"), folder.required("outputCol"), directions, bucket_length)

    def bind(self, schema: Schema) -> Bound:
        directions, per_bucket = self.directions, 1.0 / self.bucket_length
        n_features = directions.shape[1]
        by_feature = np.ascontiguousarray(directions.T)

        def buckets(vector: Vector) -> npt.NDArray[Any]:
            if vector.size != n_features:
                raise self.row_error(f"{self.input_column} has {vector.size} features, the model {n_features}")
            with np.errstate(invalid="ignore", over="ignore"):
                if isinstance(vector, SparseVector):
                    projected = np.zeros(len(directions))
                    for index, value in vector.active():
                        projected += value * by_feature[index]
                else:
                    projected = directions @ np.array(vector.values)
                return np.floor(projected * per_bucket)

        return _bound(self, schema, self.input_column, self.output_column, buckets)
