"""Clusterings and topics: every class, distance measure and form of features, with rows that Spark fails on."""

import random
from collections.abc import Sequence
from typing import Any

from pyspark.ml import Pipeline
from pyspark.ml.clustering import LDA, BisectingKMeans, GaussianMixture, KMeans
from pyspark.ml.linalg import Vectors, VectorUDT
from pyspark.sql.types import ArrayType, DoubleType, StructField, StructType

from spark.case import Case, spark_case

NAN, INF = float("nan"), float("inf")
CENTRES = ((0.0, 0.0, 5.0), (10.0, -3.0, 0.5), (-7.0, 8.0, 2.0), (4.0, 4.0, -9.0))


def points(n: int, seed: int = 7, spread: float = 1.5) -> list[list[float]]:
    draw = random.Random(seed)
    return [[round(draw.gauss(at, spread), 3) for at in CENTRES[number % len(CENTRES)]] for number in range(n)]


def features(values: Sequence[Any], kind: str = "vector") -> tuple[dict[str, str], list[dict[str, Any]]]:
    return {"features": kind}, [{"features": value} for value in values]


def frame(spark: Any, values: Sequence[Any]) -> Any:
    """Arrays become vectors' equals: arrays that hold no nulls."""
    kind = ArrayType(DoubleType(), containsNull=False) if isinstance(values[0], list) else VectorUDT()
    return spark.createDataFrame([(value,) for value in values], StructType([StructField("features", kind)]))


def dense(values: Sequence[Sequence[float]]) -> list[Any]:
    return [Vectors.dense(value) for value in values]


EDGES = [
    Vectors.dense([0.0, 0.0, 0.0]),
    Vectors.sparse(3, [], []),
    Vectors.sparse(3, [0], [9.0]),
    Vectors.sparse(3, [0, 2], [-7.0, 1.0]),
    Vectors.sparse(3, [1], [0.0]),
    Vectors.dense([1e9, -1e9, 1e9]),
    Vectors.dense([1e200, 0.0, 0.0]),
    Vectors.dense([INF, 0.0, 1.0]),
    Vectors.dense([0.0, -INF, 1.0]),
    Vectors.dense([NAN, 0.0, 1.0]),
    Vectors.sparse(3, [2], [INF]),
    Vectors.dense([1.0, 2.0]),
    Vectors.dense([1.0, 2.0, 3.0, 4.0]),
    Vectors.dense([-0.0, 1e-300, 1e-300]),
    None,
]


@spark_case
def kmeans(spark: Any) -> Case:
    model = Pipeline(stages=[KMeans(k=4, seed=3)]).fit(frame(spark, dense(points(80))))
    return Case(model, *features([*dense(points(24, seed=8, spread=4.0)), *EDGES]))


@spark_case
def kmeans_cosine(spark: Any) -> Case:
    estimator = KMeans(k=3, seed=3, distanceMeasure="cosine", predictionCol="cluster")
    model = Pipeline(stages=[estimator]).fit(frame(spark, dense(points(60))))
    return Case(model, *features([*dense(points(20, seed=9, spread=4.0)), *EDGES]))


@spark_case
def kmeans_of_arrays(spark: Any) -> Case:
    model = KMeans(k=3, seed=1).fit(frame(spark, points(60)))
    rows = [*points(12, seed=4), [0.0, 0.0, 0.0], [1.0, 2.0], [INF, 0.0, 0.0], [NAN, 1.0, 1.0], None]
    return Case(model, *features(rows, "array<double>"))


@spark_case
def kmeans_of_float_arrays(spark: Any) -> Case:
    model = KMeans(k=3, seed=1, solver="block").fit(frame(spark, points(60)))
    rows = [[float(int(value)) for value in point] for point in points(12, seed=4)]
    return Case(model, *features(rows, "array<float>"))


@spark_case
def kmeans_ties(spark: Any) -> Case:
    """Points as far from one centre as from another: the first of them."""
    training = [[0.0, 0.0], [0.0, 2.0], [4.0, 0.0], [4.0, 2.0], [8.0, 8.0]]
    model = KMeans(k=5, seed=2, maxIter=3).fit(frame(spark, dense(training)))
    return Case(model, *features(dense([[x / 2, y / 2] for x in range(0, 17, 2) for y in range(0, 17, 4)])))


@spark_case
def kmeans_many_features(spark: Any) -> Case:
    draw = random.Random(5)
    rows = [Vectors.sparse(300, {draw.randrange(300): float(draw.randint(1, 5)) for _ in range(12)}) for _ in range(60)]
    model = KMeans(k=5, seed=2).fit(frame(spark, rows))
    return Case(model, *features([*rows[:20], *[Vectors.dense(row.toArray()) for row in rows[20:30]]]))


@spark_case
def bisecting_kmeans(spark: Any) -> Case:
    model = Pipeline(stages=[BisectingKMeans(k=6, seed=3)]).fit(frame(spark, dense(points(80))))
    return Case(model, *features([*dense(points(24, seed=8, spread=4.0)), *EDGES]))


