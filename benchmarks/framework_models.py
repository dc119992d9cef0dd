"""A small model of each framework, over rows of 30 numbers, saved as a container loads it.

``python -m benchmarks.framework_models NAME FOLDER`` makes one: in a process of its own, so that the measuring process
does not import every framework.
"""

from __future__ import annotations

import json
import platform
import sys
import warnings
from collections.abc import Callable, Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import joblib
import numpy as np
from sklearn.linear_model import LogisticRegression

from benchmarks.own_time import OWN_TIME_FILE, TimedLogistic

__all__ = ["FRAMEWORK_MODELS", "N_FEATURES", "install", "main", "training"]

N_FEATURES = 30
N_TRAINING_ROWS = 1000
N_TREES = 10


@cache
def training() -> tuple[Any, Any]:
    """(1000, 30) float64 and a label, 0 or 1, for each."""
    random = np.random.default_rng(1)
    rows = random.random((N_TRAINING_ROWS, N_FEATURES))
    noise = random.normal(0.0, 0.2, N_TRAINING_ROWS)
    return rows, (rows @ np.linspace(-1.0, 1.0, N_FEATURES) + noise > 0).astype(int)


def install(name: str, folder: Path) -> None:
    """Put the model `name` of `FRAMEWORK_MODELS` into the empty `folder`. Blocks for seconds where its library does."""
    FRAMEWORK_MODELS[name](folder)


def main(arguments: Sequence[str]) -> int:
    name, folder = arguments
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # advice of the libraries about hints and examples
        install(name, Path(folder))
    return 0


def _manifest(folder: Path, framework: str, file: str, **values: object) -> None:
    python = ".".join(platform.python_version_tuple()[:2])
    manifest = {"format": 1, "framework": framework, "file": file, "python": python, **values}
    (folder / "skysail.json").write_text(json.dumps(manifest))


def _folder(folder: Path) -> None:
    (folder / "model.py").write_text("def predict(rows):\n    return rows.sum(axis=1)\n")


def _function(folder: Path) -> None:
    (folder / "function.pkl").write_bytes(import_module("cloudpickle").dumps(lambda rows: rows.sum(axis=1)))
    _manifest(folder, "python", "function.pkl")


def _sklearn(folder: Path, accelerate: bool) -> None:
    joblib.dump(LogisticRegression().fit(*training()), folder / "model.joblib")
    _manifest(folder, "sklearn", "model.joblib", accelerate=accelerate)


def _timed_sklearn(folder: Path) -> None:
    estimator = TimedLogistic().fit(*training())
    estimator.own_time_path = str(folder / OWN_TIME_FILE)
    joblib.dump(estimator, folder / "model.joblib")
    _manifest(folder, "sklearn", "model.joblib", accelerate=False)


def _onnx(folder: Path) -> None:
    rows, labels = training()
    estimator = LogisticRegression().fit(rows, labels)
    converted = import_module("skl2onnx").to_onnx(estimator, rows[:1].astype(np.float32), options={"zipmap": False})
    (folder / "model.onnx").write_bytes(converted.SerializeToString())
    _manifest(folder, "onnx", "model.onnx", outputs=["probabilities"], input_type="floats")


def _xgboost(folder: Path) -> None:
    model = import_module("xgboost").XGBClassifier(n_estimators=N_TREES, n_jobs=1).fit(*training())
    model.save_model(folder / "model.ubj")
    _manifest(folder, "xgboost", "model.ubj")


def _lightgbm(folder: Path) -> None:
    model = import_module("lightgbm").LGBMClassifier(n_estimators=N_TREES, n_jobs=1, verbose=-1).fit(*training())
    model.booster_.save_model(folder / "model.txt")
    _manifest(folder, "lightgbm", "model.txt")


def _keras() -> Any:
    keras = import_module("keras")
    layers = keras.layers
    return keras.Sequential(
        [keras.Input((N_FEATURES,)), layers.Dense(64, activation="relu"), layers.Dense(3, activation="softmax")]
    )


def _keras_file(folder: Path) -> None:
    _keras().save(folder / "model.keras")
    _manifest(folder, "tensorflow", "model.keras")


def _saved_model(folder: Path) -> None:
    _keras().export(folder / "saved", verbose=False)
    _manifest(folder, "tensorflow", "saved")


def _mlflow(folder: Path) -> None:
    pyfunc, models = import_module("mlflow.pyfunc"), import_module("mlflow.models")

    class Sums(pyfunc.PythonModel):  # type: ignore[misc, name-defined]  # MLflow carries no types
        # MLflow takes hints for a signature.
        def predict(self, context, model_input, params=None):  # type: ignore[no-untyped-def]  # as above
            return model_input.sum(axis=1)

    rows = training()[0]
    signature = models.infer_signature(rows, rows.sum(axis=1))
    requirements = ["mlflow-skinny", "pandas"]
    pyfunc.save_model(str(folder / "model"), python_model=Sums(), signature=signature, pip_requirements=requirements)
    _manifest(folder, "mlflow", "model")


FRAMEWORK_MODELS: dict[str, Callable[[Path], None]] = {
    "python function": _function,
    "model folder": _folder,
    "scikit-learn": lambda folder: _sklearn(folder, accelerate=False),
    "scikit-learn, accelerated": lambda folder: _sklearn(folder, accelerate=True),
    "scikit-learn, timed": _timed_sklearn,
    "onnx": _onnx,
    "xgboost": _xgboost,
    "lightgbm": _lightgbm,
    "tensorflow .keras": _keras_file,
    "tensorflow SavedModel": _saved_model,
    "mlflow": _mlflow,
}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
