"""Spark ML pipelines without Spark: what `PipelineModel.save()` wrote, scored in Python, equal to Spark.

from skysail_container.spark import load_pipeline

pipeline = load_pipeline("churn_model")
pipeline.score_instance({"age": 44, "city": "Bonn"})["probability"].to_list()
pipeline.transform({"age": [44, 31], "city": ["Bonn", "Ulm"]})["prediction"]
"""

from skysail_container.spark.errors import RowDropped, RowError, RowFault, StageError, UnsupportedStageError
from skysail_container.spark.pipeline import Pipeline, Scorer, load_pipeline
from skysail_container.spark.registry import known_stages, spark_stage
from skysail_container.spark.schema import Column, Schema
from skysail_container.spark.stage import Bound, Row, Stage
from skysail_container.spark.stage_folder import StageFolder
from skysail_container.spark.vectors import DenseVector, SparseVector, Vector

__all__ = [
    "Bound",
    "Column",
    "DenseVector",
    "Pipeline",
    "Row",
    "RowDropped",
    "RowError",
    "RowFault",
    "Schema",
    "Scorer",
    "SparseVector",
    "Stage",
    "StageError",
    "StageFolder",
    "UnsupportedStageError",
    "Vector",
    "known_stages",
    "load_pipeline",
    "spark_stage",
]
