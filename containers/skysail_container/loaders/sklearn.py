"""Fitted scikit-learn estimators and pipelines, saved with joblib."""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import joblib

from skysail_container.errors import ManifestError, ModelLoadError
from skysail_container.input_types import NUMERIC_INPUT_TYPES, InputType
from skysail_container.manifest import Manifest
from skysail_container.model import Model, ModelInput
from skysail_container.wire import ITEM_BYTES, Dense, Rows

__all__ = ["SklearnModel", "load"]

METHODS = ("predict", "predict_proba", "decision_function")


class SklearnModel:
    """An estimator behind one of its methods.

    JSON rows that are objects become one pandas DataFrame, because that is what an estimator with named columns was
    fitted on; everything else is passed on as it is.
    """

    def __init__(self, estimator: Any, method: str) -> None:
        self._predict: Callable[[Any], object] = getattr(estimator, method)
        self._n_features: int | None = getattr(estimator, "n_features_in_", None)
        self._has_named_columns = hasattr(estimator, "feature_names_in_")

    def predict(self, rows: ModelInput) -> object:
        if self._has_named_columns and isinstance(rows, list) and all(isinstance(row, dict) for row in rows):
            return self._predict(import_module("pandas").DataFrame(rows))
        return self._predict(rows)

    def example_rows(self, input_type: InputType) -> Rows | None:
        dtype = NUMERIC_INPUT_TYPES.get(input_type)
        if dtype is None or self._n_features is None:
            return None
        return Dense(dtype, (1, self._n_features), bytes(ITEM_BYTES[dtype] * self._n_features))


def load(folder: Path, manifest: Manifest) -> Model:
    """The estimator in the manifest's file.

    :raises ModelLoadError: another Python saved it, or it lacks the method.
    """
    manifest.check_python()
    if manifest.method not in METHODS:
        raise ManifestError("method", f"{manifest.method!r} is not one of {', '.join(METHODS)}")
    estimator = joblib.load(manifest.path(folder))
    if not callable(getattr(estimator, manifest.method, None)):
        raise ModelLoadError(f"a {type(estimator).__name__} has no method {manifest.method}")
    return SklearnModel(estimator, manifest.method)
