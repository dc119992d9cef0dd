"""Models that travel as their own files: what the artifact holds, and that it answers as the object does."""

import json
import zipfile
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import onnx
import pytest
import xgboost
from skl2onnx import to_onnx
from sklearn.linear_model import LogisticRegression

from harness.framework_rows import dense_answers, random_rows
from harness.native_models import loaded
from skysail_admin import InvalidRequestError
from skysail_admin.packing.artifact import packed
from skysail_container.batch_execution import run_batch
from skysail_container.wire import Json, Strings

ROWS = random_rows(6, dtype="<f8")
TWO = (ROWS[:, 0] + ROWS[:, 1] > 0).astype(int)
WORDS = np.array(["ash", "birch"])[TWO]
SMALL: dict[str, Any] = {"n_estimators": 5, "n_jobs": 1, "random_state": 4}
QUIET: dict[str, Any] = {**SMALL, "verbose": -1, "num_leaves": 7}


def unpacked(model: Any, folder: Path, **options: Any) -> tuple[Path, dict[str, Any]]:
    """The artifact's files in `folder`, and its manifest."""
    with packed(model, "doubles", **options) as artifact, zipfile.ZipFile(artifact.path) as archive:
        archive.extractall(folder)
    return folder, json.loads((folder / "skysail.json").read_bytes())


def linear_onnx() -> onnx.ModelProto:
    estimator = LogisticRegression().fit(ROWS, TWO)
    model: onnx.ModelProto = to_onnx(estimator, ROWS[:1].astype("<f4"), options={"zipmap": False})
    return model


@pytest.mark.parametrize(
    ("estimator", "methods"),
    [
        (xgboost.XGBClassifier(**SMALL), ("predict", "predict_proba")),
        (xgboost.XGBRegressor(**SMALL), ("predict",)),
        (xgboost.XGBRFClassifier(**SMALL), ("predict", "predict_proba")),
        (lightgbm.LGBMClassifier(**QUIET), ("predict", "predict_proba")),
        (lightgbm.LGBMRegressor(**QUIET), ("predict",)),
    ],
)
def test_an_estimator_answers_from_its_own_file_as_it_does_itself(
    tmp_path: Path, estimator: Any, methods: tuple[str, ...]
) -> None:
    estimator.fit(ROWS, TWO)
    for method in methods:
        folder, manifest = unpacked(estimator, tmp_path / method, method=method)
        assert manifest["framework"] in ("xgboost", "lightgbm")
        assert manifest["method"] == method
        assert manifest["libraries"] in ({"xgboost": xgboost.__version__}, {"lightgbm": lightgbm.__version__})
        assert np.array_equal(dense_answers(loaded(folder), ROWS, 64), getattr(estimator, method)(ROWS))


def test_a_lightgbm_classifiers_own_labels_travel_along(tmp_path: Path) -> None:
    estimator = lightgbm.LGBMClassifier(**QUIET).fit(ROWS, WORDS)
    folder, manifest = unpacked(estimator, tmp_path / "model")
    assert manifest["classes"] == ["ash", "birch"]
    output = run_batch(loaded(folder), Json(tuple(json.dumps(row.tolist()).encode() for row in ROWS)), lambda: True)
    assert isinstance(output.rows, Strings)
    assert list(output.rows.items) == np.asarray(estimator.predict(ROWS)).tolist()


def test_boosters_answer_as_they_do_themselves(tmp_path: Path) -> None:
    parameters = {"objective": "binary", "num_threads": 1, "verbose": -1, "num_leaves": 7}
    light = lightgbm.train(parameters, lightgbm.Dataset(ROWS, TWO), 5)
    folder, manifest = unpacked(light, tmp_path / "lightgbm")
    assert "classes" not in manifest
    assert np.array_equal(dense_answers(loaded(folder), ROWS, 64), light.predict(ROWS))
    extreme = xgboost.train({"objective": "binary:logistic", "nthread": 1}, xgboost.DMatrix(ROWS, TWO), 5)
    folder, _ = unpacked(extreme, tmp_path / "xgboost")
    assert np.array_equal(dense_answers(loaded(folder), ROWS, 64), extreme.predict(xgboost.DMatrix(ROWS)))


def test_an_onnx_model_is_packed_from_an_object_as_from_its_file(tmp_path: Path) -> None:
    model = linear_onnx()
    (tmp_path / "linear.onnx").write_bytes(model.SerializeToString())
    folder, manifest = unpacked(model, tmp_path / "object")
    assert (manifest["framework"], manifest["file"]) == ("onnx", "model.onnx")
    assert (folder / "model.onnx").read_bytes() == (tmp_path / "linear.onnx").read_bytes()
    folder, manifest = unpacked(str(tmp_path / "linear.onnx"), tmp_path / "file")
    assert (manifest["framework"], manifest["file"]) == ("onnx", "linear.onnx")
    assert loaded(folder).example_rows("doubles") is not None


