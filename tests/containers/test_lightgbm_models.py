"""LightGBM models through their loader, and through a container process."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pytest

from harness.framework_rows import BATCH_SIZES, batches, dense_answers, random_rows
from harness.native_models import loaded, native_folder, process_answers
from skysail_container.batch_execution import run_batch
from skysail_container.errors import ManifestError, ModelLoadError
from skysail_container.load_report import report
from skysail_container.wire import Json, Strings

ROWS = random_rows(8, dtype="<f8")
ROWS[::5, 3] = np.nan
TWO = (np.nan_to_num(ROWS).sum(axis=1) > 0).astype(int)
THREE = TWO + (ROWS[:, 2] > 1)
VALUES = np.nan_to_num(ROWS) @ np.arange(8.0)
NAMES = [f"feature_{index}" for index in range(8)]
METHODS = ["predict", "predict_proba", "predict_label", "predict_margin"]


@cache
def booster(objective: str, boosting: str = "gbdt") -> lightgbm.Booster:
    labels = {"binary": TWO, "regression": VALUES}.get(objective, THREE)
    parameters = {
        "objective": objective,
        "boosting": boosting,
        "num_leaves": 7,
        "verbose": -1,
        "num_threads": 1,
        "seed": 4,
        **({"num_class": 3} if labels is THREE else {}),
    }
    return lightgbm.train(parameters, lightgbm.Dataset(ROWS, labels, feature_name=NAMES), 12)


def lightgbm_folder(folder: Path, model: lightgbm.Booster, **manifest: Any) -> Path:
    return native_folder(folder, "lightgbm", "model.txt", model.save_model, **manifest)


def own_answers(model: lightgbm.Booster, method: str, rows: Any) -> Any:
    """What LightGBM's classes answer: those of its scikit-learn interface add the second column, and the labels."""
    if method == "predict_margin":
        return model.predict(rows, raw_score=True)
    values = np.asarray(model.predict(rows))
    if method == "predict":
        return values
    probabilities = values if values.ndim == 2 else np.vstack((1.0 - values, values)).transpose()
    return probabilities if method == "predict_proba" else np.argmax(probabilities, axis=1)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("objective", ["binary", "multiclass", "multiclassova"])
def test_a_boosters_answers_are_lightgbms_own_to_the_bit(tmp_path: Path, objective: str, method: str) -> None:
    model = loaded(lightgbm_folder(tmp_path / "model", booster(objective), method=method))
    expected = own_answers(booster(objective), method, ROWS)
    for size in BATCH_SIZES:
        assert np.array_equal(dense_answers(model, ROWS, size), expected), size


@pytest.mark.parametrize("dtype", ["<f4", "<f8", "<i8"])
@pytest.mark.parametrize("boosting", ["gbdt", "dart"])
def test_a_regressions_values_are_lightgbms_own_to_the_bit(tmp_path: Path, boosting: str, dtype: str) -> None:
    rows = np.nan_to_num(ROWS).astype(dtype)
    model = loaded(lightgbm_folder(tmp_path / "model", booster("regression", boosting)))
    for size in BATCH_SIZES:
        assert np.array_equal(dense_answers(model, rows, size), booster("regression", boosting).predict(rows)), size


@pytest.mark.parametrize("size", [1, 64])
def test_a_container_process_answers_the_same(tmp_path: Path, size: int) -> None:
    folder = lightgbm_folder(tmp_path / "model", booster("multiclass"))
    assert np.array_equal(process_answers(folder, ROWS, size), booster("multiclass").predict(ROWS))


@pytest.mark.parametrize("size", BATCH_SIZES)
def test_a_classifiers_labels_come_from_the_manifest(tmp_path: Path, size: int) -> None:
    folder = lightgbm_folder(tmp_path / "model", booster("multiclass"), classes=["ash", "birch", "cedar"])
    model = loaded(folder)
    expected = np.array(["ash", "birch", "cedar"])[np.argmax(booster("multiclass").predict(ROWS), axis=1)]
    answers: list[str] = []
    for part in batches(ROWS, size):
        output = run_batch(model, Json(tuple(_text(row) for row in part)), lambda: True)
        assert output.errors is None
        assert isinstance(output.rows, Strings)
        answers += output.rows.items
    assert answers == expected.tolist()


def _text(row: Any) -> bytes:
    """A row as an object of named features; missing values are null."""
    return json.dumps(
        {name: None if np.isnan(value) else float(value) for name, value in zip(NAMES, row, strict=True)}
    ).encode()


def test_the_report_names_the_library(tmp_path: Path) -> None:
    loaded(lightgbm_folder(tmp_path / "model", booster("binary")))
    assert report.served_by == f"lightgbm {lightgbm.__version__}"


@pytest.mark.parametrize("kept", [0.0, 0.1, 0.3, 0.5, 0.8, "garbage", "a hole"])
def test_a_corrupt_file_is_refused_and_crashes_nothing(tmp_path: Path, kept: float | str) -> None:
    folder = lightgbm_folder(tmp_path / "model", booster("multiclass"))
    whole = (folder / "model.txt").read_bytes()
    trees = whole[: whole.find(b"end of trees")]
    if kept == "a hole":
        damaged = whole[: len(trees) // 2] + whole[len(trees) // 2 + 100 :]
    else:
        damaged = b"garbage" if isinstance(kept, str) else trees[: int(len(trees) * kept)]
    (folder / "model.txt").write_bytes(damaged)
    with pytest.raises(ModelLoadError, match=r"model\.txt is not a model that LightGBM can load: "):
        loaded(folder)


def test_a_method_that_the_model_cannot_have_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelLoadError, match="objective regression has no method predict_proba"):
        loaded(lightgbm_folder(tmp_path / "a", booster("regression"), method="predict_proba"))
    with pytest.raises(ManifestError, match="method: 'fit' is not one of predict, predict_proba, predict_label"):
        loaded(lightgbm_folder(tmp_path / "b", booster("regression"), method="fit"))
    with pytest.raises(ManifestError, match="classes: 2 labels for another number of classes"):
        loaded(lightgbm_folder(tmp_path / "c", booster("multiclass"), classes=[0, 1]))
