import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skops.io
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from harness import user_library
from skysail_admin import InvalidRequestError
from skysail_admin.packing.artifact import packed

ROWS = np.array([[0.0, 1.0], [1.0, 0.0], [2.0, 3.0], [3.0, 1.0]])
LABELS = np.array([0, 1, 0, 1])

ELSEWHERE = """
import json, os, sys
sys.modules["harness"] = None
import joblib, numpy, skops.io
is_skops = os.path.exists("model.skops")
estimator = skops.io.load("model.skops", trusted=[]) if is_skops else joblib.load("model.joblib")
print(json.dumps(estimator.predict(numpy.array([[0.0, 1.0], [3.0, 1.0]])).tolist()))
"""


def tripled(rows: np.ndarray) -> np.ndarray:
    return rows * user_library.FACTOR


def predictions_elsewhere(estimator: object, folder: Path) -> list[int]:
    with packed(estimator, "doubles") as artifact, zipfile.ZipFile(artifact.path) as archive:
        archive.extractall(folder)
    ran = subprocess.run([sys.executable, "-c", ELSEWHERE], cwd=folder, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    answer: list[int] = json.loads(ran.stdout)
    return answer


@pytest.fixture
def estimator() -> object:
    return make_pipeline(StandardScaler(), LogisticRegression()).fit(ROWS, LABELS)


def test_a_fitted_pipeline_predicts_the_same_elsewhere(estimator: object, tmp_path: Path) -> None:
    assert predictions_elsewhere(estimator, tmp_path) == [0, 1]


def test_a_pipeline_with_a_function_of_the_users_own_travels_with_it(tmp_path: Path) -> None:
    estimator = make_pipeline(FunctionTransformer(tripled), LogisticRegression()).fit(ROWS, LABELS)
    assert predictions_elsewhere(estimator, tmp_path) == [0, 1]


def manifest_of(estimator: object, **options: Any) -> dict[str, Any]:
    with packed(estimator, "doubles", **options) as artifact, zipfile.ZipFile(artifact.path) as archive:
        manifest: dict[str, Any] = json.loads(archive.read("skysail.json"))
        assert manifest["file"] in archive.namelist()
    return manifest


def test_skops_is_used_where_it_trusts_every_type_and_joblib_elsewhere(estimator: object) -> None:
    assert manifest_of(estimator)["file"] == "model.skops"
    assert manifest_of(RandomForestClassifier(2).fit(ROWS, LABELS))["file"] == "model.joblib"
    of_its_own = make_pipeline(FunctionTransformer(tripled), LogisticRegression()).fit(ROWS, LABELS)
    assert manifest_of(of_its_own)["file"] == "model.joblib"


def test_without_skops_an_estimator_is_pickled(estimator: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "skops.io", None)
    assert manifest_of(estimator)["file"] == "model.joblib"


def test_a_skops_file_is_deployed_as_it_is(estimator: object, tmp_path: Path) -> None:
    skops.io.dump(estimator, tmp_path / "mine.skops")
    path = tmp_path / "mine.skops"
    with packed(path, "doubles", accelerate=False) as artifact, zipfile.ZipFile(artifact.path) as archive:
        assert archive.read("model.skops") == path.read_bytes()
        manifest = json.loads(archive.read("skysail.json"))
    assert (manifest["framework"], manifest["accelerate"]) == ("sklearn", False)


def test_a_skops_file_with_types_that_are_not_trusted_is_refused(tmp_path: Path) -> None:
    skops.io.dump(RandomForestClassifier(2).fit(ROWS, LABELS), tmp_path / "forest.skops")
    with (
        pytest.raises(InvalidRequestError, match=r"does not trust: sklearn\.tree\._tree\.Tree"),
        packed(tmp_path / "forest.skops", "doubles"),
    ):
        pass
    (tmp_path / "broken.skops").write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(InvalidRequestError, match="is not a skops file"), packed(tmp_path / "broken.skops", "doubles"):
        pass


def test_acceleration_is_written_down_only_when_it_is_off(estimator: object) -> None:
    assert "accelerate" not in manifest_of(estimator)
    assert manifest_of(estimator, accelerate=False)["accelerate"] is False
    forest = RandomForestClassifier(2).fit(ROWS, LABELS)
    assert manifest_of(forest, accelerate=False)["accelerate"] is False


def test_the_manifest_says_how_it_is_loaded_and_what_it_was_made_with(estimator: object) -> None:
    with packed(estimator, "d", method="predict_proba") as artifact, zipfile.ZipFile(artifact.path) as archive:
        manifest = json.loads(archive.read("skysail.json"))
    assert manifest["framework"] == "sklearn"
    assert manifest["method"] == "predict_proba"
    assert manifest["input_type"] == "doubles"
    assert manifest["python"] == f"{sys.version_info.major}.{sys.version_info.minor}"
    assert {"scikit-learn", "numpy", "skops"} <= manifest["libraries"].keys()


def test_the_same_estimator_gives_the_same_artifact(estimator: object) -> None:
    hashes = set()
    for _ in range(2):
        with packed(estimator, "doubles") as artifact:
            hashes.add(artifact.sha256)
    assert len(hashes) == 1


def test_fitting_again_on_the_same_data_gives_the_same_artifact() -> None:
    hashes = set()
    for _ in range(2):
        with packed(LogisticRegression().fit(ROWS, LABELS), "doubles") as artifact:
            hashes.add(artifact.sha256)
    assert len(hashes) == 1


def test_an_estimator_that_is_not_fitted_is_refused() -> None:
    with pytest.raises(InvalidRequestError, match="not fitted"), packed(LogisticRegression(), "doubles"):
        pass


@pytest.mark.parametrize(("method", "said"), [("transform", "not one of predict"), ("predict_proba", "no method")])
def test_a_method_it_does_not_have_is_refused(method: str, said: str) -> None:
    from sklearn.linear_model import LinearRegression

    with (
        pytest.raises(InvalidRequestError, match=said),
        packed(LinearRegression().fit(ROWS, LABELS), "d", method=method),
    ):
        pass
