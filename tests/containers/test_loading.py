"""Manifests, loaders and warm-up."""

import json
import logging
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

from harness.container_process import function_folder, sklearn_folder, source_folder
from skysail_container.errors import ManifestError, ModelLoadError
from skysail_container.function_model import FunctionModel
from skysail_container.input_types import InputType
from skysail_container.load_report import report
from skysail_container.loaders.registry import load_model
from skysail_container.manifest import Manifest, read_manifest
from skysail_container.model import Model
from skysail_container.warm_up import rows_of_json, warm_up
from skysail_container.wire import ArrayRow, Arrays, Bytes, Dense, Json, Ragged, Rows, Strings

GOOD = {"format": 1, "framework": "sklearn", "file": "model.joblib"}


def manifest_folder(folder: Path, values: object) -> Path:
    (folder / "skysail.json").write_text(json.dumps(values))
    return folder


def loaded(folder: Path) -> Model:
    return load_model(folder, read_manifest(folder))


def test_a_manifest_is_read_with_its_defaults(tmp_path: Path) -> None:
    manifest = read_manifest(manifest_folder(tmp_path, {**GOOD, "unknown": "ignored"}))
    assert manifest == Manifest("sklearn", "model.joblib", "predict", None, {}, None, ())


def test_a_folder_with_only_a_model_py_needs_no_manifest(tmp_path: Path) -> None:
    assert read_manifest(source_folder(tmp_path / "model", "")).framework == "folder"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"format": 2}, "format"),
        ({"framework": "cobol"}, "framework"),
        ({"framework": None}, "framework"),
        ({"file": 5}, "file"),
        ({"method": ["predict"]}, "method"),
        ({"python": 3.11}, "python"),
        ({"libraries": []}, "libraries"),
        ({"input_type": "vectors"}, "input_type"),
        ({"warm_up_rows": "1"}, "warm_up_rows"),
        ({"outputs": ["scores", 1]}, "outputs"),
        ({"classes": "ab"}, "classes"),
        ({"signature": 1}, "signature"),
        ({"threads": 0}, "threads"),
        ({"threads": True}, "threads"),
        ({"accelerate": "no"}, "accelerate"),
        ({"tolerance": -1}, "tolerance"),
        ({"tolerance": "1e-5"}, "tolerance"),
        ({"validation": []}, "validation"),
        ({"input_schema": []}, "input_schema"),
    ],
)
def test_a_wrong_manifest_is_refused_with_its_field(tmp_path: Path, change: dict[str, object], field: str) -> None:
    with pytest.raises(ManifestError) as caught:
        read_manifest(manifest_folder(tmp_path, {**GOOD, **change}))
    assert caught.value.field == field
    assert str(caught.value).startswith(f"skysail.json: {field}: ")


@pytest.mark.parametrize("text", ["", "[]", "{", '"x"', "\x00"])
def test_a_manifest_that_is_no_json_object_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "skysail.json").write_text(text)
    with pytest.raises(ManifestError):
        read_manifest(tmp_path)


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelLoadError, match=r"has neither skysail.json nor model.py"):
        read_manifest(tmp_path)
    with pytest.raises(ModelLoadError, match="does not exist"):
        read_manifest(tmp_path / "nowhere")


@pytest.mark.parametrize("file", ["../outside.pkl", "/etc/hostname", "link", "missing", ""])
def test_a_file_outside_the_folder_is_not_read(tmp_path: Path, file: str) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (tmp_path / "outside.pkl").write_bytes(b"")
    (folder / "link").symlink_to(tmp_path / "outside.pkl")
    with pytest.raises(ManifestError, match="file"):
        loaded(manifest_folder(folder, {**GOOD, "framework": "python", "file": file}))


@pytest.mark.parametrize("method", ["predict", "predict_proba", "decision_function"])
def test_an_estimator_answers_with_the_method_it_was_saved_for(tmp_path: Path, method: str) -> None:
    rows, labels = load_iris(return_X_y=True)
    estimator = LogisticRegression(max_iter=1000).fit(rows, labels)
    model = loaded(sklearn_folder(tmp_path / "model", estimator, method=method))
    assert np.array_equal(np.asarray(model.predict(rows[:5])), getattr(estimator, method)(rows[:5]))


