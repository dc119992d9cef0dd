"""Models in the own files of ONNX, XGBoost and LightGBM, and objects of these libraries that save such files.

Such a file holds no code and is read by every version of Python, so it goes before a pickle of the same model. Whoever
has an object has imported its library, so this never has to.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from skysail_admin.errors import InvalidRequestError
from skysail_admin.packing.archive import ArchiveEntry
from skysail_admin.packing.manifest import MANIFEST_NAME, manifest_bytes, new_manifest

__all__ = ["is_native_file", "is_native_object", "native_file_entries", "native_object_entries"]

_FRAMEWORKS = {".onnx": "onnx", ".json": "xgboost", ".ubj": "xgboost", ".txt": "lightgbm"}

_BEGINNINGS = {".json": b"{", ".ubj": b"{", ".txt": b"tree"}
"""What the files that are easily mistaken begin with."""

_WEIGHTS_SUFFIXES = (".data", "_data")
"""Behind the name of an ONNX file: where exporters put weights that are too large for it."""

_METHODS = {
    "onnx": ("predict",),
    "xgboost": ("predict", "predict_proba", "predict_label", "predict_margin"),
    "lightgbm": ("predict", "predict_proba", "predict_label", "predict_margin"),
}

_LIGHTGBM_CLASSIFYING = frozenset({"binary", "multiclass", "multiclassova"})


class _Saved(NamedTuple):
    """A file in the staging folder, and what the manifest says besides."""

    file: str
    classes: Sequence[Any] | None = None


def is_native_file(path: Path) -> bool:
    return path.suffix.lower() in _FRAMEWORKS and path.is_file()


def native_file_entries(
    path: Path, input_type: str, *, method: str, warm_up_rows: list[Any] | None
) -> list[ArchiveEntry]:
    """The file itself, the weights beside an ONNX file, and a manifest.

    :raises InvalidRequestError: it is another kind of file, or its framework has no such method.
    """
    suffix = path.suffix.lower()
    framework = _FRAMEWORKS[suffix]
    _check_method(framework, method)
    with path.open("rb") as file:
        beginning = file.read(16)
    if not beginning.startswith(_BEGINNINGS.get(suffix, b"")) or not beginning:
        raise InvalidRequestError(
            f"{path} is taken for a model of {framework}, for it ends in {suffix}, but it is not one", field="model"
        )
    manifest = new_manifest(framework, path.name, input_type, method=method, warm_up_rows=warm_up_rows)
    entries = [ArchiveEntry(path.name, path), ArchiveEntry(MANIFEST_NAME, manifest_bytes(manifest))]
    beside = [path.with_name(path.name + suffix) for suffix in _WEIGHTS_SUFFIXES] if framework == "onnx" else []
    return entries + [ArchiveEntry(weights.name, weights) for weights in beside if weights.is_file()]


def is_native_object(model: object) -> bool:
    """Whether it is an object that `native_object_entries` can save without losing anything."""
    return _framework_of(model) is not None


def native_object_entries(
    model: Any, staging: Path, input_type: str, *, method: str, warm_up_rows: list[Any] | None
) -> list[ArchiveEntry]:
    """Saves the object into `staging`.

    :raises InvalidRequestError: it is not fitted, or has no such method.
    """
    framework = _framework_of(model) or ""
    _check_method(framework, method)
    if method == "predict_proba" and not hasattr(model, "predict_proba") and _is_estimator_of(model, framework):
        raise InvalidRequestError(f"{type(model).__name__} has no method {method}", field="method")
    saved = _SAVERS[framework](model, staging)
    manifest = new_manifest(
        framework,
        saved.file,
        input_type,
        method=method,
        classes=saved.classes,
        libraries={framework: sys.modules[framework].__version__},
        warm_up_rows=warm_up_rows,
    )
    return [ArchiveEntry(saved.file, staging / saved.file), ArchiveEntry(MANIFEST_NAME, manifest_bytes(manifest))]


def _check_method(framework: str, method: str) -> None:
    methods = _METHODS[framework]
    if method not in methods:
        raise InvalidRequestError(f"method {method!r} is not one of {', '.join(methods)}", field="method")


# --- objects ----------------------------------------------------------------------------------------------------------


def _framework_of(model: object) -> str | None:
    if _is_instance(model, "onnx", "ModelProto"):
        return "onnx"
    if _is_instance(model, "xgboost", "Booster") or (_is_estimator_of(model, "xgboost") and _xgboost_saves_all(model)):
        return "xgboost"
    if _is_instance(model, "lightgbm", "Booster") or (
        _is_estimator_of(model, "lightgbm") and _lightgbm_saves_all(model)
    ):
        return "lightgbm"
    return None


def _is_instance(model: object, module: str, name: str) -> bool:
    loaded = sys.modules.get(module)
    return loaded is not None and isinstance(model, getattr(loaded, name, ()))


def _is_estimator_of(model: object, framework: str) -> bool:
    """Whether the library's own scikit-learn interface made it; a class derived from it has code of its own."""
    return type(model).__module__ == f"{framework}.sklearn"


def _xgboost_saves_all(model: Any) -> bool:
    """The file says neither which number stands for a missing value nor what an objective of the user's own does, and
    categories are columns of a DataFrame."""
    if not model.__sklearn_is_fitted__():
        return True  # saving says so
    is_missing_nan = model.missing is None or model.missing != model.missing
    return is_missing_nan and not callable(model.objective) and "c" not in (model.get_booster().feature_types or ())


def _lightgbm_saves_all(model: Any) -> bool:
    """As for XGBoost; and labels must have a form in JSON."""
    if not model.__sklearn_is_fitted__():
        return True
    if callable(model.objective_) or model.booster_.pandas_categorical or "pred_early_stop" in model.get_params():
        return False
    classes = getattr(model, "classes_", None)
    if classes is None:
        return True
    return model.objective_ in _LIGHTGBM_CLASSIFYING and all(
        isinstance(label, str | int | float) for label in classes.tolist()
    )


def _save_onnx(model: Any, staging: Path) -> _Saved:
    (staging / "model.onnx").write_bytes(model.SerializeToString())
    return _Saved("model.onnx")


def _save_xgboost(model: Any, staging: Path) -> _Saved:
    _check_fitted(model)
    model.save_model(staging / "model.ubj")
    return _Saved("model.ubj")


def _save_lightgbm(model: Any, staging: Path) -> _Saved:
    _check_fitted(model)
    booster = getattr(model, "booster_", model)
    booster.save_model(staging / "model.txt")
    classes = getattr(model, "classes_", None)
    return _Saved("model.txt", None if classes is None else classes.tolist())


def _check_fitted(model: Any) -> None:
    if hasattr(model, "__sklearn_is_fitted__") and not model.__sklearn_is_fitted__():
        raise InvalidRequestError("the estimator is not fitted yet", field="model")


_SAVERS = {"onnx": _save_onnx, "xgboost": _save_xgboost, "lightgbm": _save_lightgbm}
