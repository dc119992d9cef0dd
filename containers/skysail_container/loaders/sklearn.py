"""Fitted scikit-learn estimators and pipelines, saved with skops or with joblib."""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import joblib
import numpy as np

from skysail_container.acceleration.choice import faster_form
from skysail_container.acceleration.form import Compute, engine_name
from skysail_container.errors import ManifestError, ModelLoadError
from skysail_container.input_types import NUMERIC_INPUT_TYPES, InputType
from skysail_container.load_report import report
from skysail_container.manifest import Manifest
from skysail_container.model import Model, ModelInput
from skysail_container.validation_rows import read_validation_rows
from skysail_container.wire import ITEM_BYTES, Dense, Rows

__all__ = ["SKOPS_SUFFIX", "SklearnModel", "load"]

METHODS = ("predict", "predict_proba", "decision_function")
SKOPS_SUFFIX = ".skops"


class SklearnModel:
    """An estimator behind one of its methods.

    JSON rows that are objects become one pandas DataFrame, because that is what an estimator with named columns was
    fitted on. Batches that are arrays of `fast_dtype` go to `fast`, if there is one; what it does not take, and
    everything else, goes to the estimator as it is.
    """

    def __init__(
        self, estimator: Any, method: str, fast: Compute | None = None, fast_dtype: np.dtype[Any] | None = None
    ) -> None:
        self._predict: Callable[[Any], object] = getattr(estimator, method)
        self._n_features: int | None = getattr(estimator, "n_features_in_", None)
        self._names: list[str] = list(getattr(estimator, "feature_names_in_", ()))
        self._fast = fast
        self._fast_dtype = fast_dtype

    def predict(self, rows: ModelInput) -> object:
        if isinstance(rows, np.ndarray):
            return self._predict_array(rows)
        if self._names and all(isinstance(row, dict) for row in rows):
            return self._predict(self._frame(rows))
        return self._predict(rows)

    def _frame(self, rows: ModelInput) -> Any:
        """The columns in the estimator's order, which it insists on and objects have not; others are its to refuse."""
        frame = import_module("pandas").DataFrame(rows)
        return frame[self._names] if set(frame.columns) == set(self._names) else frame

    def _predict_array(self, rows: np.ndarray[Any, np.dtype[Any]]) -> object:
        if self._fast is not None and rows.dtype == self._fast_dtype and rows.shape[1:] == (self._n_features,):
            with np.errstate(all="ignore"):  # overflow makes rows that the form does not take
                outputs = self._fast(rows)
            if outputs is not None:
                return outputs
        return self._predict(rows)

    def example_rows(self, input_type: InputType) -> Rows | None:
        dtype = NUMERIC_INPUT_TYPES.get(input_type)
        if dtype is None or self._n_features is None:
            return None
        return Dense(dtype, (1, self._n_features), bytes(ITEM_BYTES[dtype] * self._n_features))


def load(folder: Path, manifest: Manifest) -> Model:
    """The estimator in the manifest's file, or a faster form that gave the same outputs.

    The manifest's `threads` hold for the estimator as well: a HistGradientBoosting whose two OpenMP threads have to
    share cores with others takes more than ten times as long as with one.

    :raises ModelLoadError: another Python pickled it, its skops file holds types that are not trusted, it lacks the
        method, or its validation rows cannot be read.
    """
    if manifest.method not in METHODS:
        raise ManifestError("method", f"{manifest.method!r} is not one of {', '.join(METHODS)}")
    if manifest.file.endswith(SKOPS_SUFFIX):
        estimator = _loaded_by_skops(manifest.path(folder))
    else:
        manifest.check_python()
        estimator = joblib.load(manifest.path(folder))
    if not callable(getattr(estimator, manifest.method, None)):
        raise ModelLoadError(f"a {type(estimator).__name__} has no method {manifest.method}")
    import_module("threadpoolctl").threadpool_limits(manifest.threads)  # OpenMP and BLAS, for this thread
    package = type(estimator).__module__.partition(".")[0]
    report.served_by = engine_name("scikit-learn" if package == "sklearn" else package)
    return _served(estimator, folder, manifest)


def _loaded_by_skops(path: Path) -> Any:
    skops = import_module("skops.io")
    unknown = skops.get_untrusted_types(file=path)
    if unknown:
        raise ModelLoadError(
            f"{path.name} holds types that skops does not trust: {', '.join(unknown)}. Only load what you made "
            "yourself: deploy the estimator as a joblib file instead"
        )
    return skops.load(path, trusted=[])


def _served(estimator: Any, folder: Path, manifest: Manifest) -> Model:
    if not manifest.accelerate:
        return SklearnModel(estimator, manifest.method)
    input_type = manifest.input_type or "doubles"
    if input_type not in NUMERIC_INPUT_TYPES:
        report.note(f"not accelerated: rows of input type {input_type} are for scikit-learn itself")
        return SklearnModel(estimator, manifest.method)
    dtype = np.dtype(NUMERIC_INPUT_TYPES[input_type]).newbyteorder("=")
    choice = faster_form(
        estimator,
        manifest.method,
        dtype,
        threads=manifest.threads,
        tolerance=manifest.tolerance,
        known_rows=_known_rows(estimator, folder, manifest, input_type),
    )
    report.note(choice.note)
    if choice.form is None:
        return SklearnModel(estimator, manifest.method)
    report.served_by += f", computed by {choice.form.engine}"
    return SklearnModel(estimator, manifest.method, choice.form.compute, dtype)


def _known_rows(
    estimator: Any, folder: Path, manifest: Manifest, input_type: InputType
) -> np.ndarray[Any, np.dtype[Any]] | None:
    """The validation rows as one array; None without any, or when they are not rows of this estimator."""
    validation = read_validation_rows(folder, manifest, input_type)
    if validation is None:
        return None
    try:
        rows = np.array([row.value for row in validation.rows], NUMERIC_INPUT_TYPES[input_type])
    except (TypeError, ValueError, OverflowError):  # the check of the validation rows will say what is wrong
        return None
    return rows if rows.shape[1:] == (getattr(estimator, "n_features_in_", 0),) else None
