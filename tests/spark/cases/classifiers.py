"""Naive Bayes, perceptrons, factorization machines, one-vs-rest."""

import math
import random
from typing import Any

from pyspark.ml.classification import (
    FMClassifier,
    LinearSVC,
    LogisticRegression,
    MultilayerPerceptronClassifier,
    NaiveBayes,
    OneVsRest,
    RandomForestClassifier,
)
from pyspark.ml.feature import StringIndexer
from pyspark.ml.regression import FMRegressor

from spark.case import Case, spark_case
from spark.cases.linear_data import dense, feature_rows, sparse, training


def of_features(model: Any, rows: list[dict[str, Any]] | None = None) -> Case:
    """Within 1e-12: Spark's sums over dense vectors depend on the processor."""
    return Case(model, {"features": "vector"}, rows or feature_rows(faulty=False), rtol=1e-12)


def counts(spark: Any, largest: int, seed: int = 21) -> tuple[Any, list[dict[str, Any]]]:
    """Vectors of whole numbers from 0 to `largest`: to train with, and to score."""
    chance = random.Random(seed)
    data = []
    for index in range(45):
        values = [float(chance.randint(0, largest)) * (k % 3 != index % 3) for k in range(6)]
        data.append((dense(values), float(index % 3), 1.0 + index % 2))
    rows = [features for features, _, _ in data[:10]]
    rows += [sparse(6, {k: float(chance.randint(0, largest)) for k in chance.sample(range(6), 3)}) for _ in range(6)]
    rows += [dense([0.0] * 6), dense([1.0] * 6), sparse(6, {}), dense([1.0, 0.0, -0.0, 0.0, 1.0, 1.0])]
    rows += [dense([-1.0, 0.0, 0.0, 0.0, 0.0, 0.0]), sparse(6, {2: math.nan}), sparse(6, {2: 0.5}), None]
    rows += [dense([1.0] * 5), dense([1.0] * 7), dense([2.0] * 6), dense([0.0, math.inf, 0.0, 0.0, 0.0, 0.0])]
    return spark.createDataFrame(data, ["features", "label", "weight"]), [{"features": row} for row in rows]


@spark_case
def naive_bayes_multinomial(spark: Any) -> Case:
    frame, rows = counts(spark, 4)
    return of_features(NaiveBayes(weightCol="weight").fit(frame), rows)


@spark_case
def naive_bayes_multinomial_without_smoothing(spark: Any) -> Case:
    frame, rows = counts(spark, 4)
    model = NaiveBayes(smoothing=0.0, thresholds=[0.5, 0.3, 0.9])
    return of_features(model.fit(frame), rows)


@spark_case
def naive_bayes_complement(spark: Any) -> Case:
    frame, rows = counts(spark, 4)
    return of_features(NaiveBayes(modelType="complement").fit(frame), rows)


@spark_case
def naive_bayes_bernoulli(spark: Any) -> Case:
    frame, rows = counts(spark, 1)
    return of_features(NaiveBayes(modelType="bernoulli", smoothing=0.7).fit(frame), rows)


@spark_case
def naive_bayes_gaussian(spark: Any) -> Case:
    model = NaiveBayes(modelType="gaussian").fit(training(spark, n_classes=3))
    return of_features(model, feature_rows())


@spark_case
def naive_bayes_gaussian_prediction_only(spark: Any) -> Case:
    model = NaiveBayes(modelType="gaussian", thresholds=[0.1, 0.9, 0.4]).fit(training(spark, n_classes=3))
    return of_features(model.setRawPredictionCol("").setProbabilityCol(""))


@spark_case
def perceptron(spark: Any) -> Case:
    model = MultilayerPerceptronClassifier(layers=[5, 4, 3], maxIter=10, seed=1)
    return of_features(model.fit(training(spark, n_classes=3)), feature_rows())


