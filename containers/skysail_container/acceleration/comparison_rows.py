"""Rows to compare an estimator and a faster form on: drawn around what the estimator shows of its training data."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from skysail_container.acceleration.form import Array

__all__ = ["N_ROWS", "comparison_rows"]

N_ROWS = 512

_SEED = 20_240_229
_ANCHORS = ("support_vectors_", "_fit_X", "X_train_", "theta_", "means_", "cluster_centers_")
"""Attributes of estimators that hold rows like those of the training."""


def comparison_rows(estimator: Any, n_features: int, dtype: np.dtype[Any], takes_nan: bool = False) -> Array:
    """`N_ROWS` rows of `dtype`, always the same for the same estimator.

    Where it has trees, most numbers are thresholds, exactly or a float32 step away: that is where a comparison in the
    wrong precision goes the other way.
    """
    generator = np.random.default_rng(_SEED)
    steps = [step for _, step in estimator.steps] if hasattr(estimator, "steps") else [estimator]
    rows = _near_known(steps, n_features, generator)
    thresholds = _thresholds(steps[-1], n_features)
    if any(len(of_feature) for of_feature in thresholds):
        near = _near_thresholds(thresholds, rows, generator)
        rows = _before(steps[:-1], near) if len(steps) > 1 else near
    if takes_nan:
        rows[generator.random(rows.shape) < 0.1] = np.nan
    if dtype.kind in "iu":
        rows = np.rint(np.nan_to_num(np.clip(rows, -(2.0**31), 2.0**31)))
    with np.errstate(over="ignore"):
        converted: Array = rows.astype(dtype)
    return converted


def _near_known(steps: list[Any], n_features: int, generator: np.random.Generator) -> Array:
    noise: Array = generator.normal(size=(N_ROWS, n_features)) * generator.choice([0.1, 1.0, 3.0], size=(N_ROWS, 1))
    for name in ("mean_", "center_"):
        center = getattr(steps[0], name, None)
        if center is not None and np.shape(center) == (n_features,):
            spread = getattr(steps[0], "scale_", None)
            return np.asarray(center + noise * (1.0 if spread is None or np.ndim(spread) != 1 else spread))
    low, high = getattr(steps[0], "data_min_", None), getattr(steps[0], "data_max_", None)
    if low is not None and high is not None:
        return np.asarray((low + high) / 2 + noise * (high - low) / 2)
    for step in steps:
        for name in _ANCHORS:
            anchors = getattr(step, name, None)
            if isinstance(anchors, np.ndarray) and anchors.ndim == 2 and anchors.shape[1] == n_features:
                spread = anchors.std(axis=0) / 2
                return np.asarray(anchors[generator.integers(len(anchors), size=N_ROWS)] + noise * spread)
    return noise


def _thresholds(estimator: Any, n_features: int) -> list[Array]:
    """The thresholds of each feature in the estimator's trees."""
    found: list[list[Array]] = [[] for _ in range(n_features)]
    for features, thresholds in _splits(estimator):
        for feature in np.unique(features):
            found[feature].append(thresholds[features == feature])
    return [np.unique(np.concatenate(parts)) if parts else np.empty(0) for parts in found]


def _splits(estimator: Any) -> Iterator[tuple[Array, Array]]:
    """Feature and threshold of the inner nodes of each tree."""
    for stage in getattr(estimator, "_predictors", ()):
        for one in stage:
            inner = one.nodes[one.nodes["is_leaf"] == 0]
            yield inner["feature_idx"].astype(np.int64), inner["num_threshold"]
    for one in np.ravel(getattr(estimator, "estimators_", [estimator])):
        tree = getattr(one, "tree_", None)
        if tree is not None:
            is_inner = tree.children_left >= 0
            yield tree.feature[is_inner], tree.threshold[is_inner]


def _near_thresholds(thresholds: list[Array], others: Array, generator: np.random.Generator) -> Array:
    rows = others.copy()
    n_rows = len(rows)
    for feature, values in enumerate(thresholds):
        finite = values[np.isfinite(values)]
        if not len(finite):
            continue
        chosen = generator.choice(finite, size=n_rows)
        with np.errstate(over="ignore"):
            single = chosen.astype(np.float32)
        infinity = np.float32(np.inf)
        spread = max(float(finite.std()), 0.1 * float(np.abs(finite).max()))
        forms = [
            chosen,
            single.astype(np.float64),
            np.nextafter(single, infinity).astype(np.float64),
            np.nextafter(single, -infinity).astype(np.float64),
            np.nextafter(chosen, np.inf),
            chosen + generator.normal(size=n_rows) * spread,
        ]
        rows[:, feature] = np.choose(generator.integers(len(forms), size=n_rows), forms)
    return rows


def _before(steps: list[Any], rows: Array) -> Array:
    """Rows that the steps turn into about `rows`; where a step cannot be inverted, `rows` themselves."""
    for step in reversed(steps):
        if not hasattr(step, "inverse_transform"):
            return rows
        rows = np.asarray(step.inverse_transform(rows))
    return rows
