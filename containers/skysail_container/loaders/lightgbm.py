"""LightGBM models in its own text format."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import numpy.typing as npt

from skysail_container.errors import ManifestError, ModelLoadError
from skysail_container.feature_matrix import FeatureMatrix
from skysail_container.input_types import InputType
from skysail_container.load_report import report
from skysail_container.manifest import Manifest
from skysail_container.model import Model, ModelInput
from skysail_container.wire import Rows

__all__ = ["METHODS", "LightGBMModel", "load"]

METHODS = ("predict", "predict_proba", "predict_label", "predict_margin")

_CLASSIFYING = frozenset({"binary", "multiclass", "multiclassova"})

Predicted = npt.NDArray[Any]


class LightGBMModel:
    """A booster behind one of the methods. Its outputs are those of LightGBM's own classes, bit for bit.

    The number of threads goes into every call: LightGBM would otherwise wake a thread per processor for one row, and
    one row would take milliseconds.
    """

    def __init__(self, booster: lightgbm.Booster, manifest: Manifest) -> None:
        self._booster = booster
        self._n_threads = manifest.threads
        self._classes = np.array(manifest.classes) if manifest.classes else None
        self._features = FeatureMatrix(booster.num_feature(), booster.feature_name())
        self._predict: Callable[[Predicted], Predicted] = self._method(manifest.method)

    def predict(self, rows: ModelInput) -> object:
        return self._predict(self._features.of(rows))

    def example_rows(self, input_type: InputType) -> Rows | None:
        return self._features.example_rows(input_type)

    def _method(self, method: str) -> Callable[[Predicted], Predicted]:
        if method == "predict":
            return self._values if self._classes is None else self._labels
        return {
            "predict_proba": self._probabilities,
            "predict_label": self._labels,
            "predict_margin": self._margins,
        }[method]

    def _values(self, matrix: Predicted) -> Predicted:
        return np.asarray(self._booster.predict(matrix, num_threads=self._n_threads))

    def _margins(self, matrix: Predicted) -> Predicted:
        return np.asarray(self._booster.predict(matrix, raw_score=True, num_threads=self._n_threads))

    def _probabilities(self, matrix: Predicted) -> Predicted:
        values = self._values(matrix)
        return values if values.ndim == 2 else np.stack((1.0 - values, values), axis=1)

    def _labels(self, matrix: Predicted) -> Predicted:
        numbers: Predicted = np.argmax(self._probabilities(matrix), axis=1)
        return numbers if self._classes is None else self._classes[numbers]


def load(folder: Path, manifest: Manifest) -> Model:
    """The booster in the manifest's file.

    :raises ModelLoadError: LightGBM cannot load it, or its objective knows no classes and the method needs them.
    """
    if manifest.method not in METHODS:
        raise ManifestError("method", f"{manifest.method!r} is not one of {', '.join(METHODS)}")
    path = manifest.path(folder)
    objective = _objective(_whole_text(path))
    try:
        booster = lightgbm.Booster(model_file=str(path))
    except (lightgbm.basic.LightGBMError, ValueError) as error:
        raise ModelLoadError(f"{manifest.file} is not a model that LightGBM can load: {error}") from error
    needs_classes = manifest.method in ("predict_proba", "predict_label") or manifest.classes
    if needs_classes and objective not in _CLASSIFYING:
        raise ModelLoadError(f"a model with the objective {objective} has no method {manifest.method}")
    if manifest.classes and len(manifest.classes) != max(2, booster.num_model_per_iteration()):
        raise ManifestError("classes", f"{len(manifest.classes)} labels for another number of classes")
    report.served_by = f"lightgbm {lightgbm.__version__}"
    return LightGBMModel(booster, manifest)


def _whole_text(path: Path) -> bytes:
    """The file, once it is seen to hold as many bytes of trees as it says: LightGBM reads beyond what is cut off, and
    the process would end with a segmentation fault.

    :raises ModelLoadError: it does not.
    """
    text = path.read_bytes()
    sizes = _value(text, b"tree_sizes")
    first, end = text.find(b"\nTree=0\n") + 1, text.find(b"end of trees")
    is_whole = sizes is not None and end >= 0 and (not sizes or sum(map(int, sizes.split())) == end - first)
    if not (text.startswith(b"tree\n") and is_whole):
        raise ModelLoadError(f"{path.name} is not a model that LightGBM can load: it is no LightGBM file, or not whole")
    return text


def _objective(text: bytes) -> str:
    """Its name without its parameters."""
    words = (_value(text, b"objective") or b"").split()
    return words[0].decode("utf-8", "replace") if words else "of your own"


def _value(text: bytes, name: bytes) -> bytes | None:
    """What stands behind the name in the head of the file."""
    head = text.partition(b"\nTree=")[0]
    found = re.search(rb"^%s=(.*)$" % name, head, re.MULTILINE)
    return found[1].strip() if found else None
