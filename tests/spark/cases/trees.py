"""Decision trees, forests and boosted trees: continuous and categorical splits, every output on and off."""

import random
from collections.abc import Iterator, Sequence
from math import inf, nan
from typing import Any

from pyspark.ml import Pipeline
from pyspark.ml.classification import DecisionTreeClassifier, GBTClassifier, RandomForestClassifier
from pyspark.ml.feature import IndexToString, StringIndexer, VectorAssembler, VectorIndexer
from pyspark.ml.linalg import SparseVector, Vectors
from pyspark.ml.regression import DecisionTreeRegressor, GBTRegressor, RandomForestRegressor
from pyspark.sql import DataFrame, SparkSession

from spark.case import Case, spark_case

SCHEMA = {"features": "vector"}
N_CATEGORIES = (3, 12)
"""Of the last two features; the three before them are continuous."""
_NOMINAL = [
    {"idx": 3 + number, "vals": [f"v{one}" for one in range(count)]} for number, count in enumerate(N_CATEGORIES)
]
_METADATA = {
    "ml_attr": {
        "attrs": {"numeric": [{"idx": index} for index in range(3)], "nominal": _NOMINAL},
        "num_attrs": 3 + len(N_CATEGORIES),
    }
}


def points(seed: int, n_rows: int) -> Iterator[tuple[list[float], float]]:
    """Features, and a target that depends on all of them."""
    chance = random.Random(seed)
    for _ in range(n_rows):
        values = [round(chance.gauss(0, 2), 3), chance.uniform(-5, 5), float(chance.randrange(4))]
        values += [float(chance.randrange(count)) for count in N_CATEGORIES]
        target = values[0] * values[2] + (2.5 if values[3] == 1 else -1.0) + (values[4] * 7 % 5) + chance.gauss(0, 0.5)
        yield values, target


def trained(spark: SparkSession, n_classes: int = 0, n_rows: int = 160) -> DataFrame:
    """
    :param n_classes: 0: the label is the target itself.
    """
    data = [
        (Vectors.dense(values), float(int(target) % n_classes) if n_classes else target)
        for values, target in points(7, n_rows)
    ]
    return spark.createDataFrame(data, ["features", "label"]).withMetadata("features", _METADATA)


def rows() -> list[dict[str, Any]]:
    seen = [values for values, _ in points(11, 14)]
    unseen: Sequence[Sequence[float]] = [
        [nan, nan, nan, nan, nan],
        [nan, 1.0, 2.0, 0.0, 3.0],
        [inf, -inf, inf, 2.0, 11.0],
        [-inf, inf, -inf, 1.0, 0.0],
        [-0.0, 0.0, -0.0, -0.0, -0.0],
        [0.5, 0.5, 0.5, 3.0, 12.0],
        [0.5, 0.5, 0.5, 0.5, 1.5],
        [0.5, 0.5, 0.5, -1.0, -1.0],
        [1.0, 2.0, 3.0, inf, -inf],
        [1.0, 2.0, 3.0, 1e300, 5.0],
        [1.0, 2.0, 3.0, 1.0, 5.0, 99.0, 98.0],
        [1.0, 2.0, 3.0],
        [],
    ]
    vectors: list[Any] = [Vectors.dense(list(values)) for values in [*seen, *unseen]]
    vectors += [
        SparseVector(5, [], []),
        SparseVector(5, [0, 4], [-1.5, 7.0]),
        SparseVector(5, [1, 3], [nan, 2.0]),
        SparseVector(5, [0, 1, 2, 3, 4], [0.0, 4.5, 3.0, 1.0, 9.0]),
        SparseVector(100_000, [2, 3, 70_000], [3.0, 2.0, 1.0]),
        SparseVector(2, [0], [1.0]),
        None,
    ]
    return [{"features": vector} for vector in vectors]


def case(estimator: Any, frame: DataFrame, rtol: float = 0.0) -> Case:
    return Case(Pipeline(stages=[estimator]).fit(frame), SCHEMA, rows(), rtol)


@spark_case
def decision_tree_classifier(spark: SparkSession) -> Case:
    return case(DecisionTreeClassifier(maxDepth=5, leafCol="leaf", seed=1), trained(spark, 3))


@spark_case
def decision_tree_classifier_thresholds(spark: SparkSession) -> Case:
    return case(DecisionTreeClassifier(maxDepth=3).setThresholds([0.9, 0.2, 0.0]), trained(spark, 3))


@spark_case
def decision_tree_classifier_only_prediction(spark: SparkSession) -> Case:
    """The tree's own prediction: no raw predictions, no thresholds."""
    estimator = DecisionTreeClassifier(
        impurity="entropy", maxDepth=4, rawPredictionCol="", probabilityCol="", predictionCol="class"
    )
    return case(estimator.setThresholds([0.1, 9.0]), trained(spark, 2))


@spark_case
def decision_tree_classifier_only_probability(spark: SparkSession) -> Case:
    return case(DecisionTreeClassifier(maxDepth=3, rawPredictionCol="", predictionCol=""), trained(spark, 2))


@spark_case
def decision_tree_classifier_only_leaf(spark: SparkSession) -> Case:
    return case(
        DecisionTreeClassifier(maxDepth=3, rawPredictionCol="", probabilityCol="", predictionCol="", leafCol="leaf"),
        trained(spark, 2),
    )


@spark_case
def decision_tree_classifier_one_leaf(spark: SparkSession) -> Case:
    model = case(DecisionTreeClassifier(maxDepth=0, leafCol="leaf"), trained(spark, 2))
    return Case(model.model, model.schema, [row for row in model.rows if row["features"] is not None])


