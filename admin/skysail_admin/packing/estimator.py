"""A fitted scikit-learn estimator (or pipeline) as the files of an artifact."""

from __future__ import annotations

import io
import pickle
import sys
from pathlib import Path
from types import FunctionType
from typing import Any

import cloudpickle

from skysail_admin.errors import InvalidRequestError
from skysail_admin.packing.archive import ArchiveEntry
from skysail_admin.packing.manifest import MANIFEST_NAME, installed_versions, manifest_bytes, new_manifest
from skysail_admin.packing.skops_file import SKOPS_SUFFIX, skops_file_entries, write_skops
from skysail_admin.packing.user_code import is_user_module, travelling_by_value

__all__ = ["METHODS", "estimator_entries", "is_estimator"]

METHODS = ("predict", "predict_proba", "decision_function")
"""What an estimator may answer with."""

_FILE = "model.joblib"
_LIBRARIES = frozenset({"scikit-learn", "numpy", "scipy", "joblib"})


def is_estimator(model: object) -> bool:
    """Whether it is an estimator of scikit-learn or made to look like one (XGBoost's, LightGBM's, ...).

    Whoever has an estimator has imported scikit-learn, so this never has to.
    """
    base = sys.modules.get("sklearn.base")
    return base is not None and isinstance(model, base.BaseEstimator)


def estimator_entries(
    model: Any,
    staging: Path,
    input_type: str,
    *,
    method: str,
    warm_up_rows: list[Any] | None,
    accelerate: bool = True,
) -> list[ArchiveEntry]:
    """Writes the estimator into `staging`: with skops where that suffices, else pickled.

    :raises InvalidRequestError: it is not fitted, cannot be pickled, or has no such method.
    """
    _check(model, method)
    path = staging / f"model{SKOPS_SUFFIX}"
    if write_skops(model, path):
        return skops_file_entries(path, input_type, method=method, warm_up_rows=warm_up_rows, accelerate=accelerate)
    path = staging / _FILE
    modules = _dump(model, path)
    manifest = new_manifest(
        "sklearn",
        _FILE,
        input_type,
        method=method,
        libraries=installed_versions(
            {"scikit-learn", "numpy", "scipy", "joblib"} | (modules & {"xgboost", "lightgbm"})
        ),
        warm_up_rows=warm_up_rows,
        accelerate=None if accelerate else False,
    )
    return [ArchiveEntry(_FILE, path), ArchiveEntry(MANIFEST_NAME, manifest_bytes(manifest))]


def _check(model: Any, method: str) -> None:
    from sklearn.exceptions import NotFittedError
    from sklearn.utils.validation import check_is_fitted

    if method not in METHODS:
        raise InvalidRequestError(f"method {method!r} is not one of {', '.join(METHODS)}", field="method")
    if not hasattr(model, method):
        raise InvalidRequestError(f"{type(model).__name__} has no method {method}", field="method")
    try:
        check_is_fitted(model)
    except NotFittedError as error:
        raise InvalidRequestError(f"the estimator is not fitted yet: {error}", field="model") from error


def _dump(model: Any, path: Path) -> set[str]:
    """Writes a file that `joblib.load` reads; the top-level packages that loading it imports.

    joblib stores arrays well but names classes only by their module; an estimator with classes or functions of the
    user's own goes through cloudpickle, which writes those out. `joblib.load` reads both.
    """
    import joblib

    try:
        modules = _modules_of(model)
        if any(_is_users(name) for name in modules):
            with travelling_by_value(), path.open("wb") as file:
                cloudpickle.dump(model, file)
        else:
            joblib.dump(model, path)
    except (pickle.PicklingError, TypeError, AttributeError) as error:
        raise InvalidRequestError(f"the estimator cannot be packed: {error}", field="model") from error
    return {name.split(".")[0] for name in modules}


def _is_users(name: str) -> bool:
    module = sys.modules.get(name)
    return name == "__main__" or (module is not None and is_user_module(module))


class _ModuleRecorder(cloudpickle.CloudPickler):  # type: ignore[misc]  # cloudpickle carries no types
    """Pickles into nothing and notes the modules of all classes and functions on the way."""

    def __init__(self) -> None:
        super().__init__(_Nowhere())
        self.modules: set[str] = set()

    def persistent_id(self, thing: object) -> None:
        if isinstance(thing, type | FunctionType):
            self.modules.add(thing.__module__)


class _Nowhere(io.RawIOBase):
    def write(self, data: Any) -> int:
        return len(data)


def _modules_of(model: Any) -> set[str]:
    recorder = _ModuleRecorder()
    recorder.dump(model)
    return recorder.modules
