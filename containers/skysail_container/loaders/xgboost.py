"""XGBoost models in its own formats, JSON and UBJSON."""

import json
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import xgboost

from skysail_container.errors import ManifestError, ModelLoadError
from skysail_container.feature_matrix import FeatureMatrix
from skysail_container.input_types import InputType
from skysail_container.load_report import report
from skysail_container.manifest import Manifest
from skysail_container.model import Model, ModelInput
from skysail_container.wire import Rows

__all__ = ["METHODS", "XGBoostModel", "load"]

METHODS = ("predict", "predict_proba", "predict_label", "predict_margin")

Predicted = npt.NDArray[Any]


class _Learner(NamedTuple):
    """What the file says about its model."""

    objective: str
    n_classes: int
    """At least 2, also where the objective knows no classes."""
    is_linear: bool
    is_classifier: bool
    """Whether XGBoost's scikit-learn interface saved it as a classifier."""
    n_rounds: int
    """Boosting rounds to use; 0: all of them."""

    @property
    def knows_classes(self) -> bool:
        return self.objective.startswith(("binary:", "multi:"))


class XGBoostModel:
    """A booster behind one of the methods. Its outputs are those of XGBoost's own classes, bit for bit.

    `inplace_predict` spares the copy into a DMatrix; linear boosters know only the latter.
    """

    def __init__(self, booster: xgboost.Booster, learner: _Learner, method: str, n_threads: int) -> None:
        self._booster = booster
        self._learner = learner
        self._features = FeatureMatrix(booster.num_features(), booster.feature_names)
        self._n_threads = n_threads
        self._predict: Callable[[Predicted], Predicted] = self._method(method)

    def predict(self, rows: ModelInput) -> object:
        return self._predict(self._features.of(rows))

    def example_rows(self, input_type: InputType) -> Rows | None:
        return self._features.example_rows(input_type)

    def _method(self, method: str) -> Callable[[Predicted], Predicted]:
        if method == "predict":
            return self._labels if self._learner.is_classifier else self._values
        return {
            "predict_proba": self._probabilities,
            "predict_label": self._labels,
            "predict_margin": self._margins,
        }[method]

    def _values(self, matrix: Predicted) -> Predicted:
        return self._boosted(matrix, "value")

    def _margins(self, matrix: Predicted) -> Predicted:
        return self._boosted(matrix, "margin")

    def _probabilities(self, matrix: Predicted) -> Predicted:
        if self._learner.objective == "multi:softmax":
            return _softmax(self._margins(matrix))
        values = self._values(matrix)
        return values if values.ndim == 2 else np.stack((1.0 - values, values), axis=1)

    def _labels(self, matrix: Predicted) -> Predicted:
        values = self._values(matrix)
        if self._learner.objective == "multi:softmax":
            return values.astype(np.int64)
        if values.ndim == 2 and self._learner.n_classes > 2:
            return _largest(values)
        return (values > 0.5).astype(np.int64)  # two classes, or several labels of two classes each

    def _boosted(self, matrix: Predicted, kind: str) -> Predicted:
        if self._learner.is_linear:
            rows = xgboost.DMatrix(matrix, nthread=self._n_threads)
            return self._booster.predict(rows, output_margin=kind == "margin", validate_features=False)
        predicted: Predicted = self._booster.inplace_predict(
            matrix, predict_type=kind, iteration_range=(0, self._learner.n_rounds), validate_features=False
        )
        return predicted


def load(folder: Path, manifest: Manifest) -> Model:
    """The booster in the manifest's file.

    :raises ModelLoadError: XGBoost cannot load it, or its objective knows no classes and the method needs them.
    """
    if manifest.method not in METHODS:
        raise ManifestError("method", f"{manifest.method!r} is not one of {', '.join(METHODS)}")
    path = manifest.path(folder)
    try:
        booster = xgboost.Booster({"nthread": manifest.threads}, model_file=str(path))
    except (xgboost.core.XGBoostError, ValueError, UnicodeDecodeError) as error:
        raise ModelLoadError(f"{manifest.file} is not a model that XGBoost can load: {_first_line(error)}") from error
    learner = _learner(booster)
    if manifest.method in ("predict_proba", "predict_label") and not learner.knows_classes:
        raise ModelLoadError(f"a model with the objective {learner.objective} has no method {manifest.method}")
    report.served_by = f"xgboost {xgboost.__version__}"
    return XGBoostModel(booster, learner, manifest.method, manifest.threads)


def _learner(booster: xgboost.Booster) -> _Learner:
    config = json.loads(booster.save_config())["learner"]
    is_linear = config["gradient_booster"]["name"] == "gblinear"
    saved_by = json.loads(booster.attr("scikit_learn") or "{}")
    best_iteration = booster.attr("best_iteration")
    # Only the scikit-learn interface stops at the best round by itself.
    stops_early = bool(saved_by) and best_iteration is not None and not is_linear
    return _Learner(
        objective=config["objective"]["name"],
        n_classes=max(2, int(config["learner_model_param"]["num_class"])),
        is_linear=is_linear,
        is_classifier=saved_by.get("_estimator_type") == "classifier",
        n_rounds=int(best_iteration) + 1 if stops_early and best_iteration else 0,
    )


def _largest(values: Predicted) -> Predicted:
    numbers: Predicted = np.argmax(values, axis=1)
    return numbers


def _softmax(margins: Predicted) -> Predicted:
    probabilities: Predicted = import_module("scipy.special").softmax(margins, axis=1)  # XGBoost brings SciPy
    return probabilities


def _first_line(error: Exception) -> str:
    """XGBoost's message without the stack of its C++ functions."""
    return str(error).partition("\n")[0]