def test_an_estimator_knows_a_row_to_warm_up_with(tmp_path: Path) -> None:
    rows, labels = load_iris(return_X_y=True)
    model = loaded(sklearn_folder(tmp_path / "model", LogisticRegression(max_iter=1000).fit(rows, labels)))
    assert model.example_rows("floats") == Dense("<f4", (1, 4), bytes(16))
    assert model.example_rows("strings") is None


def test_an_estimator_without_the_method_is_refused(tmp_path: Path) -> None:
    estimator = KNeighborsClassifier()
    with pytest.raises(ModelLoadError, match="KNeighborsClassifier has no method decision_function"):
        loaded(sklearn_folder(tmp_path / "a", estimator, method="decision_function"))
    with pytest.raises(ManifestError, match="method"):
        loaded(sklearn_folder(tmp_path / "b", estimator, method="fit"))


def test_a_file_that_is_no_model_is_refused_with_the_reason(tmp_path: Path) -> None:
    folder = sklearn_folder(tmp_path / "model", LogisticRegression())
    (folder / "model.joblib").write_bytes(b"garbage")
    with pytest.raises(ModelLoadError, match="the model cannot be loaded: "):
        loaded(folder)
    folder = function_folder(tmp_path / "function", len)
    (folder / "function.pkl").write_bytes(b"\x80\x04K\x05.")  # the pickled number 5
    with pytest.raises(ModelLoadError, match="holds a int, not a function"):
        loaded(folder)


@pytest.mark.parametrize("framework", ["sklearn", "python"])
def test_pickles_of_another_python_are_refused(tmp_path: Path, framework: str) -> None:
    with pytest.raises(ModelLoadError, match=r"saved by Python 2\.7 and this container runs Python 3\."):
        loaded(manifest_folder(tmp_path, {**GOOD, "framework": framework, "python": "2.7"}))


@pytest.mark.parametrize(
    ("framework", "module", "extra"),
    [
        ("onnx", "onnxruntime", "onnx"),
        ("xgboost", "xgboost", "xgboost"),
        ("lightgbm", "lightgbm", "lightgbm"),
        ("python", "cloudpickle", "python"),
    ],
)
def test_a_missing_library_is_told_with_the_extra_that_brings_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, framework: str, module: str, extra: str
) -> None:
    loader = "python_function" if framework == "python" else framework
    monkeypatch.delitem(sys.modules, f"skysail_container.loaders.{loader}", raising=False)
    monkeypatch.setitem(sys.modules, module, None)  # Python's own way to say that it cannot be imported
    with pytest.raises(
        ModelLoadError, match=rf"needs the module '{module}'.* pip install 'skysail-container\[{extra}\]'"
    ):
        loaded(manifest_folder(tmp_path, {**GOOD, "framework": framework}))


