"""Pipelines in pipelines, and the best models of tunings: with stages that need nothing else."""

from typing import Any

from spark.case import Case, spark_case


@spark_case
def empty_pipeline(spark: Any) -> Case:
    from pyspark.ml import Pipeline

    return Case(Pipeline(stages=[]).fit(spark.range(1)), {"a": "int", "b": "string"}, [{"a": 1, "b": None}])


@spark_case
def churn(spark: Any) -> Case:
    """The pipeline of docs/spark.md: indexers, one-hot, assembler, logistic regression."""
    from pyspark.ml import Pipeline
    from pyspark.ml.classification import LogisticRegression
    from pyspark.ml.feature import OneHotEncoder, StringIndexer, VectorAssembler

    cities, plans = ("Ulm", "Bonn", "Köln"), ("small", "large")
    schema = {"city": "string", "plan": "string", "income": "double", "n": "int"}
    customers: list[dict[str, Any]] = [
        {"city": cities[number % 3], "plan": plans[number * number % 7 % 2], "income": number * 0.37, "n": number % 5}
        for number in range(90)
    ]
    labelled = [{**row, "label": float(number * number % 7 > 2)} for number, row in enumerate(customers)]
    stages = [
        StringIndexer(inputCols=["city", "plan"], outputCols=["city_index", "plan_index"], handleInvalid="keep"),
        OneHotEncoder(inputCols=["city_index", "plan_index"], outputCols=["city_vector", "plan_vector"]),
        VectorAssembler(inputCols=["city_vector", "plan_vector", "income", "n"], outputCol="features"),
        LogisticRegression(regParam=0.01),
    ]
    columns = ", ".join(f"{name} {kind}" for name, kind in {**schema, "label": "double"}.items())
    model = Pipeline(stages=stages).fit(spark.createDataFrame(labelled, columns))
    strangers: list[dict[str, Any]] = [
        {"city": None, "plan": "huge", "income": 31.5, "n": 2},
        {"city": "Ulm", "plan": None, "income": 31.5, "n": 2},
        {"city": "Ulm", "plan": "small", "income": None, "n": 2},
    ]
    return Case(model, schema, [*customers[:12], *strangers])
