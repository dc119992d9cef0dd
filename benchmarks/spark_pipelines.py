"""Ten pipelines of Spark, trained on generated data by a fixed seed, as `benchmarks.spark` compares them.

Customers with categories and numbers, reviews of made-up words, ratings of a catalogue: what matters is what the
pipelines are made of, not what they find out.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from pyspark.ml import Pipeline, clustering, feature, recommendation, regression
from pyspark.ml import classification as classifiers
from pyspark.sql import DataFrame, SparkSession

from skysail_container.spark.java import find_java

__all__ = ["FOREST", "LINEAR", "PIPELINES", "SparkPipeline", "data_frame", "spark_session", "trained"]

LINEAR = "indexers, one-hot, assembler, logistic regression"
FOREST = "assembler, random forest of 100 trees, depth 8"
N_ROWS = 2000
NUMBERS = tuple(f"x{number}" for number in range(10))
CUSTOMERS = {"city": "string", "plan": "string", "channel": "string", "income": "double", "age": "int"}
SAMPLES = dict.fromkeys(NUMBERS, "double")
REVIEWS = {"text": "string"}
RATINGS = {"user": "int", "movie": "int"}


@dataclass(frozen=True, slots=True)
class SparkPipeline:
    """What is trained, on which rows. `rows` have the columns of `schema` and `label`."""

    name: str
    stages: Callable[[], Sequence[Any]]
    schema: Mapping[str, str]
    rows: Callable[[], list[dict[str, Any]]]

    def queries(self) -> list[dict[str, Any]]:
        """The rows without their label."""
        return [{name: row[name] for name in self.schema} for row in self.rows()]


@contextmanager
def spark_session() -> Iterator[SparkSession]:
    """Spark in this process, set up for little data: one partition, no page of its own. The JVM ends with it.

    :raises JavaMissingError: there is no Java.
    """
    os.environ.update(find_java().environment())
    spark = (
        SparkSession.builder.master("local[1]")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.shuffle.partitions", "1")
        .config("spark.default.parallelism", "1")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.log.level", "OFF")
        .config("spark.ui.showConsoleProgress", "false")
        .getOrCreate()
    )
    gateway = spark.sparkContext._gateway
    try:
        yield spark
    finally:
        spark.stop()
        gateway.shutdown()
        gateway.proc.stdin.close()
        gateway.proc.wait(30)


def data_frame(spark: SparkSession, rows: Sequence[Mapping[str, Any]], schema: Mapping[str, str]) -> DataFrame:
    """One partition, held in memory by Spark, so that making it is no part of what is measured."""
    columns = ", ".join([f"{name} {kind}" for name, kind in schema.items()])
    frame = spark.createDataFrame([tuple(row[name] for name in schema) for row in rows], columns).coalesce(1).cache()
    frame.count()
    return frame


def trained(spark: SparkSession, pipeline: SparkPipeline) -> Any:
    """The PipelineModel."""
    frame = data_frame(spark, pipeline.rows(), {**pipeline.schema, "label": "double"})
    try:
        return Pipeline(stages=list(pipeline.stages())).fit(frame)
    finally:
        frame.unpersist()


def _customers() -> list[dict[str, Any]]:
    chance = random.Random(1)
    rows = []
    for _ in range(N_ROWS):
        city = f"city {int(chance.paretovariate(1.0)) % 40}"
        plan, channel = chance.choice(("small", "medium", "large")), chance.choice(("web", "shop", "phone", "partner"))
        income, age = round(chance.lognormvariate(3.0, 0.6), 2), chance.randrange(18, 90)
        label = float((plan == "small" and age < 40) or income < 12 * chance.random())
        rows.append({"city": city, "plan": plan, "channel": channel, "income": income, "age": age, "label": label})
    return rows


def _samples() -> list[dict[str, Any]]:
    chance = random.Random(2)
    rows = []
    for _ in range(N_ROWS):
        numbers = [chance.gauss(0.0, 1.0) for _ in NUMBERS]
        label = numbers[0] * numbers[1] + numbers[2] + 0.3 * chance.gauss(0.0, 1.0) > 0.2
        rows.append({**dict(zip(NUMBERS, numbers, strict=True)), "label": float(label)})
    return rows


def _reviews() -> list[dict[str, Any]]:
    chance = random.Random(3)
    words = ["".join(chance.choices("aeioubdfklmnprst", k=chance.randrange(3, 10))) for _ in range(3000)]
    rows = []
    for _ in range(N_ROWS):
        label = chance.randrange(2)
        text = [words[int(chance.triangular(0, 2999, 2999 * label))] for _ in range(chance.randrange(10, 60))]
        rows.append({"text": " ".join(text).capitalize(), "label": float(label)})
    return rows


def _ratings() -> list[dict[str, Any]]:
    chance = random.Random(4)
    tastes = [chance.gauss(0.0, 1.0) for _ in range(200)]
    kinds = [chance.gauss(0.0, 1.0) for _ in range(300)]
    pairs = [(chance.randrange(200), chance.randrange(300)) for _ in range(4 * N_ROWS)]
    return [
        {"user": user, "movie": movie, "label": min(5.0, max(1.0, float(round(3 + tastes[user] * kinds[movie]))))}
        for user, movie in pairs
    ]


def _encoded() -> list[Any]:
    categories = ["city", "plan", "channel"]
    indices, vectors = [f"{name}_index" for name in categories], [f"{name}_vector" for name in categories]
    return [
        feature.StringIndexer(inputCols=categories, outputCols=indices, handleInvalid="keep"),
        feature.OneHotEncoder(inputCols=indices, outputCols=vectors),
        feature.VectorAssembler(inputCols=[*vectors, "income", "age"], outputCol="features"),
    ]


def _assembled(output: str = "features") -> feature.VectorAssembler:
    return feature.VectorAssembler(inputCols=list(NUMBERS), outputCol=output)


def _words(weight: Any) -> list[Any]:
    return [
        feature.RegexTokenizer(inputCol="text", outputCol="all", pattern="\\W+"),
        feature.StopWordsRemover(inputCol="all", outputCol="words"),
        weight,
    ]


PIPELINES = (
    SparkPipeline(LINEAR, lambda: [*_encoded(), classifiers.LogisticRegression(regParam=0.01)], CUSTOMERS, _customers),
    SparkPipeline(
        FOREST,
        lambda: [_assembled(), classifiers.RandomForestClassifier(numTrees=100, maxDepth=8, seed=1)],
        SAMPLES,
        _samples,
    ),
    SparkPipeline(
        "assembler, gradient-boosted trees (20)",
        lambda: [_assembled(), classifiers.GBTClassifier(maxIter=20, maxDepth=5, seed=1)],
        SAMPLES,
        _samples,
    ),
    SparkPipeline(
        "tokenizer, hashing TF, IDF, logistic regression",
        lambda: [
            feature.Tokenizer(inputCol="text", outputCol="words"),
            feature.HashingTF(inputCol="words", outputCol="counts", numFeatures=1 << 14),
            feature.IDF(inputCol="counts", outputCol="features"),
            classifiers.LogisticRegression(regParam=0.01),
        ],
        REVIEWS,
        _reviews,
    ),
    SparkPipeline(
        "words, stop words, counts, naive Bayes",
        lambda: [
            *_words(feature.CountVectorizer(inputCol="words", outputCol="features", vocabSize=2000)),
            classifiers.NaiveBayes(),
        ],
        REVIEWS,
        _reviews,
    ),
    SparkPipeline(
        "imputer, scaler, linear regression",
        lambda: [
            feature.Imputer(inputCols=list(NUMBERS), outputCols=[f"{name}_known" for name in NUMBERS]),
            feature.VectorAssembler(inputCols=[f"{name}_known" for name in NUMBERS], outputCol="raw"),
            feature.StandardScaler(inputCol="raw", outputCol="features", withMean=True),
            regression.LinearRegression(),
        ],
        SAMPLES,
        _samples,
    ),
    SparkPipeline(
        "SQL, indexers, one-hot, decision tree",
        lambda: [
            feature.SQLTransformer(statement="SELECT *, log1p(income) AS log_income, age / 10 AS decade FROM __THIS__"),
            *_encoded(),
            feature.VectorAssembler(inputCols=["features", "log_income", "decade"], outputCol="more"),
            regression.DecisionTreeRegressor(featuresCol="more", maxDepth=6),
        ],
        CUSTOMERS,
        _customers,
    ),
    SparkPipeline(
        "buckets, one-hot, generalized linear regression",
        lambda: [
            feature.Bucketizer(inputCol="age", outputCol="group", splits=[0, 25, 35, 50, 65, 200]),
            feature.OneHotEncoder(inputCol="group", outputCol="group_vector"),
            feature.VectorAssembler(inputCols=["group_vector", "income"], outputCol="features"),
            regression.GeneralizedLinearRegression(family="binomial", link="logit", regParam=0.01),
        ],
        CUSTOMERS,
        _customers,
    ),
    SparkPipeline(
        "scaler, PCA, k-means",
        lambda: [
            _assembled("raw"),
            feature.MinMaxScaler(inputCol="raw", outputCol="scaled"),
            feature.PCA(inputCol="scaled", outputCol="features", k=5),
            clustering.KMeans(k=8, seed=1),
        ],
        SAMPLES,
        _samples,
    ),
    SparkPipeline(
        "alternating least squares",
        lambda: [recommendation.ALS(userCol="user", itemCol="movie", ratingCol="label", rank=10, maxIter=5, seed=1)],
        RATINGS,
        _ratings,
    ),
)
