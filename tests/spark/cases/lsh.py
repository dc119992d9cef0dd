"""Vectors to buckets by locality-sensitive hashing."""

import math
import random
from typing import Any

from spark.case import Case, spark_case

N_FEATURES = 12


def _vectors() -> list[Any]:
    from pyspark.ml.linalg import Vectors

    source = random.Random(5)
    dense = [Vectors.dense([source.gauss(0.0, 2.0) for _ in range(N_FEATURES)]) for _ in range(12)]
    sparse = []
    for n_values in (1, 2, 3, 5, 12, 4, 4):
        indices = sorted(source.sample(range(N_FEATURES), n_values))
        sparse.append(Vectors.sparse(N_FEATURES, indices, [source.choice([1.0, -0.5, 2.25]) for _ in indices]))
    return [
        *dense,
        *sparse,
        Vectors.dense([0.0] * N_FEATURES),
        Vectors.sparse(N_FEATURES, [], []),
        Vectors.sparse(N_FEATURES, [3], [0.0]),
        Vectors.sparse(N_FEATURES, [3, 4], [0.0, 7.0]),
        Vectors.dense([math.nan] + [0.0] * (N_FEATURES - 1)),
        Vectors.sparse(N_FEATURES, [2], [math.nan]),
        Vectors.sparse(N_FEATURES, [2], [-math.inf]),
        Vectors.sparse(N_FEATURES, [2, 5], [-math.inf, math.inf]),
        Vectors.dense([math.inf] * N_FEATURES),
        Vectors.dense([1e300] * N_FEATURES),
        Vectors.dense([1.0, 2.0]),
        Vectors.sparse(N_FEATURES + 5, [1, 15], [1.0, 1.0]),
        None,
    ]


def _hashed(spark: Any, estimator: Any, rtol: float = 0.0) -> Case:
    from pyspark.ml import PipelineModel

    vectors = _vectors()
    model = estimator.fit(spark.createDataFrame([(vector,) for vector in vectors[:10]], ["features"]))
    return Case(PipelineModel([model]), {"features": "vector"}, [{"features": vector} for vector in vectors], rtol)


@spark_case
def min_hash(spark: Any) -> Case:
    from pyspark.ml.feature import MinHashLSH

    return _hashed(spark, MinHashLSH(inputCol="features", outputCol="buckets", numHashTables=3, seed=1))


@spark_case
def min_hash_of_many_tables(spark: Any) -> Case:
    from pyspark.ml.feature import MinHashLSH

    return _hashed(spark, MinHashLSH(inputCol="features", outputCol="buckets", numHashTables=40, seed=2))


@spark_case
def random_projection(spark: Any) -> Case:
    from pyspark.ml.feature import BucketedRandomProjectionLSH

    lsh = BucketedRandomProjectionLSH(inputCol="features", outputCol="buckets", bucketLength=0.7, seed=3)
    return _hashed(spark, lsh)


@spark_case
def random_projections_of_many_tables(spark: Any) -> Case:
    from pyspark.ml.feature import BucketedRandomProjectionLSH

    lsh = BucketedRandomProjectionLSH(inputCol="features", outputCol="buckets", bucketLength=0.01, seed=4)
    return _hashed(spark, lsh.setNumHashTables(20), rtol=1e-12)
