"""Stages made of stages: pipelines, nested ones too, and the best models of tunings."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from skysail_container.spark.registry import load_stage, spark_stage
from skysail_container.spark.schema import Schema
from skysail_container.spark.stage import Bound, Row, ScoreRows, Stage, bound_stage, one_after_another
from skysail_container.spark.stage_folder import StageFolder

__all__ = ["BestModel", "PipelineModel"]


@spark_stage(
    "org.apache.spark.ml.PipelineModel",
    "pyspark.ml.pipeline.PipelineModel",
    parameters={"stageUids": None},
    training=("language",),
)
@dataclass(frozen=True)
class PipelineModel(Stage):
    """Stages in their order. Source: org.apache.spark.ml.Pipeline, whose folders are `stages/<number>_<uid>`."""

    uid: str
    stages: tuple[Stage, ...]

    @classmethod
    def from_spark(cls, folder: StageFolder) -> Self:
        uids = folder.required("stageUids")
        digits = len(str(len(uids)))
        return cls(
            folder.uid,
            tuple(load_stage(folder.child(f"stages/{number:0{digits}}_{uid}")) for number, uid in enumerate(uids)),
        )

    def bind(self, schema: Schema) -> Bound:
        parts = []
        for stage in self.stages:
            bound = bound_stage(stage, schema)
            parts.append(bound)
            schema = bound.schema
        return Bound(schema, one_after_another([part.score for part in parts]), _together(parts))


def _together(parts: Sequence[Bound]) -> ScoreRows | None:
    """None if no stage gains by scoring rows together."""
    if all(part.score_rows is None for part in parts):
        return None

    def score_rows(rows: Sequence[Row]) -> None:
        for part in parts:
            if part.score_rows is not None:
                part.score_rows(rows)
            else:
                for row in rows:
                    part.score(row)

    return score_rows


@spark_stage(
    "org.apache.spark.ml.tuning.CrossValidatorModel",
    "org.apache.spark.ml.tuning.TrainValidationSplitModel",
    "pyspark.ml.tuning.CrossValidatorModel",
    "pyspark.ml.tuning.TrainValidationSplitModel",
    parameters={},
    training=(
        "estimator", "estimatorParamMaps", "evaluator", "numFolds", "seed", "foldCol", "parallelism",
        "collectSubModels", "trainRatio", "persistSubModels",
    ),
)  # fmt: skip
@dataclass(frozen=True)
class BestModel(Stage):
    """The model that a tuning chose: it alone scores. Source: org.apache.spark.ml.tuning."""

    uid: str
    best: Stage

    @classmethod
    def from_spark(cls, folder: StageFolder) -> Self:
        return cls(folder.uid, load_stage(folder.child("bestModel")))

    def bind(self, schema: Schema) -> Bound:
        return self.best.bind(schema)