def test_a_library_under_the_name_of_its_smaller_distribution_is_no_other(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    installed = version("xgboost-cpu")
    with caplog.at_level(logging.WARNING):
        loaded(function_folder(tmp_path / "model", len, libraries={"xgboost": installed}))
    assert "xgboost" not in caplog.text


def test_other_library_versions_are_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        loaded(function_folder(tmp_path / "model", len, libraries={"numpy": "0.1", "not-installed-anywhere": "1"}))
    assert "the model was saved with numpy 0.1; here it is " in caplog.text
    assert "not-installed-anywhere 1; here it is missing" in caplog.text
    assert any("saved with numpy 0.1" in note for note in report.notes)


def test_a_pickle_that_fails_and_is_of_other_library_versions_says_so(tmp_path: Path) -> None:
    folder = sklearn_folder(tmp_path / "model", LogisticRegression(), libraries={"scikit-learn": "0.18"})
    (folder / "model.joblib").write_bytes(b"garbage")
    with pytest.raises(
        ModelLoadError, match=r"saved with scikit-learn 0\.18; here it is .* give it a requirements.txt"
    ):
        loaded(folder)


CLASS_MODEL = """
from pathlib import Path
from skysail_test_sibling import FACTOR

class Model:
    def __init__(self, folder):
        self.offset = float((Path(folder) / "offset.txt").read_text())

    def predict(self, rows):
        return rows.sum(axis=1) * FACTOR + self.offset

def predict(rows):
    raise AssertionError("the class goes before the function")
"""


def test_a_folders_class_is_given_its_folder_and_may_import_its_siblings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    folder = source_folder(tmp_path / "model", CLASS_MODEL)
    (folder / "offset.txt").write_text("0.5")
    (folder / "skysail_test_sibling.py").write_text("FACTOR = 10\n")
    assert np.asarray(loaded(folder).predict(np.array([[1.0, 2.0]]))).tolist() == [30.5]


@pytest.mark.parametrize(
    ("input_type", "values", "rows"),
    [
        ("doubles", [[1, 2.5]], Ragged("<f8", (2,), np.array([1, 2.5]).tobytes())),
        ("integers", [[1], [2, 3]], Ragged("<i8", (1, 2), np.array([1, 2, 3], "<i8").tobytes())),
        ("strings", ["a"], Strings(("a",))),
        ("bytes", ["AP8="], Bytes((b"\x00\xff",))),
        ("json", [{"a": 1}], Json((b'{"a": 1}',))),
        ("tensor", [[[1.0], [2.0]]], Arrays((ArrayRow("<f8", (2, 1), np.array([1.0, 2.0]).tobytes()),))),
    ],
)
def test_warm_up_rows_are_written_as_json(input_type: InputType, values: list[Any], rows: Rows) -> None:
    assert rows_of_json(values, input_type) == rows


@pytest.mark.parametrize(
    ("input_type", "values"),
    [
        ("doubles", [1.0]),
        ("doubles", [["x"]]),
        ("doubles", [[[1.0, 2.0]]]),
        ("integers", [[10**30]]),
        ("strings", [1]),
        ("bytes", ["not base64!"]),
        ("tensor", [[[1], [2, 3]]]),
    ],
)
def test_warm_up_rows_of_another_type_are_refused(input_type: InputType, values: list[Any]) -> None:
    with pytest.raises(ManifestError, match="warm_up_rows: not rows of input type"):
        rows_of_json(values, input_type)


class Zeros(FunctionModel):
    """A model that knows an example it does not take."""

    def example_rows(self, input_type: InputType) -> Rows | None:
        return Dense("<f8", (1, 2), bytes(16))


def refuse(rows: Any) -> object:
    raise ValueError("not with zeros")


def test_a_model_that_fails_on_its_own_warm_up_rows_is_not_served() -> None:
    with pytest.raises(ModelLoadError, match="fails on its own warm_up_rows, row 0: ValueError: not with zeros"):
        warm_up(FunctionModel(refuse), Manifest("folder", "model.py", warm_up_rows=([1.0],)), "doubles")


def test_a_model_that_fails_on_zeros_is_served_and_the_failure_logged(caplog: pytest.LogCaptureFixture) -> None:
    warm_up(Zeros(refuse), Manifest("folder", "model.py"), "doubles")
    assert "fails on a row of zeros, so it is not warmed up: ValueError: not with zeros" in caplog.text


def test_warm_up_runs_the_rows_through_the_model() -> None:
    seen: list[Any] = []

    def remember(rows: Any) -> object:
        seen.append(rows.tolist())
        return rows

    warm_up(FunctionModel(remember), Manifest("folder", "model.py", warm_up_rows=([1.0, 2.0],)), "doubles")
    warm_up(Zeros(remember), Manifest("folder", "model.py"), "doubles")
    warm_up(FunctionModel(remember), Manifest("folder", "model.py"), "doubles")  # knows no example
    assert seen == [[[1.0, 2.0]], [[0.0, 0.0]]]
