"""Keras models, .keras files and SavedModel directories as artifacts."""

import io
import json
import zipfile
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from harness.tensorflow_models import GROUP, classifier, repeatable_tensorflow, saved
from skysail_admin import InvalidRequestError
from skysail_admin.packing.artifact import packed
from skysail_container.loaders.registry import load_model
from skysail_container.manifest import read_manifest

pytestmark = [
    pytest.mark.xdist_group(GROUP),
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning"),
]


def contents_of(model: Any, input_type: str = "floats", **options: Any) -> dict[str, bytes]:
    with packed(model, input_type, **options) as artifact, zipfile.ZipFile(artifact.path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def manifest_of(contents: dict[str, bytes]) -> dict[str, Any]:
    manifest: dict[str, Any] = json.loads(contents["skysail.json"])
    return manifest


def test_a_keras_model_becomes_a_keras_file_that_is_loaded_again(tmp_path: Path) -> None:
    for name, content in contents_of(classifier()).items():
        (tmp_path / name).write_bytes(content)
    manifest = read_manifest(tmp_path)
    assert (manifest.framework, manifest.file, manifest.input_type) == ("tensorflow", "model.keras", "floats")
    assert load_model(tmp_path, manifest).example_rows("floats") is not None


def test_packing_the_same_keras_model_again_gives_the_same_artifact() -> None:
    """Whenever it is saved: the times that Keras and its zip write down are gone."""
    contents = contents_of(classifier())
    assert contents_of(classifier()) == contents
    with zipfile.ZipFile(io.BytesIO(contents["model.keras"])) as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert "date_saved" not in json.loads(archive.read("metadata.json"))


def test_a_keras_model_without_an_input_is_refused() -> None:
    repeatable_tensorflow()
    keras = import_module("keras")
    with pytest.raises(InvalidRequestError, match="never built"):
        contents_of(keras.Sequential([keras.layers.Dense(1)]))


def test_a_keras_file_is_packed_as_it_is(tmp_path: Path) -> None:
    path = saved(classifier(), tmp_path, "model.keras") / "model.keras"
    contents = contents_of(path)
    assert contents["model.keras"] == path.read_bytes()
    assert manifest_of(contents)["framework"] == "tensorflow"


def test_a_keras_file_is_known_by_its_content(tmp_path: Path) -> None:
    path = saved(classifier(), tmp_path, "model.keras") / "model.keras"
    assert manifest_of(contents_of(path.rename(tmp_path / "weights.zip")))["file"] == "weights.zip"


def test_a_damaged_keras_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.keras").write_bytes(b"garbage")
    with pytest.raises(InvalidRequestError, match=r"not a \.keras file, or is damaged"):
        contents_of(tmp_path / "model.keras")


def test_a_saved_model_directory_is_the_model_folder_itself(tmp_path: Path) -> None:
    contents = contents_of(saved(classifier(), tmp_path, "saved") / "saved")
    assert {"saved_model.pb", "variables/variables.index"} < set(contents)
    assert manifest_of(contents)["file"] == "."


def test_a_manifest_may_name_a_directory_beside_it(tmp_path: Path) -> None:
    folder = saved(classifier(), tmp_path, "saved", signature="serving_default", input_type="floats")
    assert manifest_of(contents_of(folder))["file"] == "saved"


def test_methods_are_for_estimators(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequestError, match="'predict_proba' is for estimators"):
        contents_of(classifier(), method="predict_proba")
