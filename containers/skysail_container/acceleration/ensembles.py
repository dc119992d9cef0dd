"""Forests and boosted trees of scikit-learn: their trees through `TreeSession`, their links in NumPy."""

from collections.abc import Callable
from typing import Any

import numpy as np

from skysail_container.acceleration.form import Array, Compute, UnsupportedEstimatorError, is_finite
from skysail_container.acceleration.trees import TreeSession, constant, of_histogram_tree, of_tree

__all__ = ["BOOSTED", "FORESTS", "HISTOGRAM_BOOSTED", "boosted", "forest", "histogram_boosted"]

_KINDS = ("Classifier", "Regressor")
FORESTS = frozenset(
    {f"{name}{kind}" for name in ("RandomForest", "ExtraTrees", "DecisionTree", "ExtraTree") for kind in _KINDS}
)
"""A single tree is a forest of one."""
BOOSTED = frozenset({"GradientBoostingClassifier", "GradientBoostingRegressor"})
HISTOGRAM_BOOSTED = frozenset({"HistGradientBoostingClassifier", "HistGradientBoostingRegressor"})

ROWS_AT_ONCE = 64
"""Of a forest with probabilities: the places and probabilities of so many rows stay in the processor's cache, which
makes 512 rows twice as fast as all at once."""


def forest(estimator: Any, method: str, threads: int) -> Compute:
    """:raises UnsupportedEstimatorError: it has several outputs."""
    if estimator.n_outputs_ != 1:
        raise UnsupportedEstimatorError("a forest with several outputs has no faster form")
    if not hasattr(estimator, "classes_"):
        return _forest_mean(estimator, threads)
    probabilities = _forest_probabilities(estimator, threads)
    return probabilities if method == "predict_proba" else _most_likely(probabilities, estimator.classes_)


def boosted(estimator: Any, method: str, threads: int) -> Compute:
    """:raises UnsupportedEstimatorError: its first guess depends on the row."""
    n_features = estimator.n_features_in_
    first_guesses = _constant_guesses(estimator, n_features)
    trees = [constant(guess) for guess in first_guesses]
    targets = list(range(len(trees)))
    for stage in estimator.estimators_:
        for target, one in enumerate(stage):
            trees.append(of_tree(one.tree_, estimator.learning_rate * one.tree_.value[:, 0, 0]))
            targets.append(target)
    session = TreeSession(trees, targets, n_features, threads)

    def raw(rows: Array) -> Array | None:
        rounded = rows.astype(np.float32)
        return session.sums(rounded.astype(np.float64)) if is_finite(rounded) else None

    return _linked(raw, estimator, method, lambda scores: scores >= 0)


def histogram_boosted(estimator: Any, method: str, threads: int) -> Compute:
    """Takes NaN and the infinities, as the estimator does.

    :raises UnsupportedEstimatorError: it has categorical features.
    """
    if getattr(estimator, "is_categorical_", None) is not None:
        raise UnsupportedEstimatorError("categorical features have no faster form")
    trees = [constant(guess) for guess in np.ravel(estimator._baseline_prediction)]
    targets = list(range(len(trees)))
    for stage in estimator._predictors:
        for target, one in enumerate(stage):
            trees.append(of_histogram_tree(one.nodes))
            targets.append(target)
    session = TreeSession(trees, targets, estimator.n_features_in_, threads)

    def raw(rows: Array) -> Array:
        return session.sums(rows.astype(np.float64, copy=False))

    if method == "predict" and not hasattr(estimator, "classes_"):
        return lambda rows: estimator._loss.link.inverse(raw(rows).ravel())
    return _linked(raw, estimator, method, lambda scores: scores > 0)


def _trees(estimator: Any) -> list[Any]:
    return [one.tree_ for one in getattr(estimator, "estimators_", [estimator])]


def _forest_mean(estimator: Any, threads: int) -> Compute:
    trees = _trees(estimator)
    session = TreeSession(
        [of_tree(tree, tree.value[:, 0, 0]) for tree in trees], [0] * len(trees), estimator.n_features_in_, threads
    )

    def compute(rows: Array) -> Array | None:
        rounded = rows.astype(np.float32)
        if not is_finite(rounded):
            return None
        means: Array = session.sums(rounded.astype(np.float64))[:, 0] / len(trees)
        return means

    return compute


def _forest_probabilities(estimator: Any, threads: int) -> Callable[[Array], Array | None]:
    """A leaf of TreeEnsemble holds one number, so it holds where the leaf's probabilities stand in `table`."""
    trees = _trees(estimator)
    table = np.concatenate([tree.value[:, 0, :] for tree in trees])
    starts = np.cumsum([0] + [tree.node_count for tree in trees])
    places = [start + np.arange(tree.node_count, dtype=np.float64) for start, tree in zip(starts, trees, strict=False)]
    session = TreeSession(
        [of_tree(tree, place) for tree, place in zip(trees, places, strict=True)],
        range(len(trees)),
        estimator.n_features_in_,
        threads,
    )

    def compute(rows: Array) -> Array | None:
        rounded = rows.astype(np.float32)
        if not is_finite(rounded):
            return None
        exact = rounded.astype(np.float64)
        total = np.empty((len(rows), table.shape[1]))
        for start in range(0, len(rows), ROWS_AT_ONCE):
            part = slice(start, start + ROWS_AT_ONCE)
            leaves = session.sums(exact[part])
            np.add.reduce(table[leaves.T.astype(np.intp)], axis=0, out=total[part])
        total /= len(trees)
        return total

    return compute


def _most_likely(probabilities: Callable[[Array], Array | None], classes: Array) -> Compute:
    def compute(rows: Array) -> Array | None:
        found = probabilities(rows)
        return None if found is None else classes.take(found.argmax(axis=1), axis=0)

    return compute


def _constant_guesses(estimator: Any, n_features: int) -> Array:
    if estimator.init_ != "zero" and not type(estimator.init_).__name__.startswith("Dummy"):
        raise UnsupportedEstimatorError(
            f"boosting that starts from a {type(estimator.init_).__name__} has no faster form"
        )
    guesses: Array = estimator._raw_predict_init(np.zeros((1, n_features), np.float32))[0]
    return guesses


def _linked(
    raw: Callable[[Array], Array | None], estimator: Any, method: str, is_positive: Callable[[Array], Array]
) -> Compute:
    """The method of a boosted estimator from its raw scores, (n, 1) or (n, n classes)."""
    classes = getattr(estimator, "classes_", None)

    def compute(rows: Array) -> Array | None:
        scores = raw(rows)
        if scores is None:
            return None
        if scores.shape[1] == 1:
            scores = scores.ravel()
        if method == "predict_proba":
            probabilities: Array = estimator._loss.predict_proba(scores)
            return probabilities
        if method == "decision_function" or classes is None:
            return scores
        labels = is_positive(scores).astype(np.intp) if scores.ndim == 1 else scores.argmax(axis=1)
        return np.asarray(classes.take(labels, axis=0))

    return compute
