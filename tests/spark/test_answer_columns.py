"""What a scored row answers with: prediction and probability by whatever names, and what stages behind them add."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from harness.spark_models import stage_folder, written_pipeline
from skysail_container.spark import DenseVector, Schema, SparseVector
from skysail_container.spark.answer_columns import Answers, answer_columns, leaf_folders

INDEXER = ("org.apache.spark.ml.feature.StringIndexerModel", {"inputCol": "city", "outputCol": "city_index"})
CLASSIFIER = (
    "org.apache.spark.ml.classification.LogisticRegressionModel",
    {"predictionCol": "said", "probabilityCol": "chance", "rawPredictionCol": "raw", "featuresCol": "features"},
)
CLUSTERS = ("org.apache.spark.ml.clustering.KMeansModel", {"predictionCol": "cluster", "featuresCol": "features"})
LABELS = ("org.apache.spark.ml.feature.IndexToString", {"inputCol": "said", "outputCol": "word"})
TREE = (
    "org.apache.spark.ml.classification.DecisionTreeClassificationModel",
    {"predictionCol": "said", "probabilityCol": "", "leafCol": "leaf"},
)


def chosen(folder: Path, stages: list[Any], *added: str) -> tuple[str, ...]:
    path = written_pipeline(folder / "model", stages)
    return answer_columns(path, ["city"], Schema(dict.fromkeys(("city", *added), "double")))


def test_prediction_and_probability_by_their_own_names(tmp_path: Path) -> None:
    assert chosen(tmp_path, [INDEXER, CLASSIFIER], "city_index", "raw", "chance", "said") == ("said", "chance")


def test_those_of_the_last_stage_that_predicts_and_what_stages_behind_it_add(tmp_path: Path) -> None:
    stages = [INDEXER, CLUSTERS, CLASSIFIER, LABELS]
    added = ("city_index", "cluster", "raw", "chance", "said", "word")
    assert chosen(tmp_path, stages, *added) == ("said", "chance", "word")


def test_columns_that_are_switched_off_and_leaves_are_none_of_it(tmp_path: Path) -> None:
    assert chosen(tmp_path, [TREE], "said", "leaf") == ("said",)


def test_a_column_that_went_in_is_no_prediction(tmp_path: Path) -> None:
    path = written_pipeline(tmp_path, [CLUSTERS, INDEXER])
    assert answer_columns(path, ["cluster"], Schema({"cluster": "int", "city_index": "double"})) == ("city_index",)


def test_where_no_stage_predicts_the_outputs_of_the_last(tmp_path: Path) -> None:
    assert chosen(tmp_path, [CLUSTERS, INDEXER], "features", "city_index") == ("city_index",)
    many = ("org.apache.spark.ml.feature.ImputerModel", {"inputCols": ["x"], "outputCols": ["a", "b"]})
    assert chosen(tmp_path / "many", [INDEXER, many], "city_index", "a", "b") == ("a", "b")


def test_a_stage_that_names_no_outputs_answers_with_all_that_was_added(tmp_path: Path) -> None:
    sql = ("org.apache.spark.ml.feature.SQLTransformer", {"statement": "SELECT *, 1 AS one FROM __THIS__"})
    assert chosen(tmp_path, [sql], "one") == ("one",)
    assert chosen(tmp_path / "same", [sql]) == ("city",)


def test_pipelines_in_pipelines_and_tunings_are_looked_into(tmp_path: Path) -> None:
    path = stage_folder(tmp_path, "org.apache.spark.ml.tuning.CrossValidatorModel", "tuned", {})
    inner = written_pipeline(tmp_path / "bestModel", [INDEXER, CLASSIFIER])
    assert [leaf.metadata.spark_class for leaf in leaf_folders(path)] == [INDEXER[0], CLASSIFIER[0]]
    scored = Schema({"city": "string", "said": "double", "chance": "vector"})
    assert answer_columns(path, ["city"], scored) == answer_columns(inner, ["city"], scored) == ("said", "chance")


def test_what_is_no_saved_stage_goes_by_the_usual_names(tmp_path: Path) -> None:
    scored = Schema(dict.fromkeys(("a", "features", "probability", "prediction"), "double"))
    assert answer_columns(tmp_path, ["a"], scored) == ("prediction", "probability")


def test_vectors_are_lists_in_answers_and_decimals_numbers() -> None:
    schema = Schema({"a": "double", "b": "vector", "c": "array<vector>", "d": "decimal(10,2)"})
    assert Answers(["d"], schema).of({"d": Decimal("1.50")}) == 1.5
    assert Answers(["d"], schema).of({"d": None}) is None
    row = {"a": 1.5, "b": SparseVector(3, [1], [2.0]), "c": [DenseVector([1.0]), None]}
    assert Answers(["c", "b", "a"], schema).of(row) == {"c": [[1.0], None], "b": [0.0, 2.0, 0.0], "a": 1.5}
    assert Answers(["b"], schema).of(row) == [0.0, 2.0, 0.0]
    assert Answers(["b", "c"], schema).of({"b": None, "c": None}) == {"b": None, "c": None}


def test_a_column_that_there_is_not_is_refused() -> None:
    with pytest.raises(ValueError, match="'label' is not one of the pipeline's columns: a, b"):
        Answers(["label"], Schema({"a": "double", "b": "vector"}))