@spark_case
def perceptron_without_hidden_layers(spark: Any) -> Case:
    model = MultilayerPerceptronClassifier(layers=[5, 2], maxIter=10, seed=1)
    return of_features(model.fit(training(spark)).setThresholds([0.8, 0.2]))


@spark_case
def perceptron_prediction_only(spark: Any) -> Case:
    """Where it predicts straight from features, Spark leaves the thresholds aside."""
    model = MultilayerPerceptronClassifier(layers=[5, 3, 3, 2], maxIter=10, seed=1)
    fitted = model.fit(training(spark)).setThresholds([0.9, 0.1])
    return of_features(fitted.setRawPredictionCol("").setProbabilityCol(""))


@spark_case
def perceptron_without_raw(spark: Any) -> Case:
    model = MultilayerPerceptronClassifier(layers=[5, 3, 2], maxIter=10, seed=1)
    return of_features(model.fit(training(spark)).setThresholds([0.9, 0.1]).setRawPredictionCol(""))


@spark_case
def factorization_classes(spark: Any) -> Case:
    model = FMClassifier(factorSize=3, maxIter=10, stepSize=0.1, seed=1).fit(training(spark))
    return of_features(model, feature_rows())


@spark_case
def factorization_classes_thresholds(spark: Any) -> Case:
    model = FMClassifier(factorSize=2, maxIter=10, stepSize=0.1, seed=1, thresholds=[0.7, 0.3], fitLinear=False)
    return of_features(model.fit(training(spark)))


@spark_case
def factorization_classes_prediction_only(spark: Any) -> Case:
    model = FMClassifier(factorSize=2, maxIter=10, stepSize=0.1, seed=1, thresholds=[0.7, 0.3], fitIntercept=False)
    return of_features(model.fit(training(spark)).setRawPredictionCol("").setProbabilityCol(""))


@spark_case
def factorization_numbers(spark: Any) -> Case:
    model = FMRegressor(labelCol="number", factorSize=3, maxIter=10, stepSize=0.1, seed=1)
    return of_features(model.fit(training(spark)), feature_rows())


@spark_case
def factorization_numbers_without_linear_terms(spark: Any) -> Case:
    model = FMRegressor(labelCol="number", factorSize=4, maxIter=10, stepSize=0.1, seed=1, fitLinear=False)
    return of_features(model.fit(training(spark)).setPredictionCol("value"))


@spark_case
def one_vs_rest_of_logistic_regressions(spark: Any) -> Case:
    model = OneVsRest(classifier=LogisticRegression(maxIter=10, regParam=0.01, threshold=0.9))
    return of_features(model.fit(training(spark, n_classes=3)), feature_rows())


@spark_case
def one_vs_rest_of_support_vectors(spark: Any) -> Case:
    model = OneVsRest(classifier=LinearSVC(maxIter=5), predictionCol="class")
    return of_features(model.fit(training(spark, n_classes=3)))


@spark_case
def one_vs_rest_of_indexed_labels(spark: Any) -> Case:
    """The classes' names pass from the label column to the prediction."""
    frame = spark.createDataFrame(
        [(row.features, ["low", "mid", "high"][int(row.label)]) for row in training(spark, n_classes=3).collect()],
        ["x", "name"],
    )
    frame = StringIndexer(inputCol="name", outputCol="y").fit(frame).transform(frame)
    model = OneVsRest(
        classifier=NaiveBayes(modelType="gaussian"), featuresCol="x", labelCol="y", predictionCol="class"
    ).fit(frame)
    return Case(model, {"x": "vector"}, [{"x": row["features"]} for row in feature_rows(faulty=False)], rtol=1e-12)


@spark_case
def one_vs_rest_of_forests(spark: Any) -> Case:
    model = OneVsRest(classifier=RandomForestClassifier(numTrees=3, maxDepth=3, seed=1, leafCol="leaf"))
    return of_features(model.fit(training(spark, n_classes=3)))
