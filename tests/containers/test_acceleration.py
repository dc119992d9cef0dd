"""Faster forms of estimators: equal to scikit-learn, or not served."""

import importlib
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import Lasso, LinearRegression, LogisticRegression, Ridge, RidgeClassifier, SGDClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, RobustScaler, StandardScaler
from sklearn.svm import SVC, SVR
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # it carries no types

from harness.container_process import sklearn_folder
from skysail_container import load_report
from skysail_container.acceleration import trees
from skysail_container.acceleration.choice import Choice, faster_form
from skysail_container.acceleration.comparison import agreement
from skysail_container.acceleration.comparison_rows import comparison_rows
from skysail_container.acceleration.form import UnsupportedEstimatorError
from skysail_container.batch_execution import run_batch
from skysail_container.loaders.registry import load_model
from skysail_container.loaders.sklearn import SklearnModel
from skysail_container.manifest import Manifest, read_manifest
from skysail_container.wire import Dense

Data = tuple[npt.NDArray[Any], npt.NDArray[Any]]

TUMOURS: Data = load_breast_cancer(return_X_y=True)
NAMED_TUMOURS: Data = (TUMOURS[0], np.array(["malignant", "benign"])[TUMOURS[1]])
IRIS: Data = load_iris(return_X_y=True)
DIABETES: Data = load_diabetes(return_X_y=True)
DOUBLE = np.dtype(np.float64)

TREES: list[tuple[Any, Data]] = [
    (RandomForestClassifier(30, random_state=0), TUMOURS),
    (RandomForestClassifier(30, max_depth=3, random_state=0), IRIS),
    (RandomForestRegressor(30, random_state=0), DIABETES),
    (make_pipeline(StandardScaler(), ExtraTreesClassifier(30, random_state=0)), NAMED_TUMOURS),
    (DecisionTreeClassifier(random_state=0), NAMED_TUMOURS),
    (DecisionTreeRegressor(random_state=0), DIABETES),
    (GradientBoostingClassifier(n_estimators=30, random_state=0), NAMED_TUMOURS),
    (GradientBoostingClassifier(n_estimators=30, random_state=0), IRIS),
    (GradientBoostingRegressor(n_estimators=30, random_state=0), DIABETES),
    (HistGradientBoostingClassifier(max_iter=30, random_state=0), NAMED_TUMOURS),
    (HistGradientBoostingClassifier(max_iter=30, random_state=0), IRIS),
    (HistGradientBoostingRegressor(max_iter=30, random_state=0), DIABETES),
]

LINEAR: list[tuple[Any, Data]] = [
    (LogisticRegression(max_iter=100), NAMED_TUMOURS),
    (LogisticRegression(max_iter=100), IRIS),
    (make_pipeline(StandardScaler(), LogisticRegression()), NAMED_TUMOURS),
    (make_pipeline(MinMaxScaler(), LogisticRegression()), IRIS),
    (make_pipeline(RobustScaler(), RidgeClassifier()), IRIS),
    (make_pipeline(MaxAbsScaler(), SGDClassifier(random_state=0)), TUMOURS),
    (LinearRegression(), DIABETES),
    (make_pipeline(StandardScaler(), Ridge()), DIABETES),
    (Lasso(alpha=0.01), DIABETES),
]
OF_OUR_OWN = TREES + LINEAR

WITHIN_TOLERANCE: list[tuple[Any, Data]] = [
    (SVC(), IRIS),
    (SVR(), DIABETES),
    (GaussianNB(), NAMED_TUMOURS),
    (MLPClassifier((8,), max_iter=20, random_state=0), IRIS),
]
"""Converted by skl2onnx."""

CASES = [
    *((*case, 0.0) for case in TREES),
    *((*case, 1e-12) for case in LINEAR),  # BLAS rounds another way for another number of rows
    *((*case, 1e-5) for case in WITHIN_TOLERANCE),
]


pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """The threads of OpenMP wait for each other actively: on a machine with other work that takes for ever."""
    with threadpool_limits(1):
        yield


