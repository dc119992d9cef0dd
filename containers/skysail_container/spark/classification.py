"""What all classifiers have in common: from raw predictions to probabilities to a prediction, each in its column.

Source: org.apache.spark.ml.classification.{ClassificationModel, ProbabilisticClassificationModel}. A column whose name
is empty is switched off. Which columns are on decides what a prediction is made of: the raw predictions if they have a
column, else the probabilities if they have one, else what the class does in its `predict`.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Self

from skysail_container.spark.attributes import AttributeGroup, nominal
from skysail_container.spark.batch import Batch, SparseRows, together
from skysail_container.spark.java_math import divided
from skysail_container.spark.schema import DOUBLE, VECTOR, Column, Schema
from skysail_container.spark.stage import Bound, Row, ScoreRows, Stage
from skysail_container.spark.stage_folder import StageFolder
from skysail_container.spark.vectors import DenseVector, Vector

__all__ = [
    "CLASSIFIER_PARAMETERS",
    "PROBABILISTIC_PARAMETERS",
    "Classifier",
    "ClassifierColumns",
    "argmax",
    "bound_classifier",
]

CLASSIFIER_PARAMETERS: Final[Mapping[str, Any]] = MappingProxyType(
    {"featuresCol": "features", "predictionCol": "prediction", "rawPredictionCol": "rawPrediction"}
)
PROBABILISTIC_PARAMETERS: Final[Mapping[str, Any]] = MappingProxyType(
    {**CLASSIFIER_PARAMETERS, "probabilityCol": "probability", "thresholds": None}
)

Values = list[float]


@dataclass(frozen=True, slots=True)
class ClassifierColumns:
    """The columns of a classifier; an empty name: that output is switched off."""

    features: str = "features"
    raw: str = "rawPrediction"
    probability: str = "probability"
    """Empty for a class without probabilities."""
    prediction: str = "prediction"
    thresholds: tuple[float, ...] | None = None
    """One for each class: the prediction is the class with the largest probability / threshold."""

    @classmethod
    def from_spark(cls, folder: StageFolder) -> Self:
        thresholds = folder.param("thresholds")
        return cls(
            folder.required("featuresCol"),
            folder.param("rawPredictionCol") or "",
            folder.param("probabilityCol") or "",
            folder.param("predictionCol") or "",
            None if thresholds is None else tuple(float(threshold) for threshold in thresholds),
        )


@dataclass(frozen=True, slots=True)
class Classifier:
    """What a class of Spark computes. The lists that these functions get are shared and must not be changed."""

    n_classes: int
    raw: Callable[[Vector], Values]
    """`predictRaw`: one number for each class.

    :raises RowError: the features do not fit.
    """
    probability: Callable[[Values], Values] | None = None
    """`raw2probability`; None: the class has no probabilities."""
    raw_rows: Callable[[Sequence[Vector]], Sequence[Values]] | None = None
    """The same as `raw` for many rows, only where it is much faster; it raises something for a null among them."""
    raw_sparse: Callable[[SparseRows], Sequence[Values]] | None = None
    """The same for many sparse vectors, if there is a faster way than one by one."""
    predict: Callable[[Vector], float] | None = None
    """`predict`, used if neither raw predictions nor probabilities have a column; None: as from raw predictions."""
    raw_prediction: Callable[[Values], float] | None = None
    """`raw2prediction` of a class that has its own; None: thresholds or the largest."""
    probability_prediction: Callable[[Values], float] | None = None
    """`probability2prediction` of a class that has its own; None: thresholds or the largest."""


def argmax(values: Values) -> float:
    """The index of the first largest value; 0 if the first one is NaN, and NaN elsewhere is never the largest."""
    return float(values.index(max(values)))


def bound_classifier(stage: Stage, schema: Schema, columns: ClassifierColumns, classifier: Classifier) -> Bound:
    """A classifier that knows its columns: the `bind` of its stage.

    :raises StageError: a column is missing, of a wrong type or there already, or thresholds are not one per class.
    """
    after = _schema_after(stage, schema, columns, classifier)
    features_name = columns.features
    if not (columns.raw or columns.probability or columns.prediction):
        return Bound(after, _nothing)
    predict = None if columns.raw or columns.probability else classifier.predict
    if predict is not None:
        return Bound(after, _predicting(stage, features_name, columns.prediction, predict))
    raw_of = classifier.raw
    raw_rows_of = classifier.raw_rows
    write = _writer(columns, classifier)

    def score(row: Row) -> None:
        features = row[features_name]
        if features is None:
            raise stage.row_error(f"column {features_name!r} is null")
        write(row, raw_of(features))

    if raw_rows_of is not None:
        return Bound(after, score, _together(features_name, raw_rows_of, write))
    if classifier.raw_sparse is not None:
        return Bound(after, score, together(score, _sparse_together(features_name, classifier.raw_sparse, write)))
    return Bound(after, score)


def _nothing(row: Row) -> None:
    """Of a stage whose outputs are all switched off."""


def _together(
    features_name: str,
    raw_rows_of: Callable[[Sequence[Vector]], Sequence[Values]],
    write: Callable[[Row, Values], None],
) -> ScoreRows:
    def score_rows(rows: Sequence[Row]) -> None:
        vectors = [row[features_name] for row in rows]
        for row, raw in zip(rows, raw_rows_of(vectors), strict=True):
            write(row, raw)

    return score_rows


def _sparse_together(
    features_name: str,
    raw_sparse: Callable[[SparseRows], Sequence[Values]],
    write: Callable[[Row, Values], None],
) -> Callable[[Batch], bool]:
    def score_batch(batch: Batch) -> bool:
        features = batch.sparse(features_name)
        if features is None:
            return False
        for row, raw in zip(batch, raw_sparse(features), strict=True):
            write(row, raw)
        return True

    return score_batch


def _predicting(
    stage: Stage, features_name: str, prediction_name: str, predict: Callable[[Vector], float]
) -> Callable[[Row], None]:
    def score(row: Row) -> None:
        features = row[features_name]
        if features is None:
            raise stage.row_error(f"column {features_name!r} is null")
        row[prediction_name] = predict(features)

    return score


def _schema_after(stage: Stage, schema: Schema, columns: ClassifierColumns, classifier: Classifier) -> Schema:
    schema.column(stage.uid, columns.features, VECTOR)
    thresholds = columns.thresholds
    if thresholds is not None and len(thresholds) != classifier.n_classes:
        raise stage.error(f"it has {len(thresholds)} thresholds for {classifier.n_classes} classes")
    one_per_class = Column(VECTOR, AttributeGroup(classifier.n_classes))
    if columns.raw:
        schema = schema.with_output(stage.uid, columns.raw, one_per_class)
    if columns.probability:
        schema = schema.with_output(stage.uid, columns.probability, one_per_class)
    if columns.prediction:
        label = nominal(name=columns.prediction, n_values=classifier.n_classes)
        schema = schema.with_output(stage.uid, columns.prediction, Column(DOUBLE, AttributeGroup(1, (label,))))
    return schema


def _writer(columns: ClassifierColumns, classifier: Classifier) -> Callable[[Row, Values], None]:
    """What writes a row's outputs, given its raw predictions."""
    raw_name, prediction_name = columns.raw, columns.prediction
    of_raw = classifier.raw_prediction or (argmax if columns.thresholds is None else None)
    if classifier.probability is None:
        return _without_probability(raw_name, prediction_name, of_raw or argmax)
    if not raw_name and columns.probability:
        of_raw = None
    if not columns.probability and (of_raw is not None or not prediction_name):
        return _without_probability(raw_name, prediction_name, of_raw or argmax)
    of_probability = classifier.probability_prediction or _chosen(columns.thresholds)
    return _with_probability(columns, classifier.probability, of_raw, of_probability)


