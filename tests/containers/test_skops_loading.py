"""Estimators in skops files: loaded without trusting any type, or not at all."""

from pathlib import Path

import numpy as np
import pytest
import skops.io
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from harness.container_process import manifest_folder
from skysail_container.errors import ModelLoadError
from skysail_container.loaders.registry import load_model
from skysail_container.manifest import read_manifest
from skysail_container.model import Model

ROWS, LABELS = load_iris(return_X_y=True)


def loaded(folder: Path) -> Model:
    manifest_folder(folder, "sklearn", "model.skops", {"method": "predict", "input_type": "doubles"})
    return load_model(folder, read_manifest(folder))


def test_an_estimator_in_a_skops_file_answers_as_before(tmp_path: Path) -> None:
    estimator = make_pipeline(StandardScaler(), LogisticRegression()).fit(ROWS, LABELS)
    skops.io.dump(estimator, tmp_path / "model.skops")
    assert np.array_equal(np.asarray(loaded(tmp_path).predict(ROWS)), estimator.predict(ROWS))


def test_types_that_skops_does_not_trust_are_refused_by_name(tmp_path: Path) -> None:
    skops.io.dump(RandomForestClassifier(2).fit(ROWS, LABELS), tmp_path / "model.skops")
    with pytest.raises(ModelLoadError, match=r"does not trust: sklearn\.tree\._tree\.Tree"):
        loaded(tmp_path)


def test_a_broken_skops_file_is_refused_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "model.skops").write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(ModelLoadError, match="the model cannot be loaded: BadZipFile"):
        loaded(tmp_path)
