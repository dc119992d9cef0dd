"""Scalers, normalizers and element-wise products: every switch, with vectors of each form and of wrong sizes."""

import random
from typing import Any

from pyspark.ml import Pipeline
from pyspark.ml.feature import (
    ElementwiseProduct,
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    RobustScaler,
    StandardScaler,
)
from pyspark.ml.linalg import Vectors

from spark.case import Case, spark_case

NAN, INF = float("nan"), float("inf")
TINY = 5e-324


def training(spark: Any, n: int = 60) -> Any:
    """Four features: any number, a small one, a constant, and one that is mostly zero."""
    draw = random.Random(5)
    rows = [
        (
            Vectors.dense(
                [draw.gauss(3.0, 10.0), draw.random() / 1000, 7.0, draw.choice([0.0, 0.0, 0.0, -2.5, 4.0])]
                if number % 3
                else [draw.gauss(3.0, 10.0), 0.0, 7.0, 0.0]
            ),
        )
        for number in range(n)
    ]
    return spark.createDataFrame(rows, ["features"])


def vectors() -> list[Any]:
    draw = random.Random(6)
    some = [[draw.gauss(3.0, 20.0), draw.random() / 500, draw.choice([7.0, 8.0]), draw.gauss(0, 3)] for _ in range(12)]
    return [
        *map(Vectors.dense, some),
        Vectors.dense([0.0, 0.0, 0.0, 0.0]),
        Vectors.dense([-0.0, -0.0, -0.0, -0.0]),
        Vectors.sparse(4, [], []),
        Vectors.sparse(4, [0], [3.25]),
        Vectors.sparse(4, [1, 3], [0.125, -8.0]),
        Vectors.sparse(4, [0, 1, 2, 3], [1.0, 2.0, 3.0, 4.0]),
        Vectors.sparse(4, [0, 2], [0.0, 7.0]),
        Vectors.sparse(4, [3], [NAN]),
        Vectors.sparse(4, [2], [-INF]),
        Vectors.dense([NAN, 1.0, 7.0, NAN]),
        Vectors.dense([INF, -INF, INF, -INF]),
        Vectors.dense([INF, 1.0, 2.0, 3.0]),
        Vectors.dense([1e308, -1e308, 1e308, 1e308]),
        Vectors.dense([1e200, 1e-200, 1e155, 0.0]),
        Vectors.dense([TINY, -TINY, TINY, 0.0]),
        Vectors.dense([1e-170, 1e-170, 0.0, 0.0]),
        Vectors.dense([1.0, 2.0]),
        Vectors.dense([1.0, 2.0, 3.0, 4.0, 5.0]),
        Vectors.sparse(2, [1], [2.0]),
        Vectors.sparse(9, [1], [2.0]),
        Vectors.sparse(9, [8], [2.0]),
        Vectors.dense([]),
        None,
    ]


def scored(model: Any) -> Case:
    return Case(model, {"features": "vector"}, [{"features": vector} for vector in vectors()])


def fitted(spark: Any, *stages: Any) -> Case:
    return scored(Pipeline(stages=list(stages)).fit(training(spark)))


@spark_case
def standard_scaler(spark: Any) -> Case:
    return fitted(spark, StandardScaler(inputCol="features", outputCol="scaled"))


@spark_case
def standard_scaler_with_mean(spark: Any) -> Case:
    return fitted(spark, StandardScaler(inputCol="features", outputCol="scaled", withMean=True))


@spark_case
def standard_scaler_with_mean_only(spark: Any) -> Case:
    return fitted(spark, StandardScaler(inputCol="features", outputCol="scaled", withMean=True, withStd=False))


@spark_case
def standard_scaler_that_changes_nothing(spark: Any) -> Case:
    return fitted(spark, StandardScaler(inputCol="features", outputCol="größe skaliert", withStd=False))


@spark_case
def robust_scaler(spark: Any) -> Case:
    return fitted(spark, RobustScaler(inputCol="features", outputCol="scaled", lower=0.1, upper=0.95))


