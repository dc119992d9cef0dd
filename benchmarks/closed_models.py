"""The models that `benchmarks.batching` serves: a sum, and scikit-learn's logistic regression and random forest.

They differ in what a batch costs: next to nothing, about 0.1 ms however long it is, 3 ms and a little per row. Rows are
ten doubles between 0 and 1, as `benchmarks.queries` writes them.
"""

from __future__ import annotations

import json
import platform
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from time import perf_counter
from typing import Any

import joblib
import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression

__all__ = ["CLOSED_MODELS", "N_FEATURES", "in_process_rate", "install"]

N_FEATURES = 10
N_TREES = 100
N_TRAINING_ROWS = 1000
SUM_SOURCE = Path(__file__).parent / "models" / "sum" / "model.py"


@cache
def _training() -> tuple[Any, Any]:
    random = np.random.default_rng(1)
    rows = random.random((N_TRAINING_ROWS, N_FEATURES))
    noise = random.normal(0.0, 0.2, N_TRAINING_ROWS)
    return rows, (rows @ np.linspace(-1.0, 1.0, N_FEATURES) + noise > 0).astype(int)


@cache
def _logistic() -> Any:
    return LogisticRegression().fit(*_training())


@cache
def _forest() -> Any:
    return RandomForestClassifier(N_TREES, random_state=1, n_jobs=None).fit(*_training())


_ESTIMATORS: dict[str, Callable[[], Any]] = {"logistic": _logistic, "forest": _forest}
CLOSED_MODELS = ("sum", *_ESTIMATORS)


def install(name: str, folder: Path) -> None:
    """Put what a container loads into the empty `folder`. Estimators are served as they are, not accelerated."""
    if name == "sum":
        shutil.copy(SUM_SOURCE, folder / "model.py")
        return
    joblib.dump(_ESTIMATORS[name](), folder / "model.joblib")
    manifest = {
        "format": 1,
        "framework": "sklearn",
        "file": "model.joblib",
        "python": ".".join(platform.python_version_tuple()[:2]),
        "accelerate": False,
    }
    (folder / "skysail.json").write_text(json.dumps(manifest))


def in_process_rate(name: str, n_rows: int, seconds: float) -> float:
    """Rows per second of `predict` called in a loop with batches of `n_rows`, nothing else around it. Blocks."""
    predict = _ESTIMATORS[name]().predict if name in _ESTIMATORS else (lambda rows: rows.sum(axis=1))
    batch = np.random.default_rng(n_rows).random((n_rows, N_FEATURES))
    predict(batch)
    started_s = perf_counter()
    n_calls = 0
    while perf_counter() - started_s < seconds:
        predict(batch)
        n_calls += 1
    return n_rows * n_calls / (perf_counter() - started_s)
