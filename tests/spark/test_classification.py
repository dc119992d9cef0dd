"""Which output a prediction is made of, with a classifier whose outputs disagree."""

from dataclasses import dataclass
from typing import Any, Self

import pytest

from skysail_container.spark import Bound, DenseVector, RowError, Schema, Stage, StageError, StageFolder, Vector
from skysail_container.spark.classification import Classifier, ClassifierColumns, argmax, bound_classifier

ROW = {"features": DenseVector([2.5, 1.0, 2.0])}


def raw(features: Vector) -> list[float]:
    return features.to_list()


CLASSIFIER = Classifier(3, raw, lambda raw: [5.0 - 2.0 * value for value in raw], predict=lambda features: 7.0)


@dataclass(frozen=True)
class Disagreeing(Stage):
    """The largest raw prediction has the smallest probability, and `predict` says 7."""

    columns: ClassifierColumns
    classifier: Classifier = CLASSIFIER
    uid: str = "disagreeing"

    @classmethod
    def from_spark(cls, folder: StageFolder) -> Self:
        raise NotImplementedError

    def bind(self, schema: Schema) -> Bound:
        return bound_classifier(self, schema, self.columns, self.classifier)


def scored(row: dict[str, Any] = ROW, **columns: Any) -> dict[str, Any]:
    bound = Disagreeing(ClassifierColumns(**columns)).bind(Schema({"features": "vector"}))
    outputs = dict(row)
    bound.score(outputs)
    assert set(outputs) == set(bound.schema)
    return outputs


def test_a_prediction_comes_from_raw_predictions_if_they_have_a_column() -> None:
    assert scored()["prediction"] == 0.0
    assert scored(probability="")["prediction"] == 0.0


def test_thresholds_make_it_come_from_probabilities() -> None:
    assert scored(thresholds=(1.0, 9.0, 1.0))["prediction"] == 2.0
    assert scored(thresholds=(1.0, 1.0, 1.0), probability="")["prediction"] == 1.0


def test_without_a_raw_column_it_comes_from_probabilities() -> None:
    assert scored(raw="")["prediction"] == 1.0


def test_without_both_it_is_what_the_class_predicts() -> None:
    assert scored(raw="", probability="") == {**ROW, "prediction": 7.0}


def test_a_threshold_of_zero_beats_all_others_and_ties_go_to_the_first() -> None:
    assert scored(raw="", thresholds=(1.0, 1.0, 0.0))["prediction"] == 2.0
    assert scored(raw="", thresholds=(1.0, 3.0, 1.0))["prediction"] == 1.0


def test_a_threshold_of_zero_is_nothing_to_a_class_without_probability() -> None:
    assert scored(raw="", thresholds=(0.0, 1.0, 1.0))["prediction"] == 1.0


def test_a_classifier_without_outputs_does_not_look_at_its_features() -> None:
    assert scored({"features": None}, raw="", probability="", prediction="") == {"features": None}


def test_null_features_are_an_error_of_the_row() -> None:
    for columns in ({}, {"raw": "", "probability": ""}):
        with pytest.raises(RowError, match="'features' is null"):
            scored({"features": None}, **columns)


def test_thresholds_are_one_for_each_class() -> None:
    with pytest.raises(StageError, match="2 thresholds for 3 classes"):
        scored(thresholds=(0.5, 0.5))


def test_the_largest_value_is_javas() -> None:
    nan = float("nan")
    assert [argmax([1.0, 2.0, 2.0]), argmax([nan, 2.0]), argmax([1.0, nan, 2.0])] == [1.0, 0.0, 2.0]
