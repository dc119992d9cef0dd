"""Formulas in the manner of R, and the two stages that Spark makes for them alone."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self

from skysail_container.spark.registry import load_stage, spark_stage
from skysail_container.spark.schema import BOOLEAN, DOUBLE, VECTOR, Schema
from skysail_container.spark.stage import Bound, Row, Score, Stage, one_after_another
from skysail_container.spark.stage_folder import StageFolder

__all__ = ["ColumnPruner", "RFormulaModel", "VectorAttributeRewriter"]


@spark_stage(
    "org.apache.spark.ml.feature.RFormulaModel",
    parameters={"featuresCol": "features", "labelCol": "label"},
    training=("formula", "forceIndexLabel", "stringIndexerOrderType", "handleInvalid"),
)
@dataclass(frozen=True)
class RFormulaModel(Stage):
    """The pipeline that a formula was made into, and the label as a double where the row has one.

    Source: org.apache.spark.ml.feature.RFormulaModel.
    """

    uid: str
    stages: Stage
    label: str
    """The column on the left of the formula; empty: there is none."""
    features_column: str = "features"
    label_column: str = "label"

    @classmethod
    def from_spark(cls, folder: StageFolder) -> Self:
        return cls(
            folder.uid,
            load_stage(folder.child("pipelineModel")),
            str(folder.row()["label"]),
            folder.required("featuresCol"),
            folder.required("labelCol"),
        )

    def bind(self, schema: Schema) -> Bound:
        if self.features_column in schema:
            raise self.error("this column of features exists already", column=self.features_column)
        if self.label_column in schema:
            schema.numeric(self.uid, self.label_column)
        bound = self.stages.bind(schema)
        if self.label not in bound.schema or self.label_column in bound.schema:
            return bound
        label = bound.schema[self.label]
        if not (label.is_numeric or label.type == BOOLEAN):
            raise self.error(f"a label of numbers or booleans is expected, this is {label.type}", column=self.label)
        return Bound(
            bound.schema.with_column(self.label_column, DOUBLE),
            one_after_another((bound.score, _as_double(self.label, self.label_column))),
        )


def _as_double(source: str, target: str) -> Score:
    def score(row: Row) -> None:
        value = row[source]
        row[target] = None if value is None else float(value)

    return score


@spark_stage("org.apache.spark.ml.feature.ColumnPruner", parameters={})
@dataclass(frozen=True)
class ColumnPruner(Stage):
    """Takes away the columns that a formula needed in between. Source: org.apache.spark.ml.feature.ColumnPruner."""

    uid: str
    columns: tuple[str, ...]

    @classmethod
    def from_spark(cls, folder: StageFolder) -> Self:
        return cls(folder.uid, tuple(dict.fromkeys(str(name) for name in folder.row()["columnsToPrune"])))

    def bind(self, schema: Schema) -> Bound:
        present = tuple(name for name in self.columns if name in schema)

        def score(row: Row) -> None:
            for name in present:
                del row[name]

        return Bound(schema.without(*present), score)


@spark_stage("org.apache.spark.ml.feature.VectorAttributeRewriter", parameters={})
@dataclass(frozen=True)
class VectorAttributeRewriter(Stage):
    """Names the features of a vector after the formula, and moves its column to the end.

    Source: org.apache.spark.ml.feature.VectorAttributeRewriter.
    """

    uid: str
    column: str
    replacements: Mapping[str, str]

    @classmethod
    def from_spark(cls, folder: StageFolder) -> Self:
        row = folder.row()
        return cls(folder.uid, str(row["vectorCol"]), dict(row["prefixesToRewrite"]))

    def bind(self, schema: Schema) -> Bound:
        found = schema.column(self.uid, self.column, VECTOR)
        group = found.attributes
        if group is not None and group.attributes is not None:
            renamed = tuple(
                attribute if attribute.name is None else attribute.named(self._renamed(attribute.name))
                for attribute in group.attributes
            )
            found = replace(found, attributes=replace(group, attributes=renamed))
        return Bound(schema.without(self.column).with_column(self.column, found), _nothing)

    def _renamed(self, name: str) -> str:
        for before, after in self.replacements.items():
            name = name.replace(before, after)
        return name


def _nothing(row: Row) -> None:
    """The values stay."""