@pytest.fixture(autouse=True)
def any_speed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which form is faster depends on what else this machine does; which outputs it gives does not."""
    monkeypatch.setattr("skysail_container.acceleration.choice.WORTHWHILE", math.inf)


def fitted(estimator: Any, data: Data) -> Any:
    return estimator.fit(*data)


def chosen(estimator: Any, method: str = "predict", dtype: npt.DTypeLike = DOUBLE, **settings: Any) -> Choice:
    return faster_form(estimator, method, np.dtype(dtype), **{"threads": 1, "tolerance": 1e-5, **settings})


def computed(choice: Choice, rows: npt.NDArray[Any]) -> npt.NDArray[Any]:
    assert choice.form is not None, choice.note
    outputs = choice.form.compute(rows)
    assert outputs is not None
    return outputs


def random_rows(data: Data, n_rows: int, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    generator = np.random.default_rng(7)
    rows = generator.normal(data[0].mean(axis=0), data[0].std(axis=0), (n_rows, data[0].shape[1]))
    return (np.rint(rows) if np.dtype(dtype).kind == "i" else rows).astype(dtype)


@pytest.mark.parametrize("dtype", ["f8", "f4", "i8"])
@pytest.mark.parametrize(("estimator", "data", "tolerance"), CASES, ids=lambda value: type(value).__name__)
def test_an_accelerated_estimator_gives_scikit_learns_outputs(
    estimator: Any, data: Data, tolerance: float, dtype: str
) -> None:
    fitted(estimator, data)
    rows = random_rows(data, 1024, dtype)
    for method in ("predict", "predict_proba", "decision_function"):
        if not hasattr(estimator, method):
            continue
        choice = chosen(estimator, method, dtype)
        if tolerance == 1e-5 and choice.form is None:
            continue  # skl2onnx does not know every method of every estimator
        expected = getattr(estimator, method)(rows)
        for n_rows in (1, 2, 7, 64):
            parts = [computed(choice, rows[start : start + n_rows]) for start in range(0, len(rows), n_rows)]
            given = np.concatenate(parts)
            assert (given.dtype, given.shape) == (expected.dtype, expected.shape)
            if given.dtype.kind != "f" or not tolerance:
                assert np.array_equal(given, expected), (method, n_rows)
            else:
                np.testing.assert_allclose(given, expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(("estimator", "data"), OF_OUR_OWN, ids=lambda value: type(value).__name__)
def test_forms_of_our_own_give_the_bits_that_scikit_learn_gives_for_the_same_batch(estimator: Any, data: Data) -> None:
    fitted(estimator, data)
    rows = random_rows(data, 64, "f8")
    for method in ("predict", "predict_proba", "decision_function"):
        if hasattr(estimator, method):
            choice = chosen(estimator, method)
            for n_rows in (1, 2, 7, 64):
                assert np.array_equal(computed(choice, rows[:n_rows]), getattr(estimator, method)(rows[:n_rows]))


def test_a_form_that_gains_too_little_is_not_served(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("skysail_container.acceleration.choice.WORTHWHILE", 0.0)
    choice = chosen(fitted(RandomForestRegressor(30, random_state=0), DIABETES))
    assert choice.form is None
    assert re.match(
        r"not accelerated: onnxruntime .* is hardly faster \(1 row takes .* ms instead of .* ms\)", choice.note
    )


def test_trees_send_rows_on_a_threshold_the_way_scikit_learn_does() -> None:
    """In single precision some of these rows go the other way: the reason for forms of our own."""
    estimator = fitted(RandomForestClassifier(50, random_state=1), TUMOURS)
    rows = comparison_rows(estimator, 30, DOUBLE)
    thresholds = np.concatenate([tree.tree_.threshold for tree in estimator.estimators_])
    assert np.isin(rows, thresholds).mean() > 0.1
    choice = chosen(estimator, "predict_proba")
    assert np.array_equal(computed(choice, rows[:60]), estimator.predict_proba(rows[:60]))
    assert "equal to the last bit on 512 rows" in choice.note


def outputs(model: SklearnModel, rows: npt.NDArray[Any]) -> Any:
    return run_batch(model, Dense(rows.dtype.str, rows.shape, rows.tobytes()), lambda: True)


BAD_ROWS = {
    "nan": [[np.nan] * 30],
    "infinity": [[np.inf] + [0.0] * 29],
    "too_wide": [[0.0] * 31],
    "too_narrow": [[0.0] * 29],
    "over_float32": [[1e300] * 30],
}


@pytest.mark.filterwarnings("ignore:overflow encountered")
@pytest.mark.parametrize("bad", BAD_ROWS)
@pytest.mark.parametrize(
    "estimator",
    [
        LogisticRegression(max_iter=100),
        make_pipeline(StandardScaler(), LogisticRegression()),
        RandomForestClassifier(10, random_state=0),
        GradientBoostingClassifier(n_estimators=10),
        HistGradientBoostingClassifier(max_iter=10),
        GaussianNB(),
    ],
    ids=lambda estimator: type(estimator).__name__,
)
def test_bad_rows_have_the_outcome_and_the_words_of_scikit_learn(estimator: Any, bad: str) -> None:
    fitted(estimator, TUMOURS)
    choice = chosen(estimator)
    assert choice.form is not None
    fast = SklearnModel(estimator, "predict", choice.form.compute, DOUBLE)
    rows = np.array(BAD_ROWS[bad])
    assert outputs(fast, rows) == outputs(SklearnModel(estimator, "predict"), rows)


def test_missing_values_go_where_a_histogram_gradient_boosting_sends_them() -> None:
    rows = TUMOURS[0].copy()
    rows[np.random.default_rng(3).random(rows.shape) < 0.2] = np.nan
    estimator = HistGradientBoostingClassifier(max_iter=30).fit(rows, TUMOURS[1])
    choice = chosen(estimator, "predict_proba")
    rows[0] = np.inf
    assert np.array_equal(computed(choice, rows), estimator.predict_proba(rows))


class Doubled(TransformerMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn carries no types
    """A transformer that only its author knows."""

    def fit(self, rows: Any, labels: Any = None) -> "Doubled":
        self.n_features_in_ = rows.shape[1]
        return self

    def transform(self, rows: Any) -> Any:
        return rows * 2


class OtherForest(RandomForestClassifier):  # type: ignore[misc]  # as above
    """Looks like a forest and answers with something else."""

    def predict(self, rows: Any) -> Any:
        return 1 - super().predict(rows)


def farthest(one: Any, other: Any) -> float:
    return float(np.abs(one - other).max())


@pytest.mark.parametrize(
    ("estimator", "reason"),
    [
        (make_pipeline(Doubled(), LogisticRegression(max_iter=100)), "it cannot be converted"),
        (KNeighborsClassifier(metric=farthest), "it cannot be converted"),
        (OtherForest(5), "it cannot be converted"),
        (make_pipeline(MinMaxScaler(clip=True), LogisticRegression()), "clips"),
        (GradientBoostingClassifier(n_estimators=3, init=LogisticRegression()), "starts from a LogisticRegression"),
    ],
    ids=["transformer", "metric", "derived", "clip", "init"],
)
def test_what_has_no_faster_form_is_served_as_it_is_with_the_reason(estimator: Any, reason: str) -> None:
    choice = chosen(fitted(estimator, IRIS if "init" not in reason else TUMOURS))
    assert choice.form is None
    assert choice.note.startswith("not accelerated: ")
    assert reason in choice.note


def test_a_form_that_disagrees_is_not_served() -> None:
    estimator = fitted(LogisticRegression(max_iter=100), IRIS)
    rows = random_rows(IRIS, 64, "f8")
    with pytest.raises(
        UnsupportedEstimatorError, match=r"64 of 64 outputs differ by more than 1e-05, by 0\.001 at most"
    ):
        agreement(estimator.predict_proba, lambda rows: estimator.predict_proba(rows) + 0.001, rows, 1e-5)
    with pytest.raises(UnsupportedEstimatorError, match="64 of 64 labels differ"):
        agreement(estimator.predict, lambda rows: estimator.predict(rows) + 1, rows, 1e-5)
    with pytest.raises(UnsupportedEstimatorError, match="outputs of float32 with shape"):
        agreement(estimator.predict_proba, lambda rows: estimator.predict_proba(rows).astype("f4"), rows, 1e-5)
    with pytest.raises(UnsupportedEstimatorError, match="takes fewer rows"):
        agreement(estimator.predict, lambda rows: None, rows, 1e-5)


def test_probabilities_within_tolerance_must_not_change_which_is_greatest() -> None:
    even = np.full((64, 2), 0.5)
    tilted = even + np.array([-1e-9, 1e-9])
    with pytest.raises(UnsupportedEstimatorError, match="greatest number elsewhere"):
        agreement(lambda rows: even[: len(rows)], lambda rows: tilted[: len(rows)], even, 1e-5)


def test_the_tolerance_decides() -> None:
    estimator = fitted(GaussianNB(), IRIS)
    assert chosen(estimator, "predict_proba", "f4").form is not None
    refused = chosen(estimator, "predict_proba", "f4", tolerance=0.0)
    assert refused.form is None
    assert "differ by more than 0" in refused.note


def test_rows_of_the_owners_are_compared_too() -> None:
    estimator = fitted(LogisticRegression(max_iter=100), IRIS)
    assert "on 662 rows" in chosen(estimator, known_rows=IRIS[0]).note
    assert "on 750 rows" in chosen(estimator, known_rows=np.tile(IRIS[0], (5, 1))).note


def test_without_onnxruntime_boosted_trees_are_served_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(module: str) -> Any:
        if module.startswith("onnx"):
            raise ImportError(module)
        return importlib.import_module(module)

    monkeypatch.setattr(trees, "import_module", missing)
    choice = chosen(fitted(GradientBoostingRegressor(n_estimators=3), DIABETES))
    assert choice.form is None
    assert "pip install 'skysail-container[accelerate]'" in choice.note


def loaded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[SklearnModel, load_report.LoadReport]:
    report = load_report.LoadReport()
    monkeypatch.setattr("skysail_container.loaders.sklearn.report", report)
    model = load_model(folder, read_manifest(folder))
    assert isinstance(model, SklearnModel)
    return model, report


def test_the_report_says_what_a_model_is_served_by(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    estimator = fitted(RandomForestClassifier(10, random_state=0), TUMOURS)
    model, report = loaded(sklearn_folder(tmp_path / "fast", estimator, input_type="doubles"), monkeypatch)
    assert report.served_by.startswith("scikit-learn 1.")
    assert ", computed by onnxruntime 1." in report.served_by
    assert "accelerated by onnxruntime" in report.notes[0]
    assert np.array_equal(np.asarray(model.predict(TUMOURS[0][:64])), estimator.predict(TUMOURS[0][:64]))


@pytest.mark.parametrize(
    ("manifest", "notes"),
    [
        ({"accelerate": False}, []),
        ({"input_type": "json"}, ["not accelerated: rows of input type json are for scikit-learn itself"]),
    ],
)
def test_acceleration_is_off_by_a_flag_and_for_rows_that_are_no_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, manifest: dict[str, Any], notes: list[str]
) -> None:
    estimator = fitted(RandomForestClassifier(10, random_state=0), TUMOURS)
    _, report = loaded(sklearn_folder(tmp_path / "plain", estimator, **manifest), monkeypatch)
    assert report.notes == notes
    assert "computed by" not in report.served_by


def test_validation_rows_of_another_kind_leave_the_comparison_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = sklearn_folder(tmp_path / "model", fitted(LogisticRegression(max_iter=100), IRIS), input_type="doubles")
    (folder / "validation.jsonl").write_text('{"input": [5.1, 3.5, 1.4, 0.2]}\n{"input": [6.0, 3.0, 4.8, 1.8]}\n')
    _, report = loaded(folder, monkeypatch)
    assert "on 514 rows" in report.notes[0]
    (folder / "validation.jsonl").write_text('{"input": [5.1, 3.5]}\n')
    _, report = loaded(folder, monkeypatch)
    assert "on 512 rows" in report.notes[0]


def test_a_batch_of_another_dtype_goes_to_the_estimator() -> None:
    estimator = fitted(LogisticRegression(max_iter=100), IRIS)
    model = SklearnModel(estimator, "predict", lambda rows: None, DOUBLE)
    rows = IRIS[0].astype("f4")
    assert np.array_equal(np.asarray(model.predict(rows)), estimator.predict(rows))
    assert Manifest("sklearn", "x").accelerate
