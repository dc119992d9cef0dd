"""Recommendations and association rules."""

import random
from typing import Any

from pyspark.ml import Pipeline
from pyspark.ml.fpm import FPGrowth
from pyspark.ml.recommendation import ALS

from spark.case import Case, spark_case

NAN, INF = float("nan"), float("inf")


def ratings(spark: Any) -> Any:
    draw = random.Random(4)
    rows = [
        (user * 7 - 20, item * 1000, float(draw.randint(1, 5)))
        for user in range(20)
        for item in range(12)
        if draw.random() < 0.5
    ]
    return spark.createDataFrame(rows, "user int, item int, rating float")


def pairs(spark: Any, *edges: tuple[Any, Any]) -> list[dict[str, Any]]:
    known = [(row.user, row.item) for row in ratings(spark).collect()[::6]]
    return [{"user": user, "item": item} for user, item in [*known, (1, 3000), (999, 0), (-20, 7), (999, 7), *edges]]


@spark_case
def als(spark: Any) -> Case:
    model = Pipeline(stages=[ALS(rank=5, maxIter=4, seed=1)]).fit(ratings(spark))
    return Case(model, {"user": "int", "item": "int"}, pairs(spark, (None, 0), (1, None)))


@spark_case
def als_drop(spark: Any) -> Case:
    estimator = ALS(rank=10, maxIter=3, seed=1, coldStartStrategy="drop", implicitPrefs=True)
    model = estimator.setPredictionCol("score").fit(ratings(spark))
    return Case(model, {"user": "int", "item": "int"}, pairs(spark, (None, 0)))


@spark_case
def als_of_longs_and_doubles(spark: Any) -> Case:
    model = ALS(rank=3, maxIter=3, seed=1, nonnegative=True).fit(ratings(spark))
    rows = [{"user": row["user"], "item": float(row["item"])} for row in pairs(spark)]
    edges = [
        (2**31, 0.0), (-(2**31), 0.0), (2**31 - 1, 0.0), (1, 0.5), (1, NAN), (1, INF), (1, -0.0), (1, None),
        (None, 0.0), (1, 3e9),
    ]  # fmt: skip
    rows.extend({"user": user, "item": item} for user, item in edges)
    return Case(model, {"user": "bigint", "item": "double"}, rows)


@spark_case
def als_of_small_numbers(spark: Any) -> Case:
    model = ALS(rank=4, maxIter=3, seed=1, userCol="user", itemCol="item").fit(ratings(spark))
    rows = [
        {"user": 1, "item": 1000.0},
        {"user": -6, "item": 0.0},
        {"user": 8, "item": 1.5},
        {"user": 100, "item": 0.0},
    ]
    return Case(model, {"user": "smallint", "item": "float"}, rows)


BASKETS = [
    ["bread", "milk"], ["bread", "diapers", "beer", "eggs"], ["milk", "diapers", "beer", "cola"],
    ["bread", "milk", "diapers", "beer"], ["bread", "milk", "diapers", "cola"], ["beer", "diapers"],
    ["крендель", "beer", ""], ["крендель", "beer"], ["", "крендель", "milk"],
]  # fmt: skip


@spark_case
def fp_growth(spark: Any) -> Case:
    training = spark.createDataFrame([(basket,) for basket in BASKETS], ["items"])
    model = Pipeline(stages=[FPGrowth(minSupport=0.2, minConfidence=0.6)]).fit(training)
    rows = [*BASKETS, [], ["beer"], ["diapers"], ["unknown"], ["beer", "beer", "milk"], [None, "beer"], ["cola"], None]
    return Case(model, {"items": "array<string>"}, [{"items": items} for items in rows], unordered=("prediction",))


@spark_case
def fp_growth_of_numbers(spark: Any) -> Case:
    draw = random.Random(3)
    baskets = [sorted({draw.randrange(8) for _ in range(4)}) for _ in range(40)]
    training = spark.createDataFrame([(basket,) for basket in baskets], "basket array<int>")
    estimator = FPGrowth(minSupport=0.05, minConfidence=0.4, itemsCol="basket", predictionCol="more", numPartitions=2)
    rows = [*baskets[:20], [0], [1, 2], [7], [99]]
    return Case(
        estimator.fit(training),
        {"basket": "array<int>"},
        [{"basket": basket} for basket in rows],
        unordered=("more",),
    )
