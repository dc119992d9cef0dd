"""Formulas in the manner of R."""

from typing import Any

from pyspark.ml import Pipeline
from pyspark.ml.classification import LogisticRegression
from pyspark.ml.feature import RFormula, VectorSlicer
from pyspark.ml.linalg import Vectors

from spark.case import Case, spark_case

SCHEMA = {"y": "double", "a": "double", "b": "int", "s": "string", "t": "string"}
DATA = [
    (1.0, 0.5, 3, "x", "p"), (0.0, -1.5, 0, "y", "q"), (1.0, 2.0, 1, "x", "q"), (0.0, 0.0, 2, "z", "p"),
    (1.0, 1.0, 5, "y", "p"), (0.0, -2.0, 4, "x", "q"),
]  # fmt: skip
ROWS = [dict(zip(SCHEMA, row, strict=True)) for row in DATA] + [
    {**dict(zip(SCHEMA, DATA[0], strict=True)), **change}
    for change in (
        {"y": None}, {"a": None}, {"b": None}, {"s": None}, {"s": "new"}, {"t": "new"}, {"a": float("nan")},
        {"a": -0.0}, {"a": float("inf")}, {"s": "", "t": ""}, {"y": 7.5},
    )
]  # fmt: skip


def fitted(spark: Any, formula: str, **settings: Any) -> Case:
    frame = spark.createDataFrame(DATA, list(SCHEMA))
    return Case(RFormula(formula=formula, **settings).fit(frame), SCHEMA, ROWS)


@spark_case
def formula_of_everything(spark: Any) -> Case:
    return fitted(spark, "y ~ .")


@spark_case
def formula_skips(spark: Any) -> Case:
    return fitted(spark, "y ~ a + s + t", handleInvalid="skip")


@spark_case
def formula_keeps(spark: Any) -> Case:
    return fitted(spark, "y ~ a + s:t + s", handleInvalid="keep")


@spark_case
def formula_of_interactions(spark: Any) -> Case:
    return fitted(spark, "y ~ a:b + s:a + s:t + (a + b)^2", stringIndexerOrderType="alphabetAsc")


@spark_case
def formula_without_intercept(spark: Any) -> Case:
    return fitted(spark, "y ~ s + t - 1", featuresCol="terms", labelCol="target")


@spark_case
def formula_of_a_text(spark: Any) -> Case:
    return fitted(spark, "t ~ a + b")


@spark_case
def formula_of_an_indexed_number(spark: Any) -> Case:
    return fitted(spark, "y ~ a", forceIndexLabel=True, handleInvalid="keep")


@spark_case
def formula_without_label(spark: Any) -> Case:
    return fitted(spark, "~ a + s")


@spark_case
def formula_of_rows_without_label(spark: Any) -> Case:
    """As they come online."""
    case = fitted(spark, "y ~ a + s", handleInvalid="keep")
    schema = {name: kind for name, kind in SCHEMA.items() if name != "y"}
    return Case(case.model, schema, [{name: row[name] for name in schema} for row in ROWS])


@spark_case
def formula_of_rows_with_another_label(spark: Any) -> Case:
    model = RFormula(formula="y ~ a").fit(spark.createDataFrame(DATA, list(SCHEMA)))
    return Case(model, {"a": "double", "label": "int"}, [{"a": 1.5, "label": 3}, {"a": -1.0, "label": None}])


@spark_case
def formula_of_vectors(spark: Any) -> Case:
    data = [(1.0, Vectors.dense([1.0, 2.0]), 3.0), (0.0, Vectors.sparse(2, {0: 5.0}), 4.0)]
    frame = spark.createDataFrame(data, ["y", "v", "a"])
    stages = [RFormula(formula="y ~ v + a"), VectorSlicer(inputCol="features", outputCol="some", names=["v_1", "a"])]
    rows = [{"v": vector, "a": a} for _, vector, a in data] + [
        {"v": Vectors.dense([0.0, 0.0]), "a": 0.0},
        {"v": None, "a": 1.0},
    ]
    return Case(Pipeline(stages=stages).fit(frame), {"v": "vector", "a": "double"}, rows)


@spark_case
def formula_and_regression(spark: Any) -> Case:
    frame = spark.createDataFrame(DATA, list(SCHEMA))
    stages = [RFormula(formula="y ~ a + s + b:t", handleInvalid="keep"), LogisticRegression(maxIter=5, regParam=0.1)]
    return Case(Pipeline(stages=stages).fit(frame), SCHEMA, ROWS, rtol=1e-12)