@spark_case
def robust_scaler_with_centering(spark: Any) -> Case:
    return fitted(
        spark,
        RobustScaler(inputCol="features", outputCol="scaled", withCentering=True, relativeError=0.1),
        RobustScaler(inputCol="features", outputCol="centred", withCentering=True, withScaling=False),
    )


@spark_case
def robust_scaler_that_changes_nothing(spark: Any) -> Case:
    return fitted(spark, RobustScaler(inputCol="features", outputCol="scaled", withScaling=False))


@spark_case
def min_max_scaler(spark: Any) -> Case:
    return fitted(spark, MinMaxScaler(inputCol="features", outputCol="scaled"))


@spark_case
def min_max_scaler_of_other_limits(spark: Any) -> Case:
    return fitted(spark, MinMaxScaler(inputCol="features", outputCol="scaled", min=-3.5, max=0.1))


@spark_case
def min_max_scaler_to_many_zeros(spark: Any) -> Case:
    """Without a constant feature, and to vectors that are sparse afterwards."""
    rows = [[0.0] * 8, [float(at + 1) for at in range(8)]]
    frame = spark.createDataFrame([(Vectors.dense(row),) for row in rows], ["features"])
    model = MinMaxScaler(inputCol="features", outputCol="scaled").fit(frame)
    given = [
        Vectors.sparse(8, [], []),
        Vectors.sparse(8, [3], [1.5]),
        Vectors.sparse(8, [3, 5], [1.5, NAN]),
        Vectors.sparse(8, [1, 2, 3, 4], [1.0, 2.0, 3.0, 4.0]),
        Vectors.sparse(8, [1, 2, 3, 4, 5], [1.0, 2.0, 3.0, 4.0, INF]),
        Vectors.dense([-0.0] * 8),
        Vectors.dense([-0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]),
        Vectors.dense([0.0, 0.0, 2.0, 3.0, 4.0, 5.0, 0.0, 0.0]),
        Vectors.dense([0.0, 0.0, 2.0, 3.0, 4.0, 0.0, 0.0, 0.0]),
        Vectors.dense([NAN] * 8),
        Vectors.dense([1.0] * 7),
        Vectors.sparse(9, [0], [1.0]),
    ]
    return Case(model, {"features": "vector"}, [{"features": vector} for vector in given])


@spark_case
def max_abs_scaler(spark: Any) -> Case:
    return fitted(spark, MaxAbsScaler(inputCol="features", outputCol="scaled"))


@spark_case
def scalers_one_after_another(spark: Any) -> Case:
    return fitted(
        spark,
        MaxAbsScaler(inputCol="features", outputCol="first"),
        MinMaxScaler(inputCol="first", outputCol="second"),
        StandardScaler(inputCol="second", outputCol="third", withMean=True),
        Normalizer(inputCol="third", outputCol="fourth"),
    )


@spark_case
def normalizer(spark: Any) -> Case:
    return fitted(spark, Normalizer(inputCol="features", outputCol="normalized"))


@spark_case
def normalizer_of_one_and_infinity(spark: Any) -> Case:
    return fitted(
        spark,
        Normalizer(inputCol="features", outputCol="of one", p=1.0),
        Normalizer(inputCol="features", outputCol="of infinity", p=INF),
    )


@spark_case
def normalizer_of_other_norms(spark: Any) -> Case:
    case = fitted(
        spark,
        Normalizer(inputCol="features", outputCol="of three", p=3.0),
        Normalizer(inputCol="features", outputCol="of one and a half", p=1.5),
    )
    return Case(case.model, case.schema, case.rows, rtol=1e-12)


@spark_case
def elementwise_product(spark: Any) -> Case:
    factors = Vectors.dense([0.5, -3.0, 0.0, 1e300])
    return fitted(spark, ElementwiseProduct(inputCol="features", outputCol="product", scalingVec=factors))


@spark_case
def elementwise_product_of_sparse_factors(spark: Any) -> Case:
    factors = Vectors.sparse(4, [1, 3], [-2.0, 0.1])
    return fitted(spark, ElementwiseProduct(inputCol="features", outputCol="product", scalingVec=factors))
