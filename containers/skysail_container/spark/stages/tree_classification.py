"""Classifiers made of trees: each has its way from the leaves that a row comes to, to its raw predictions."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Self

import numpy as np

from skysail_container.spark.classification import (
    PROBABILISTIC_PARAMETERS,
    Classifier,
    ClassifierColumns,
    bound_classifier,
)
from skysail_container.spark.forest import Floats, Forest, sum_in_order
from skysail_container.spark.forest_files import saved_forest, saved_tree, saved_weights
from skysail_container.spark.forest_outputs import BOOSTING, FOREST, TREE, one_tree_walk, vector_walk, with_leaves
from skysail_container.spark.forest_rows import leaves_of_rows
from skysail_container.spark.java_math import sigmoid
from skysail_container.spark.registry import spark_stage
from skysail_container.spark.schema import Schema
from skysail_container.spark.stage import Bound, Stage
from skysail_container.spark.stage_folder import StageFolder
from skysail_container.spark.vectors import Vector

__all__ = ["DecisionTreeClassificationModel", "GBTClassificationModel", "RandomForestClassificationModel"]

_PARAMETERS: Final[Mapping[str, Any]] = MappingProxyType({**PROBABILISTIC_PARAMETERS, "leafCol": ""})

Values = list[float]


@spark_stage(
    "org.apache.spark.ml.classification.DecisionTreeClassificationModel", parameters=_PARAMETERS, training=TREE
)
@dataclass(frozen=True)
class DecisionTreeClassificationModel(Stage):
    """The raw predictions are how many training rows of each class came to the leaf."""

    uid: str
    forest: Forest
    """Of one tree."""
    columns: ClassifierColumns
    leaf: str = ""

    @classmethod
    def from_spark(cls, folder: StageFolder) -> Self:
        forest = saved_tree(folder)
        _check_classes(folder, forest)
        return cls(folder.uid, forest, ClassifierColumns.from_spark(folder), folder.param("leafCol") or "")

    def bind(self, schema: Schema) -> Bound:
        forest, features = self.forest, self.columns.features
        classifier = Classifier(
            forest.stats.shape[1],
            raw=one_tree_walk(self, features, forest, forest.stats.tolist()),
            probability=_normalized(self),
            raw_rows=self._raw_rows(),
            predict=one_tree_walk(self, features, forest, forest.predictions.tolist()),
        )
        bound = bound_classifier(self, schema, self.columns, classifier)
        return with_leaves(self, bound, forest, features, self.leaf, single=True)

    def _raw_rows(self) -> Callable[[Sequence[Vector]], list[Values]] | None:
        leaves_of = leaves_of_rows(self.forest)
        if leaves_of is None:
            return None
        stats = self.forest.stats

        def raw_rows(vectors: Sequence[Vector]) -> list[Values]:
            return [raw for leaves in leaves_of(vectors) for raw in stats[leaves[0]].tolist()]

        return raw_rows


@spark_stage(
    "org.apache.spark.ml.classification.RandomForestClassificationModel", parameters=_PARAMETERS, training=FOREST
)
@dataclass(frozen=True)
class RandomForestClassificationModel(Stage):
    """The raw predictions are the shares of the classes in a row's leaves, added up over the trees in their order."""

    uid: str
    forest: Forest
    columns: ClassifierColumns
    leaf: str = ""

    @classmethod
    def from_spark(cls, folder: StageFolder) -> Self:
        forest = saved_forest(folder)
        _check_classes(folder, forest)
        return cls(folder.uid, forest, ClassifierColumns.from_spark(folder), folder.param("leafCol") or "")

    def bind(self, schema: Schema) -> Bound:
        forest, features = self.forest, self.columns.features
        shares = _shares(forest.stats.tolist())
        walk = vector_walk(self, features, forest, shares)
        classifier = Classifier(
            forest.stats.shape[1],
            raw=lambda vector: [sum_in_order(votes) for votes in zip(*walk(vector), strict=True)],
            probability=_normalized(self),
            raw_rows=self._raw_rows(shares),
        )
        bound = bound_classifier(self, schema, self.columns, classifier)
        return with_leaves(self, bound, forest, features, self.leaf, single=False)

    def _raw_rows(self, shares: Sequence[Values]) -> Callable[[Sequence[Vector]], list[Values]] | None:
        leaves_of = leaves_of_rows(self.forest)
        if leaves_of is None:
            return None
        by_class = [np.array(column) for column in zip(*shares, strict=True)]

        def raw_rows(vectors: Sequence[Vector]) -> list[Values]:
            return [raw for leaves in leaves_of(vectors) for raw in _votes(leaves, by_class)]

        return raw_rows