@pytest.mark.parametrize("suffix", [".data", "_data"])
def test_weights_beside_an_onnx_file_are_packed_with_it(tmp_path: Path, suffix: str) -> None:
    (tmp_path / "linear.onnx").write_bytes(linear_onnx().SerializeToString())
    (tmp_path / f"linear.onnx{suffix}").write_bytes(b"weights")
    folder, _ = unpacked(tmp_path / "linear.onnx", tmp_path / "model")
    assert (folder / f"linear.onnx{suffix}").read_bytes() == b"weights"


@pytest.mark.parametrize("suffix", [".json", ".ubj", ".txt"])
def test_a_models_file_is_packed_as_it_is(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"trees{suffix}"
    if suffix == ".txt":
        lightgbm.LGBMRegressor(**QUIET).fit(ROWS, TWO).booster_.save_model(path)
    else:
        xgboost.XGBRegressor(**SMALL).fit(ROWS, TWO).save_model(path)
    folder, manifest = unpacked(path, tmp_path / "model", warm_up_rows=[[0.0] * 6])
    assert manifest["framework"] == ("lightgbm" if suffix == ".txt" else "xgboost")
    assert manifest["warm_up_rows"] == [[0.0] * 6]
    assert (folder / path.name).read_bytes() == path.read_bytes()
    loaded(folder)


@pytest.mark.parametrize("name", ["notes.txt", "empty.onnx", "list.json", "list.ubj"])
def test_a_file_that_only_ends_like_a_model_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("" if name == "empty.onnx" else "[1, 2]")
    with pytest.raises(InvalidRequestError, match=r"it ends in .* but it is not one"), packed(tmp_path / name, "d"):
        pass


def test_a_file_of_no_known_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "weights.bin").write_bytes(b"1")
    with pytest.raises(InvalidRequestError, match=r"neither a folder nor a model's file: \.onnx"):
        unpacked(tmp_path / "weights.bin", tmp_path)


def test_an_estimator_whose_file_would_lose_something_is_pickled(tmp_path: Path) -> None:
    with_zeros_missing = xgboost.XGBRegressor(**SMALL, missing=0.0).fit(ROWS, TWO)
    _, manifest = unpacked(with_zeros_missing, tmp_path / "missing")
    assert manifest["framework"] == "sklearn"


@pytest.mark.parametrize("estimator", [xgboost.XGBClassifier(), lightgbm.LGBMClassifier()])
def test_an_estimator_that_is_not_fitted_is_refused(tmp_path: Path, estimator: Any) -> None:
    with pytest.raises(InvalidRequestError, match="not fitted yet"):
        unpacked(estimator, tmp_path)


def test_a_method_that_the_model_does_not_have_is_refused(tmp_path: Path) -> None:
    regressor = xgboost.XGBRegressor(**SMALL).fit(ROWS, TWO)
    with pytest.raises(InvalidRequestError, match="XGBRegressor has no method predict_proba"):
        unpacked(regressor, tmp_path, method="predict_proba")
    with pytest.raises(InvalidRequestError, match="'decision_function' is not one of predict, predict_proba, predict_"):
        unpacked(regressor, tmp_path, method="decision_function")
    with pytest.raises(InvalidRequestError, match="'predict_proba' is not one of predict"):
        unpacked(linear_onnx(), tmp_path, method="predict_proba")


@pytest.mark.parametrize("library", [xgboost.XGBRegressor(**SMALL), lightgbm.LGBMRegressor(**QUIET)])
def test_the_same_estimator_gives_the_same_artifact(library: Any) -> None:
    library.fit(ROWS, TWO)
    hashes = set()
    for _ in range(2):
        with packed(library, "doubles") as artifact:
            hashes.add(artifact.sha256)
    assert len(hashes) == 1


def test_outputs_and_threads_are_chosen_when_packing(tmp_path: Path) -> None:
    folder, manifest = unpacked(linear_onnx(), tmp_path / "model", outputs=["probabilities"], threads=2)
    assert (manifest["outputs"], manifest["threads"]) == (["probabilities"], 2)
    assert dense_answers(loaded(folder), ROWS[:5], 5).shape == (5, 2)


def test_what_a_framework_does_not_have_cannot_be_chosen(tmp_path: Path) -> None:
    regressor = xgboost.XGBRegressor(**SMALL).fit(ROWS, TWO)
    with pytest.raises(InvalidRequestError, match="a model of xgboost has no outputs to choose"):
        unpacked(regressor, tmp_path, outputs=["y"])
    with pytest.raises(InvalidRequestError, match="a model of python has no threads to choose"):
        unpacked(len, tmp_path, threads=2)
