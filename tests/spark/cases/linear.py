"""Logistic regression, support vectors, linear regression."""

import random
from typing import Any

from pyspark.ml import Pipeline
from pyspark.ml.classification import LinearSVC, LogisticRegression
from pyspark.ml.feature import VectorAssembler
from pyspark.ml.linalg import SparseVector
from pyspark.ml.regression import LinearRegression

from spark.case import Case, spark_case
from spark.cases.linear_data import dense, feature_rows, sparse, training


def of_features(model: Any, rows: list[dict[str, Any]] | None = None) -> Case:
    """Within 1e-12: Spark's sums over dense vectors depend on the processor."""
    return Case(model, {"features": "vector"}, rows or feature_rows(), rtol=1e-12)


def binary(spark: Any, **params: Any) -> Any:
    return LogisticRegression(maxIter=20, regParam=0.01, **params).fit(training(spark))


def multinomial(spark: Any, **params: Any) -> Any:
    return LogisticRegression(maxIter=20, regParam=0.01, **params).fit(training(spark, n_classes=3))


@spark_case
def logistic_binary(spark: Any) -> Case:
    return of_features(binary(spark, weightCol="weight"))


@spark_case
def logistic_binary_threshold(spark: Any) -> Case:
    return of_features(binary(spark, threshold=0.37))


@spark_case
def logistic_binary_threshold_zero(spark: Any) -> Case:
    return of_features(binary(spark, threshold=0.0))


@spark_case
def logistic_binary_threshold_one(spark: Any) -> Case:
    return of_features(binary(spark, threshold=1.0))


@spark_case
def logistic_binary_thresholds(spark: Any) -> Case:
    return of_features(binary(spark, thresholds=[0.3, 0.7]))


@spark_case
def logistic_binary_thresholds_with_zero(spark: Any) -> Case:
    return of_features(binary(spark).setThresholds([0.4, 0.0]))


@spark_case
def logistic_binary_renamed(spark: Any) -> Case:
    model = binary(spark).setFeaturesCol("x").setRawPredictionCol("margins")
    model = model.setProbabilityCol("p").setPredictionCol("class")
    return Case(model, {"x": "vector"}, [{"x": row["features"]} for row in feature_rows(seed=8)], rtol=1e-12)


@spark_case
def logistic_binary_without_raw(spark: Any) -> Case:
    return of_features(binary(spark, threshold=0.6).setRawPredictionCol(""))


@spark_case
def logistic_binary_without_probability(spark: Any) -> Case:
    return of_features(binary(spark, threshold=0.6).setProbabilityCol(""))


@spark_case
def logistic_binary_prediction_only(spark: Any) -> Case:
    return of_features(binary(spark, threshold=0.6).setProbabilityCol("").setRawPredictionCol(""))


@spark_case
def logistic_binary_without_prediction(spark: Any) -> Case:
    return of_features(binary(spark).setPredictionCol(""))


@spark_case
def logistic_binary_no_outputs(spark: Any) -> Case:
    return of_features(binary(spark).setPredictionCol("").setProbabilityCol("").setRawPredictionCol(""))


@spark_case
def logistic_binary_sparse_coefficients(spark: Any) -> Case:
    model = LogisticRegression(maxIter=20, regParam=0.08, elasticNetParam=1.0).fit(training(spark, n=12))
    return of_features(model, feature_rows(n=12))


@spark_case
def logistic_sparse_rows(spark: Any) -> Case:
    """Every bit is Spark's where no sum is dense."""
    rows = [row for row in feature_rows() if row["features"] is None or isinstance(row["features"], SparseVector)]
    return Case(binary(spark), {"features": "vector"}, rows, rtol=1e-15)


@spark_case
def logistic_wide(spark: Any) -> Case:
    """So many features that Spark adds in lanes."""
    model = LogisticRegression(maxIter=5, regParam=0.1).fit(training(spark, n=45))
    return of_features(model, feature_rows(n=45, faulty=False))


@spark_case
def logistic_multinomial_wide(spark: Any) -> Case:
    model = LogisticRegression(maxIter=5, regParam=0.1).fit(training(spark, n=45, n_classes=3))
    return of_features(model, feature_rows(n=45, faulty=False))


@spark_case
def logistic_multinomial(spark: Any) -> Case:
    return of_features(multinomial(spark))


