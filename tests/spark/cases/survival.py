"""Regressions of their own kind: survival times and isotonic lines."""

import random
from itertools import pairwise
from math import inf, nan
from typing import Any

from pyspark.ml import Pipeline
from pyspark.ml.linalg import SparseVector, Vectors
from pyspark.ml.regression import AFTSurvivalRegression, IsotonicRegression
from pyspark.sql import DataFrame, SparkSession

from spark.case import Case, spark_case

ROWS: list[Any] = [
    Vectors.dense([0.3, -1.2, 2.0]),
    Vectors.dense([1.5, 0.0, 0.0]),
    Vectors.dense([-2.0, 3.0, 1.0]),
    Vectors.dense([0.1, 0.7, -0.4]),
    Vectors.dense([nan, 1.0, 1.0]),
    Vectors.dense([inf, 1.0, 1.0]),
    Vectors.dense([-inf, 1.0, 1.0]),
    Vectors.dense([1e4, 1e4, 1e4]),
    Vectors.dense([-1e4, -1e4, -1e4]),
    Vectors.dense([-0.0, -0.0, -0.0]),
    SparseVector(3, [], []),
    SparseVector(3, [1], [2.5]),
    SparseVector(3, [0, 2], [0.0, 1.25]),
    Vectors.dense([1.0, 2.0]),
    None,
]


def lifetimes(spark: SparkSession) -> DataFrame:
    chance = random.Random(21)
    data = []
    for _ in range(80):
        values = [chance.gauss(0, 1), chance.uniform(-1, 2), float(chance.randrange(3))]
        label = 0.1 + chance.expovariate(1.0) * 2.0 ** (values[0] - 0.5 * values[1])
        data.append((Vectors.dense(values), label, float(chance.random() < 0.8)))
    return spark.createDataFrame(data, ["features", "label", "censor"])


def survival(spark: SparkSession, **parameters: Any) -> Case:
    model = Pipeline(stages=[AFTSurvivalRegression(**parameters)]).fit(lifetimes(spark))
    return Case(model, {"features": "vector"}, [{"features": vector} for vector in ROWS], 1e-12)


@spark_case
def survival_with_quantiles(spark: SparkSession) -> Case:
    return survival(spark, quantilesCol="quantiles")


@spark_case
def survival_without_intercept(spark: SparkSession) -> Case:
    return survival(spark, fitIntercept=False, predictionCol="lifetime")


@spark_case
def survival_only_quantiles(spark: SparkSession) -> Case:
    return survival(spark, predictionCol="", quantilesCol="q", quantileProbabilities=[0.001, 0.5, 0.999])


def steps(spark: SparkSession, sign: float = 1.0) -> DataFrame:
    chance = random.Random(22)
    data = []
    for _ in range(60):
        value = round(chance.uniform(-4, 4), 1)
        data.append((value, Vectors.dense([5.0, value]), sign * value + chance.gauss(0, 1.5), chance.uniform(0.1, 2)))
    return spark.createDataFrame(data, ["value", "features", "label", "weight"])


def isotonic(spark: SparkSession, sign: float = 1.0, **parameters: Any) -> Case:
    model = Pipeline(stages=[IsotonicRegression(featuresCol="value", **parameters)]).fit(steps(spark, sign))
    boundaries = [float(one) for one in model.stages[0].boundaries]
    middles = [(low + high) / 2 for low, high in pairwise(boundaries)][:12]
    values = [*boundaries[:6], *middles, -4.5, 4.5, 0.0, -0.0, 0.05, -1e300, 1e300, inf, -inf, nan, None]
    return Case(model, {"value": "double"}, [{"value": value} for value in values])


@spark_case
def isotonic_increasing(spark: SparkSession) -> Case:
    return isotonic(spark, weightCol="weight")


@spark_case
def isotonic_decreasing(spark: SparkSession) -> Case:
    return isotonic(spark, -1.0, isotonic=False, predictionCol="line")


@spark_case
def isotonic_flat(spark: SparkSession) -> Case:
    """All against the order: one level."""
    return isotonic(spark, -1.0)


@spark_case
def isotonic_of_vectors(spark: SparkSession) -> Case:
    model = Pipeline(stages=[IsotonicRegression(featureIndex=1)]).fit(steps(spark))
    vectors = [Vectors.dense([9.0, value]) for value in (-3.0, 0.25, 0.3, 5.0, nan, inf)]
    others: list[Any] = [SparseVector(2, [], []), SparseVector(2, [1], [1.7]), SparseVector(9, [0, 1], [1.0, -2.05])]
    rows = [*vectors, *others, Vectors.dense([1.0]), None]
    return Case(model, {"features": "vector"}, [{"features": vector} for vector in rows])
