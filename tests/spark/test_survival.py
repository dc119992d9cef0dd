"""Survival and isotonic regressions that no fixture has: damaged files, odd columns, several equal boundaries."""

import math
from typing import Any

import pytest

from skysail_container.spark import DenseVector, Pipeline, RowError, StageError
from skysail_container.spark.binary_search import binary_search
from skysail_container.spark.regression import RegressorColumns
from skysail_container.spark.stages.isotonic import IsotonicRegressionModel
from skysail_container.spark.stages.survival import AFTSurvivalRegressionModel
from spark.saved import Saved


def isotonic(boundaries: list[float], predictions: list[float]) -> IsotonicRegressionModel:
    return IsotonicRegressionModel("line", tuple(boundaries), tuple(predictions), RegressorColumns("x", "y"))


def test_a_number_is_found_where_java_finds_it() -> None:
    values = [-math.inf, -1.0, -0.0, 0.0, 2.0, math.inf, math.nan]
    assert [binary_search(values, value) for value in values] == list(range(7))
    assert binary_search([0.0], -0.0) == -1
    assert binary_search([-0.0], 0.0) == -2
    assert binary_search([1.0, 2.0], math.nan) == -3
    assert binary_search([], 1.0) == -1


@pytest.mark.parametrize(
    ("value", "prediction"),
    [(-5.0, 1.0), (0.0, 1.0), (0.5, 2.0), (1.0, 3.0), (2.0, 3.0), (3.0, 8.0), (math.nan, 8.0), (None, None)],
)
def test_a_line_goes_through_its_points(value: float | None, prediction: float | None) -> None:
    scorer = Pipeline(isotonic([0.0, 1.0, 2.0, 2.0], [1.0, 3.0, 3.0, 8.0])).bind({"x": "double"})
    assert scorer.score_instance({"x": value})["y"] == prediction


def test_a_line_through_infinities_is_not_a_number_between_them() -> None:
    scorer = Pipeline(isotonic([-math.inf, math.inf], [1.0, 2.0])).bind({"x": "double"})
    assert math.isnan(scorer.score_instance({"x": 0.0})["y"])


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ({"value": "float"}, "double or vector is expected"),
        ({"other": "double"}, "value"),
        ({"value": "double", "prediction": "int"}, "prediction"),
    ],
)
def test_columns_that_a_line_does_not_take_are_named(schema: dict[str, str], said: str, tmp_path: Any) -> None:
    with pytest.raises(StageError, match=said):
        Saved("survival", "isotonic_increasing", tmp_path).load().bind(schema)


def test_a_line_without_a_column_for_its_prediction_is_refused(tmp_path: Any) -> None:
    saved = Saved("survival", "isotonic_increasing", tmp_path)
    saved.change_metadata(lambda metadata: metadata["paramMap"].update(predictionCol=""))
    with pytest.raises(StageError, match="predictionCol"):
        saved.load().bind({"value": "double"})


@pytest.mark.parametrize(
    "data",
    [
        {"boundaries": [], "predictions": [], "isotonic": True},
        {"boundaries": [1.0, 2.0], "predictions": [1.0], "isotonic": True},
        {"boundaries": [2.0, 1.0], "predictions": [1.0, 2.0], "isotonic": True},
        {"boundaries": [None], "predictions": [1.0], "isotonic": True},
        {"boundaries": ["a"], "predictions": [1.0], "isotonic": True},
        {"predictions": [1.0]},
    ],
)
def test_damaged_lines_are_refused_by_their_stage(data: dict[str, Any], tmp_path: Any) -> None:
    saved = Saved("survival", "isotonic_increasing", tmp_path)
    saved.write_rows([data])
    with pytest.raises(StageError, match=r"IsotonicRegression_\w+: "):
        saved.load()


@pytest.mark.parametrize(
    "change", [{"coefficients": None}, {"coefficients": 1.0}, {"intercept": None}, {"scale": "wide"}]
)
def test_damaged_survival_models_are_refused_by_their_stage(change: dict[str, Any], tmp_path: Any) -> None:
    saved = Saved("survival", "survival_with_quantiles", tmp_path)
    saved.write_rows([{**saved.table().to_pylist()[0], **change}])
    with pytest.raises(StageError, match=r"AFTSurvivalRegression_\w+: "):
        saved.load()


def test_lifetimes_without_columns_cost_nothing() -> None:
    model = AFTSurvivalRegressionModel("s", DenseVector([1.0]), 0.0, 1.0, RegressorColumns("x", ""))
    assert Pipeline(model).bind({"x": "vector"}).score_instance({"x": None}) == {"x": None}


def test_survival_takes_vectors_of_its_own_size_only() -> None:
    model = AFTSurvivalRegressionModel("s", DenseVector([1.0]), 0.0, 1.0, RegressorColumns("x", "y"), "q", (0.5,))
    scorer = Pipeline(model).bind({"x": "vector"})
    scored = scorer.score_instance({"x": DenseVector([0.0])})
    assert scored["y"] == 1.0
    assert scored["q"].values == [pytest.approx(math.log(2.0), rel=1e-15)]
    with pytest.raises(RowError, match="1 features and got 2"):
        scorer.score_instance({"x": DenseVector([0.0, 1.0])})