@spark_case
def decision_tree_regressor(spark: SparkSession) -> Case:
    return case(DecisionTreeRegressor(maxDepth=5, varianceCol="variance", leafCol="leaf"), trained(spark))


@spark_case
def decision_tree_regressor_plain(spark: SparkSession) -> Case:
    return case(DecisionTreeRegressor(maxDepth=4, maxBins=16), trained(spark))


@spark_case
def decision_tree_regressor_only_variance(spark: SparkSession) -> Case:
    return case(DecisionTreeRegressor(maxDepth=2, predictionCol="", varianceCol="variance"), trained(spark))


@spark_case
def random_forest_classifier(spark: SparkSession) -> Case:
    return case(RandomForestClassifier(numTrees=12, maxDepth=4, leafCol="leaves", seed=3), trained(spark, 2))


@spark_case
def random_forest_classifier_of_many_classes(spark: SparkSession) -> Case:
    return case(RandomForestClassifier(numTrees=7, maxDepth=4, maxBins=20, seed=4), trained(spark, 5))


@spark_case
def random_forest_classifier_thresholds(spark: SparkSession) -> Case:
    estimator = RandomForestClassifier(
        numTrees=5, maxDepth=3, seed=5, rawPredictionCol="raw", bootstrap=False, featureSubsetStrategy="2"
    )
    return case(estimator.setThresholds([0.8, 0.1, 0.5]), trained(spark, 3))


@spark_case
def random_forest_classifier_only_prediction(spark: SparkSession) -> Case:
    """Thresholds count here, unlike in a single tree."""
    estimator = RandomForestClassifier(numTrees=5, maxDepth=3, seed=5, rawPredictionCol="", probabilityCol="")
    return case(estimator.setThresholds([0.8, 0.1]), trained(spark, 2))


@spark_case
def random_forest_regressor(spark: SparkSession) -> Case:
    return case(RandomForestRegressor(numTrees=12, maxDepth=4, leafCol="leaves", seed=6), trained(spark))


@spark_case
def random_forest_regressor_of_numbers(spark: SparkSession) -> Case:
    """No feature is categorical."""
    frame = trained(spark).withMetadata("features", {})
    return case(RandomForestRegressor(numTrees=6, maxDepth=4, seed=2), frame)


@spark_case
def random_forest_regressor_renamed(spark: SparkSession) -> Case:
    return case(RandomForestRegressor(numTrees=3, maxDepth=2, predictionCol="estimate", seed=6), trained(spark))


@spark_case
def random_forest_regressor_only_leaves(spark: SparkSession) -> Case:
    return case(RandomForestRegressor(numTrees=3, maxDepth=2, predictionCol="", leafCol="leaves"), trained(spark))


@spark_case
def gbt_classifier(spark: SparkSession) -> Case:
    return case(GBTClassifier(maxIter=10, maxDepth=3, leafCol="leaves", seed=8), trained(spark, 2), 1e-12)


@spark_case
def gbt_classifier_thresholds(spark: SparkSession) -> Case:
    estimator = GBTClassifier(maxIter=5, maxDepth=3, seed=8).setThresholds([0.9, 0.3])
    return case(estimator, trained(spark, 2), 1e-12)


@spark_case
def gbt_classifier_only_prediction(spark: SparkSession) -> Case:
    estimator = GBTClassifier(maxIter=4, maxDepth=2).setRawPredictionCol("").setProbabilityCol("")
    return case(estimator, trained(spark, 2))


@spark_case
def gbt_regressor(spark: SparkSession) -> Case:
    estimator = GBTRegressor(maxIter=10, maxDepth=3, leafCol="leaves", lossType="absolute", stepSize=0.3, seed=9)
    return case(estimator, trained(spark), 1e-12)


@spark_case
def gbt_regressor_plain(spark: SparkSession) -> Case:
    return case(GBTRegressor(maxIter=6, maxDepth=3, seed=9, subsamplingRate=0.8), trained(spark), 1e-12)


@spark_case
def forest_between_indexers(spark: SparkSession) -> Case:
    """The usual pipeline: texts to indices, a vector of which some features are categorical, trees, a text again."""
    chance = random.Random(31)
    data = []
    for _ in range(150):
        kind, size, age = chance.choice(["a", "b", "ü", ""]), chance.randrange(5), chance.gauss(40, 10)
        data.append((kind, size, age, "yes" if (kind in "ab") == (size > 2) and age > 35 else "no"))
    frame = spark.createDataFrame(data, "kind string, size int, age double, answer string")
    stages = [
        StringIndexer(inputCol="kind", outputCol="kind_index", handleInvalid="keep", stringOrderType="alphabetAsc"),
        StringIndexer(inputCol="answer", outputCol="label", stringOrderType="alphabetAsc", handleInvalid="keep"),
        VectorAssembler(inputCols=["kind_index", "size", "age"], outputCol="assembled", handleInvalid="keep"),
        VectorIndexer(inputCol="assembled", outputCol="features", maxCategories=6, handleInvalid="keep"),
        RandomForestClassifier(numTrees=8, maxDepth=4, leafCol="leaves", seed=1),
        IndexToString(inputCol="prediction", outputCol="said", labels=["no", "yes", "?"]),
    ]
    kinds = ["a", "b", "ü", "", "c", None]
    rows = [
        {"kind": kind, "size": number % 7, "age": nan if number == 9 else 20.0 + 3 * number, "answer": None}
        for number, kind in enumerate(kinds * 3)
    ]
    schema = {"kind": "string", "size": "int", "age": "double", "answer": "string"}
    return Case(Pipeline(stages=stages).fit(frame), schema, rows)
