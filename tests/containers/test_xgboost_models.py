"""XGBoost models through their loader, and through a container process."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xgboost

from harness.framework_rows import BATCH_SIZES, batches, dense_answers, random_rows, rows_of
from harness.native_models import loaded, native_folder, process_answers
from skysail_container.batch_execution import run_batch
from skysail_container.errors import ManifestError, ModelLoadError
from skysail_container.load_report import report
from skysail_container.wire import Json

ROWS = random_rows(8, dtype="<f8")
ROWS[::5, 3] = np.nan
TWO = (np.nan_to_num(ROWS).sum(axis=1) > 0).astype(int)
THREE = TWO + (ROWS[:, 2] > 1)
NAMES = [f"feature {index}" for index in range(8)]
SMALL = {"n_estimators": 12, "max_depth": 3, "n_jobs": 1, "random_state": 4}


@cache
def fitted(kind: str) -> Any:
    """A small estimator of XGBoost's scikit-learn interface."""
    if kind == "regressor":
        return xgboost.XGBRegressor(**SMALL).fit(ROWS, np.nan_to_num(ROWS) @ np.arange(8.0))
    if kind == "linear":
        parameters = {"booster": "gblinear", "updater": "coord_descent", "n_estimators": 12, "n_jobs": 1}
        return xgboost.XGBClassifier(**parameters).fit(ROWS, TWO)
    if kind == "dart":
        return xgboost.XGBClassifier(**SMALL, booster="dart", rate_drop=0.3).fit(ROWS, TWO)
    if kind == "softmax":
        return xgboost.XGBClassifier(**SMALL, objective="multi:softmax").fit(ROWS, THREE)
    if kind == "several labels":
        return xgboost.XGBClassifier(**SMALL).fit(ROWS, np.stack([TWO, THREE > 0, THREE > 1], axis=1))
    if kind == "stopped early":
        estimator = xgboost.XGBClassifier(**{**SMALL, "n_estimators": 60}, learning_rate=1, early_stopping_rounds=3)
        return estimator.fit(ROWS[:300], THREE[:300], eval_set=[(ROWS[300:600], THREE[300:600])], verbose=False)
    return xgboost.XGBClassifier(**SMALL).fit(ROWS, TWO if kind == "two classes" else THREE)


CLASSIFIERS = ["two classes", "three classes", "linear", "dart", "softmax", "several labels", "stopped early"]


def xgboost_folder(folder: Path, model: Any, file: str = "model.ubj", **manifest: Any) -> Path:
    return native_folder(folder, "xgboost", file, model.save_model, **manifest)


def own_answers(estimator: Any, method: str, rows: Any) -> Any:
    if method == "predict_margin":
        return estimator.predict(rows, output_margin=True)
    return getattr(estimator, "predict" if method == "predict_label" else method)(rows)


@pytest.mark.parametrize("kind", CLASSIFIERS)
def test_a_classifiers_answers_are_xgboosts_own_to_the_bit(tmp_path: Path, kind: str) -> None:
    for method in ("predict", "predict_proba", "predict_label", "predict_margin"):
        model = loaded(xgboost_folder(tmp_path / method, fitted(kind), method=method))
        expected = own_answers(fitted(kind), method, ROWS)
        for size in BATCH_SIZES:
            assert np.array_equal(dense_answers(model, ROWS, size), expected), (method, size)


@pytest.mark.parametrize("file", ["model.json", "model.ubj"])
@pytest.mark.parametrize("dtype", ["<f4", "<f8", "<i8"])
def test_a_regressors_values_are_xgboosts_own_to_the_bit(tmp_path: Path, file: str, dtype: str) -> None:
    rows = np.nan_to_num(ROWS).astype(dtype)
    model = loaded(xgboost_folder(tmp_path / "model", fitted("regressor"), file))
    for size in BATCH_SIZES:
        assert np.array_equal(dense_answers(model, rows, size), fitted("regressor").predict(rows)), size


@pytest.mark.parametrize("size", [1, 64])
def test_a_booster_answers_with_its_own_predict(tmp_path: Path, size: int) -> None:
    booster = xgboost.train({"objective": "binary:logistic", "nthread": 1}, xgboost.DMatrix(ROWS, TWO), 12)
    own = booster.predict(xgboost.DMatrix(ROWS))
    answers = {
        method: dense_answers(loaded(xgboost_folder(tmp_path / method, booster, method=method)), ROWS, size)
        for method in ("predict", "predict_proba", "predict_label", "predict_margin")
    }
    assert np.array_equal(answers["predict"], own)
    assert np.array_equal(answers["predict_proba"], np.stack((1 - own, own), axis=1))
    assert np.array_equal(answers["predict_label"], own > 0.5)
    assert np.array_equal(answers["predict_margin"], booster.predict(xgboost.DMatrix(ROWS), output_margin=True))


