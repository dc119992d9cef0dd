"""One classifier for each class against all others."""

import json
from dataclasses import dataclass, replace
from math import inf
from typing import Any, Final, Self

from skysail_container.spark.attributes import Attribute, AttributeGroup
from skysail_container.spark.classification import CLASSIFIER_PARAMETERS, ClassifierColumns
from skysail_container.spark.registry import load_stage, spark_stage
from skysail_container.spark.schema import DOUBLE, VECTOR, Column, Schema
from skysail_container.spark.stage import Bound, Row, Stage
from skysail_container.spark.stage_folder import StageFolder
from skysail_container.spark.vectors import DenseVector

__all__ = ["RAW_NAME", "OneVsRestModel"]

RAW_NAME: Final = "mbc$raw"
"""The column in which each of the classifiers writes, and which nobody sees."""
_OUTPUTS: Final = ("predictionCol", "probabilityCol", "leafCol")


@spark_stage(
    "org.apache.spark.ml.classification.OneVsRestModel",
    "pyspark.ml.classification.OneVsRestModel",
    parameters=CLASSIFIER_PARAMETERS,
    training=("labelCol", "weightCol", "classifier", "parallelism"),
    exactness="that of its classifiers; predictions exact",
)
@dataclass(frozen=True)
class OneVsRestModel(Stage):
    """Source: org.apache.spark.ml.classification.OneVsRestModel."""

    uid: str
    columns: ClassifierColumns
    classifiers: tuple[Stage, ...]
    """One for each class; each reads `columns.features` and writes its raw predictions to `raw_name`, nothing else."""
    label: Attribute | None = None
    """What is known of the classes."""
    raw_name: str = RAW_NAME

    @classmethod
    def from_spark(cls, folder: StageFolder) -> Self:
        columns = ClassifierColumns.from_spark(folder)
        n_classes = int(folder.metadata.extra["numClasses"])
        if n_classes < 1:
            raise folder.error(f"it has {n_classes} classifiers")
        classifiers = tuple(
            _classifier(folder.child(f"model_{number}"), columns.features) for number in range(n_classes)
        )
        return cls(folder.uid, columns, classifiers, _label(folder.metadata.extra.get("labelMetadata")))

    def bind(self, schema: Schema) -> Bound:
        columns, raw_name = self.columns, self.raw_name
        schema.column(self.uid, columns.features, VECTOR)
        only_features = Schema({columns.features: schema[columns.features]})
        scores = tuple(classifier.bind(only_features).score for classifier in self.classifiers)
        after = schema
        if columns.raw:
            after = after.with_output(self.uid, columns.raw, Column(VECTOR, AttributeGroup(len(scores))))
        if columns.prediction:
            known = None if self.label is None else AttributeGroup(1, (self.label,))
            after = after.with_output(self.uid, columns.prediction, Column(DOUBLE, known))
        features_name, of_raw, of_prediction = columns.features, columns.raw, columns.prediction

        def score(row: Row) -> None:
            margins = []
            for each in scores:
                outputs: Row = {features_name: row[features_name]}
                each(outputs)
                margins.append(outputs[raw_name].values[1])
            if of_raw:
                row[of_raw] = DenseVector(margins)
            if of_prediction:
                row[of_prediction] = _largest(margins)

        return Bound(after, score if of_raw or of_prediction else _nothing)


def _nothing(row: Row) -> None:
    """Of a stage whose outputs are all switched off."""


def _largest(margins: list[float]) -> float:
    """The index of the first largest number; -1 if all are NaN or negative infinities.

    That is PySpark's transform; Scala's takes NaN for the largest number.
    """
    best, top = -1.0, -inf
    for index, margin in enumerate(margins):
        if margin > top:
            best, top = float(index), margin
    return best


def _classifier(folder: StageFolder, features: str) -> Stage:
    """One of the classifiers, whose own columns count for nothing."""
    metadata = folder.metadata
    known = {**metadata.defaults, **metadata.params}
    unseen: dict[str, Any] = {name: "" for name in _OUTPUTS if name in known}
    params = {**metadata.params, **unseen, "featuresCol": features, "rawPredictionCol": RAW_NAME, "predictionCol": ""}
    return load_stage(StageFolder(folder.path, None, replace(metadata, params=params)))


def _label(metadata: Any) -> Attribute | None:
    """The attribute in the JSON of a column's metadata; PySpark writes an empty one, or none.

    Source: org.apache.spark.ml.attribute.Attribute.toMetadata.
    """
    about = json.loads(metadata or "{}").get("ml_attr")
    if about is None:
        return None
    values = about.get("vals")
    kind = about.get("type")
    return Attribute(
        kind if kind in ("nominal", "binary") else "numeric",
        about.get("name"),
        None if values is None else tuple(values),
        about.get("num_vals"),
        about.get("ord"),
    )
