"""Pipelines in pipelines, and the best models of tunings: with stages that need nothing else."""

from typing import Any

from spark.case import Case, spark_case


@spark_case
def empty_pipeline(spark: Any) -> Case:
    from pyspark.ml import Pipeline

    return Case(Pipeline(stages=[]).fit(spark.range(1)), {"a": "int", "b": "string"}, [{"a": 1, "b": None}])