@spark_stage(
    "org.apache.spark.ml.classification.GBTClassificationModel",
    parameters=_PARAMETERS,
    training=BOOSTING,
    exactness="1e-12: Spark may use SIMD to add up the predictions of the trees",
)
@dataclass(frozen=True)
class GBTClassificationModel(Stage):
    """Two classes; the raw prediction of the second is the weighted sum of what the regression trees predict."""

    uid: str
    forest: Forest
    weights: tuple[float, ...]
    columns: ClassifierColumns
    leaf: str = ""

    @classmethod
    def from_spark(cls, folder: StageFolder) -> Self:
        forest = saved_forest(folder)
        weights = saved_weights(folder, forest.n_trees)
        return cls(folder.uid, forest, weights, ClassifierColumns.from_spark(folder), folder.param("leafCol") or "")

    def bind(self, schema: Schema) -> Bound:
        forest, features = self.forest, self.columns.features
        weighted = forest.weighted_predictions(self.weights)
        walk = vector_walk(self, features, forest, weighted.tolist())

        def raw(vector: Vector) -> Values:
            margin = sum_in_order(walk(vector))
            return [-margin, margin]

        classifier = Classifier(2, raw, _logistic, self._raw_rows(weighted))
        bound = bound_classifier(self, schema, self.columns, classifier)
        return with_leaves(self, bound, forest, features, self.leaf, single=False)

    def _raw_rows(self, weighted: Floats) -> Callable[[Sequence[Vector]], list[Values]] | None:
        leaves_of = leaves_of_rows(self.forest)
        if leaves_of is None:
            return None

        def raw_rows(vectors: Sequence[Vector]) -> list[Values]:
            margins = (weighted[leaves].cumsum(axis=0)[-1] for leaves in leaves_of(vectors))
            return [[-margin, margin] for some in margins for margin in some.tolist()]

        return raw_rows


def _check_classes(folder: StageFolder, forest: Forest) -> None:
    n_classes = folder.extra("numClasses")  # noqa: S610 - no Django
    if n_classes != forest.stats.shape[1]:
        raise folder.error(f"its metadata speaks of {n_classes} classes, its trees have {forest.stats.shape[1]}")


def _shares(counts: Sequence[Values]) -> list[Values]:
    """Counts of each node divided by their sum; zeros stay."""
    totals = [sum_in_order(each) for each in counts]
    return [
        [count / total for count in each] if total else [0.0] * len(each)
        for each, total in zip(counts, totals, strict=True)
    ]


def _votes(leaves: Any, by_class: Sequence[Any]) -> list[Values]:
    """Shares of each class, added up over the trees one after another: shape (n_rows, n_classes)."""
    votes: list[Values] = np.stack([shares[leaves].cumsum(axis=0)[-1] for shares in by_class], 1).tolist()
    return votes


def _normalized(stage: Stage) -> Callable[[Values], Values]:
    """Source: ProbabilisticClassificationModel.normalizeToProbabilitiesInPlace."""

    def probability(raw: Values) -> Values:
        total = sum_in_order(raw)
        if not total > 0 or min(raw) < 0:
            raise stage.row_error(f"raw predictions {raw} give no probabilities: they are all 0, or negative")
        return [value / total for value in raw]

    return probability


def _logistic(raw: Values) -> Values:
    """Source: org.apache.spark.mllib.tree.loss.LogLoss.computeProbability."""
    first = sigmoid(2.0 * raw[0])
    return [first, 1.0 - first]