@spark_case
def bisecting_kmeans_cosine(spark: Any) -> Case:
    estimator = BisectingKMeans(k=5, seed=3, distanceMeasure="cosine", minDivisibleClusterSize=4, predictionCol="leaf")
    model = estimator.fit(frame(spark, dense(points(60))))
    return Case(model, *features([*dense(points(20, seed=9, spread=4.0)), *EDGES]))


@spark_case
def bisecting_kmeans_of_one_cluster(spark: Any) -> Case:
    model = BisectingKMeans(k=4, seed=3).fit(frame(spark, dense([[1.0, 2.0]] * 5)))
    return Case(model, *features(dense([[1.0, 2.0], [9.0, -1.0], [0.0, 0.0]])))


@spark_case
def gaussian_mixture(spark: Any) -> Case:
    model = Pipeline(stages=[GaussianMixture(k=3, seed=3, maxIter=20)]).fit(frame(spark, dense(points(90))))
    return Case(model, *features([*dense(points(24, seed=8, spread=5.0)), *EDGES]), rtol=1e-9)


@spark_case
def gaussian_mixture_singular(spark: Any) -> Case:
    """The third feature follows from the others: its covariance has no inverse."""
    training = [[x, y, 2.0 * x - y] for x, y, _ in points(60)]
    model = GaussianMixture(k=2, seed=1, maxIter=5).fit(frame(spark, dense(training)))
    return Case(model, *features(dense([*training[:16], [1.0, 1.0, 1.0], [50.0, 50.0, 50.0]])), rtol=1e-9)


@spark_case
def gaussian_mixture_of_arrays_without_probability(spark: Any) -> Case:
    model = GaussianMixture(k=2, seed=1, maxIter=5, probabilityCol="").fit(frame(spark, points(60)))
    return Case(model, *features([*points(10, seed=4), [1.0, 2.0], None], "array<double>"), rtol=1e-9)


@spark_case
def gaussian_mixture_without_prediction(spark: Any) -> Case:
    model = GaussianMixture(k=2, seed=1, maxIter=5, probabilityCol="chance").fit(frame(spark, dense(points(60))))
    return Case(model.setPredictionCol(""), *features(dense(points(10, seed=4))), rtol=1e-9)


def documents(n: int, n_terms: int, seed: int) -> list[Any]:
    draw = random.Random(seed)
    found = []
    for number in range(n):
        half = (number % 2) * (n_terms // 2)
        counts = {half + draw.randrange(n_terms // 2): float(draw.randint(1, 4)) for _ in range(5)}
        found.append(Vectors.sparse(n_terms, counts))
    return found


def document_rows(n_terms: int) -> list[Any]:
    seen = documents(14, n_terms, seed=6)
    return [
        *seen,
        *[Vectors.dense(row.toArray()) for row in seen[:4]],
        Vectors.sparse(n_terms, [], []),
        Vectors.dense([0.0] * n_terms),
        Vectors.sparse(n_terms, [0, 3], [0.0, 2.0]),
        Vectors.sparse(n_terms, [0], [0.25]),
        Vectors.sparse(n_terms, [1, 2], [1e6, 5e5]),
        Vectors.sparse(n_terms, [1], [NAN]),
        Vectors.sparse(n_terms - 3, [1], [2.0]),
        Vectors.dense([1.0, 2.0]),
        Vectors.sparse(n_terms + 3, [1], [2.0]),
        Vectors.sparse(n_terms + 3, [n_terms + 1], [2.0]),
        Vectors.dense([1.0] * (n_terms + 3)),
        None,
    ]


@spark_case
def lda_online(spark: Any) -> Case:
    model = Pipeline(stages=[LDA(k=3, seed=11, maxIter=10)]).fit(frame(spark, documents(40, 20, seed=5)))
    return Case(model, *features(document_rows(20)), rtol=1e-9)


@spark_case
def lda_em(spark: Any) -> Case:
    estimator = LDA(k=4, seed=12, maxIter=6, optimizer="em", topicDistributionCol="topics")
    model = estimator.fit(frame(spark, documents(20, 12, seed=5)))
    return Case(model, *features(document_rows(12)), rtol=1e-3)  # Spark starts at random


@spark_case
def lda_of_arrays_with_a_negative_seed(spark: Any) -> Case:
    rows = [row.toArray().tolist() for row in documents(20, 12, seed=5)]
    estimator = LDA(
        k=5, seed=-987654321012345, maxIter=5, docConcentration=[0.5, 0.1, 0.2, 0.3, 1.5], optimizer="online"
    )
    return Case(estimator.fit(frame(spark, rows)), *features([*rows[:10], None], "array<double>"), rtol=1e-9)


@spark_case
def lda_with_the_default_seed(spark: Any) -> Case:
    model = LDA(k=2, maxIter=5, optimizeDocConcentration=True).fit(frame(spark, documents(20, 12, seed=5)))
    return Case(model, *features(documents(8, 12, seed=3)), rtol=1e-9)