@spark_case
def logistic_multinomial_two_classes(spark: Any) -> Case:
    return of_features(binary(spark, family="multinomial", threshold=0.9))


@spark_case
def logistic_multinomial_without_intercept(spark: Any) -> Case:
    return of_features(multinomial(spark, fitIntercept=False))


@spark_case
def logistic_multinomial_thresholds(spark: Any) -> Case:
    return of_features(multinomial(spark, thresholds=[0.2, 0.5, 0.1]))


@spark_case
def logistic_multinomial_thresholds_with_zero(spark: Any) -> Case:
    return of_features(multinomial(spark, thresholds=[0.2, 0.0, 0.1]).setRawPredictionCol(""))


@spark_case
def logistic_multinomial_without_raw(spark: Any) -> Case:
    return of_features(multinomial(spark).setRawPredictionCol(""))


@spark_case
def logistic_multinomial_prediction_only(spark: Any) -> Case:
    return of_features(multinomial(spark, thresholds=[0.9, 0.5, 0.1]).setRawPredictionCol("").setProbabilityCol(""))


@spark_case
def logistic_multinomial_sparse_coefficients(spark: Any) -> Case:
    model = LogisticRegression(maxIter=20, regParam=0.06, elasticNetParam=1.0)
    return of_features(model.fit(training(spark, n_classes=3, n=12)), feature_rows(n=12))


@spark_case
def logistic_multinomial_sparse_by_columns(spark: Any) -> Case:
    """Many classes and few features with coefficients: columns are the smaller form."""
    frame = training(spark, n_classes=6, n=3, seed=5)
    model = LogisticRegression(maxIter=20, regParam=0.12, elasticNetParam=1.0).fit(frame)
    return of_features(model, feature_rows(n=3))


@spark_case
def logistic_of_assembled_columns(spark: Any) -> Case:
    chance = random.Random(11)
    columns = ["a", "b", "c", "d"]
    data = [(*(chance.gauss(0.0, 1.0) for _ in columns), float(chance.random() < 0.5)) for _ in range(40)]
    frame = spark.createDataFrame(data, [*columns, "label"])
    model = Pipeline(stages=[VectorAssembler(inputCols=columns, outputCol="features"), LogisticRegression()]).fit(frame)
    rows: list[dict[str, Any]] = [dict(zip(columns, row, strict=False)) for row in data[:8]]
    rows += [dict.fromkeys(columns, 0.0), {"a": 0.0, "b": 0.0, "c": 2.5, "d": 0.0}, {**rows[0], "a": None}]
    return Case(model, dict.fromkeys(columns, "double"), rows, rtol=1e-12)


@spark_case
def support_vectors(spark: Any) -> Case:
    return of_features(LinearSVC(maxIter=15, regParam=0.01).fit(training(spark)))


@spark_case
def support_vectors_threshold(spark: Any) -> Case:
    return of_features(LinearSVC(maxIter=15, regParam=0.01, threshold=0.5).fit(training(spark)))


@spark_case
def support_vectors_prediction_only(spark: Any) -> Case:
    model = LinearSVC(maxIter=15, threshold=-0.5, rawPredictionCol="").fit(training(spark))
    return of_features(model.setPredictionCol("class"))


@spark_case
def support_vectors_raw_only(spark: Any) -> Case:
    return of_features(LinearSVC(maxIter=15, predictionCol="").fit(training(spark)))


@spark_case
def linear_regression(spark: Any) -> Case:
    return of_features(LinearRegression(labelCol="number", weightCol="weight").fit(training(spark)))


@spark_case
def linear_regression_huber(spark: Any) -> Case:
    model = LinearRegression(labelCol="number", loss="huber", epsilon=1.5, predictionCol="value", maxIter=20)
    return of_features(model.fit(training(spark)))


@spark_case
def linear_regression_lasso(spark: Any) -> Case:
    model = LinearRegression(labelCol="number", regParam=0.05, elasticNetParam=1.0, solver="l-bfgs", fitIntercept=False)
    return of_features(model.fit(training(spark, n=12)), feature_rows(n=12))


@spark_case
def linear_regression_switched_off(spark: Any) -> Case:
    model = LinearRegression(labelCol="number").fit(training(spark)).setPredictionCol("")
    return of_features(model, [{"features": dense([1.0] * 5)}, {"features": None}, {"features": sparse(2, {})}])