@pytest.mark.parametrize("size", [1, 64])
def test_a_container_process_answers_the_same(tmp_path: Path, size: int) -> None:
    folder = xgboost_folder(tmp_path / "model", fitted("three classes"), method="predict_proba")
    assert np.array_equal(process_answers(folder, ROWS, size), fitted("three classes").predict_proba(ROWS))


@pytest.mark.parametrize("size", [1, 64])
def test_objects_of_named_features_answer_as_their_rows(tmp_path: Path, size: int) -> None:
    training = xgboost.DMatrix(ROWS, TWO, feature_names=NAMES)
    booster = xgboost.train({"objective": "binary:logistic", "nthread": 1}, training, 12)
    model = loaded(xgboost_folder(tmp_path / "model", booster))
    expected = booster.predict(training)
    answers = []
    for part in batches(ROWS, size):
        objects = [
            {name: float(value) for name, value in reversed(list(zip(NAMES, row, strict=True))) if not np.isnan(value)}
            for row in part
        ]
        output = run_batch(model, Json(tuple(json.dumps(one).encode() for one in objects)), lambda: True)
        assert output.errors is None
        answers.append(np.frombuffer(output.rows.data, "<f4"))  # type: ignore[union-attr]  # Dense, or this fails
    assert np.array_equal(np.concatenate(answers), expected)


def test_a_null_is_a_missing_value(tmp_path: Path) -> None:
    model = loaded(xgboost_folder(tmp_path / "model", fitted("regressor")))
    row = [0.5] * 8
    answered = run_batch(model, Json((json.dumps([*row[:3], None, *row[4:]]).encode(),)), lambda: True)
    own = fitted("regressor").predict(np.array([[*row[:3], np.nan, *row[4:]]]))
    assert answered.errors is None
    assert answered.rows.data == own.tobytes()  # type: ignore[union-attr]  # Dense, or this fails


def test_rows_of_another_width_and_unknown_names_are_refused(tmp_path: Path) -> None:
    model = loaded(xgboost_folder(tmp_path / "model", fitted("regressor")))
    assert run_batch(model, rows_of(np.zeros((1, 9))), lambda: True).errors == {
        0: "refused: input 'features': a list of shape [8] is expected, this is a list of shape [9]"
    }
    answered = run_batch(model, Json((b'{"f0": 1}',)), lambda: True)
    assert answered.errors == {
        0: "refused: the features have no names: a row is a list of 8 numbers",
    }


def test_every_input_type_of_numbers_has_an_example_to_warm_up_with(tmp_path: Path) -> None:
    model = loaded(xgboost_folder(tmp_path / "model", fitted("regressor")))
    for input_type in ("floats", "doubles", "integers", "tensor", "json"):
        example = model.example_rows(input_type)
        assert example is not None
        assert run_batch(model, example, lambda: True).errors is None


def test_the_report_names_the_library(tmp_path: Path) -> None:
    loaded(xgboost_folder(tmp_path / "model", fitted("regressor")))
    assert report.served_by == f"xgboost {xgboost.__version__}"


@pytest.mark.parametrize("file", ["model.json", "model.ubj"])
@pytest.mark.parametrize("damage", [b"", b"garbage", b"{}", b'{"learner": {}}', "half"])
def test_a_corrupt_file_is_refused_in_one_line(tmp_path: Path, file: str, damage: bytes | str) -> None:
    folder = xgboost_folder(tmp_path / "model", fitted("regressor"), file)
    whole = (folder / file).read_bytes()
    (folder / file).write_bytes(whole[: len(whole) // 2] if isinstance(damage, str) else damage)
    with pytest.raises(ModelLoadError, match=f"{file} is not a model that XGBoost can load: .+") as caught:
        loaded(folder)
    assert "\n" not in str(caught.value)


def test_a_method_that_the_model_cannot_have_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelLoadError, match="objective reg:squarederror has no method predict_proba"):
        loaded(xgboost_folder(tmp_path / "a", fitted("regressor"), method="predict_proba"))
    with pytest.raises(ManifestError, match="method: 'fit' is not one of predict, predict_proba, predict_label"):
        loaded(xgboost_folder(tmp_path / "b", fitted("regressor"), method="fit"))