def _without_probability(
    raw_name: str, prediction_name: str, of_raw: Callable[[Values], float]
) -> Callable[[Row, Values], None]:
    def write(row: Row, raw: Values) -> None:
        if raw_name:
            row[raw_name] = DenseVector(raw)
        if prediction_name:
            row[prediction_name] = of_raw(raw)

    return write


def _with_probability(
    columns: ClassifierColumns,
    probability_of: Callable[[Values], Values],
    of_raw: Callable[[Values], float] | None,
    of_probability: Callable[[Values], float],
) -> Callable[[Row, Values], None]:
    """
    :param of_raw: None: the prediction is made of the probabilities.
    """
    raw_name, probability_name, prediction_name = columns.raw, columns.probability, columns.prediction

    def write(row: Row, raw: Values) -> None:
        probability = probability_of(raw)
        if raw_name:
            row[raw_name] = DenseVector(raw)
        if probability_name:
            row[probability_name] = DenseVector(probability)
        if prediction_name:
            row[prediction_name] = of_probability(probability) if of_raw is None else of_raw(raw)

    return write


def _chosen(thresholds: tuple[float, ...] | None) -> Callable[[Values], float]:
    """`probability2prediction`: ties go to the first; a threshold of 0 beats everything unless its class has none."""
    if thresholds is None:
        return argmax

    def of_probability(probability: Values) -> float:
        best, chosen = -math.inf, 0.0
        for label, (share, threshold) in enumerate(zip(probability, thresholds, strict=True)):
            scaled = divided(share, threshold)
            if scaled > best:
                best, chosen = scaled, float(label)
        return chosen

    return of_probability
