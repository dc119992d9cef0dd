"""What scikit-learn's estimators cost per call, and their faster forms: in process, no server.

``python -m benchmarks.acceleration`` prints a table in Markdown: microseconds per call of scikit-learn with one thread,
and how many times as fast are the form that a container serves, and skl2onnx's conversion in double and in single
precision run by ONNX Runtime with one thread. Each figure is the least of several calls, taken in turns.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Any

import numpy as np
from sklearn.datasets import make_classification, make_regression
from sklearn.ensemble import (
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # it carries no types

from skysail_container.acceleration.choice import form_of
from skysail_container.acceleration.converted import converted
from skysail_container.acceleration.form import Array, UnsupportedEstimatorError

__all__ = ["least_us", "main"]

N_FEATURES = 30
BATCH_SIZES = (1, 8, 64, 512)
DOUBLE, SINGLE = np.dtype(np.float64), np.dtype(np.float32)

Call = Callable[[Array], object]


def estimators() -> list[tuple[str, Any, str]]:
    """Name, fitted estimator and method."""
    rows, labels = make_classification(4000, N_FEATURES, n_informative=12, random_state=0)
    points, values = make_regression(4000, N_FEATURES, noise=10.0, random_state=0)
    return [
        ("LogisticRegression", LogisticRegression(max_iter=1000).fit(rows, labels), "predict_proba"),
        (
            "StandardScaler, LogisticRegression",
            make_pipeline(StandardScaler(), LogisticRegression()).fit(rows, labels),
            "predict_proba",
        ),
        ("Ridge", Ridge().fit(points, values), "predict"),
        (
            "RandomForestClassifier, 100 trees",
            RandomForestClassifier(random_state=0).fit(rows, labels),
            "predict_proba",
        ),
        ("RandomForestRegressor, 100 trees", RandomForestRegressor(random_state=0).fit(points, values), "predict"),
        ("GradientBoostingClassifier, 100", GradientBoostingClassifier().fit(rows, labels), "predict_proba"),
        ("HistGradientBoostingClassifier, 100", HistGradientBoostingClassifier().fit(rows, labels), "predict_proba"),
        ("SVC", SVC().fit(rows, labels), "predict"),
    ]


def least_us(calls: Sequence[Call], rows: Array, n_rounds: int) -> list[float]:
    """Microseconds per call of each of `calls`, which take turns."""
    least_s = [float("inf")] * len(calls)
    for _ in range(n_rounds):
        for index, call in enumerate(calls):
            started_s = perf_counter()
            call(rows)
            least_s[index] = min(least_s[index], perf_counter() - started_s)
    return [1e6 * seconds for seconds in least_s]


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=30, help="calls of each (default: 30)")
    n_rounds: int = parser.parse_args(arguments).rounds
    print("| estimator | rows | scikit-learn | served | skl2onnx, double | skl2onnx, single |")
    print("|---|---|---|---|---|---|")
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, estimator, method in estimators():
            _measure(name, estimator, method, n_rounds)
    return 0


def _measure(name: str, estimator: Any, method: str, n_rounds: int) -> None:
    rows = np.random.default_rng(0).normal(size=(max(BATCH_SIZES), N_FEATURES))
    forms: list[Call | None] = [
        getattr(estimator, method),
        form_of(estimator, method, DOUBLE, 1).compute,
        _converted(estimator, method, DOUBLE),
        _converted(estimator, method, SINGLE),
    ]
    for n_rows in BATCH_SIZES:
        calls = [form for form in forms if form is not None]
        times_us = iter(least_us(calls, rows[:n_rows], n_rounds))
        original_us = next(times_us)
        cells = ["" if form is None else f"{original_us / next(times_us):.1f} x" for form in forms[1:]]
        print(f"| {name} | {n_rows} | {original_us:,.0f} µs | {' | '.join(cells)} |", flush=True)


def _converted(estimator: Any, method: str, dtype: np.dtype[Any]) -> Call | None:
    try:
        compute = converted(estimator, method, dtype, 1)
    except UnsupportedEstimatorError:
        return None
    return lambda rows: compute(rows.astype(dtype, copy=False))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
