"""Regressors made of trees."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Self

import numpy as np

from skysail_container.spark.forest import Floats, Forest, sum_in_order
from skysail_container.spark.forest_files import saved_forest, saved_tree, saved_weights
from skysail_container.spark.forest_outputs import BOOSTING, FOREST, TREE, one_tree_walk, vector_walk, with_leaves
from skysail_container.spark.forest_rows import leaves_of_rows
from skysail_container.spark.registry import spark_stage
from skysail_container.spark.regression import (
    REGRESSOR_PARAMETERS,
    RegressorColumns,
    bound_regressor,
    number_column,
)
from skysail_container.spark.schema import Schema
from skysail_container.spark.stage import Bound, Row, Stage
from skysail_container.spark.stage_folder import StageFolder
from skysail_container.spark.vectors import Vector

__all__ = ["DecisionTreeRegressionModel", "GBTRegressionModel", "RandomForestRegressionModel"]

_PARAMETERS: Final[Mapping[str, Any]] = MappingProxyType({**REGRESSOR_PARAMETERS, "leafCol": ""})


@spark_stage(
    "org.apache.spark.ml.regression.DecisionTreeRegressionModel",
    parameters={**_PARAMETERS, "varianceCol": None},
    training=TREE,
)
@dataclass(frozen=True)
class DecisionTreeRegressionModel(Stage):
    """The mean, and the variance if asked for, of the training rows in a leaf."""

    uid: str
    forest: Forest
    """Of one tree."""
    columns: RegressorColumns
    variance: str = ""
    leaf: str = ""

    @classmethod
    def from_spark(cls, folder: StageFolder) -> Self:
        return cls(
            folder.uid,
            saved_tree(folder),
            RegressorColumns.from_spark(folder),
            folder.param("varianceCol") or "",
            folder.param("leafCol") or "",
        )

    def bind(self, schema: Schema) -> Bound:
        forest, columns = self.forest, self.columns
        predict = one_tree_walk(self, columns.features, forest, forest.predictions.tolist())
        bound = bound_regressor(
            self, schema, columns, predict, _together(forest, lambda leaves: forest.predictions[leaves[0]])
        )
        if self.variance:
            bound = self._with_variance(bound)
        return with_leaves(self, bound, forest, columns.features, self.leaf, single=True)

    def _with_variance(self, bound: Bound) -> Bound:
        features, name = self.columns.features, self.variance
        variance_of = one_tree_walk(self, features, self.forest, _variances(self.forest.stats.tolist()))

        def score(row: Row) -> None:
            bound.score(row)
            row[name] = variance_of(row[features])

        return Bound(bound.schema.with_column(name, number_column(name)), score)


@spark_stage("org.apache.spark.ml.regression.RandomForestRegressionModel", parameters=_PARAMETERS, training=FOREST)
@dataclass(frozen=True)
class RandomForestRegressionModel(Stage):
    """The mean of what the trees predict, added up in their order."""

    uid: str
    forest: Forest
    columns: RegressorColumns
    leaf: str = ""

    @classmethod
    def from_spark(cls, folder: StageFolder) -> Self:
        return cls(folder.uid, saved_forest(folder), RegressorColumns.from_spark(folder), folder.param("leafCol") or "")

    def bind(self, schema: Schema) -> Bound:
        forest, columns = self.forest, self.columns
        n_trees = forest.n_trees
        predictions = forest.predictions
        walk = vector_walk(self, columns.features, forest, predictions.tolist())
        together = _together(forest, lambda leaves: predictions[leaves].cumsum(axis=0)[-1] / n_trees)
        bound = bound_regressor(self, schema, columns, lambda vector: sum_in_order(walk(vector)) / n_trees, together)
        return with_leaves(self, bound, forest, columns.features, self.leaf, single=False)


@spark_stage(
    "org.apache.spark.ml.regression.GBTRegressionModel",
    parameters=_PARAMETERS,
    training=BOOSTING,
    exactness="1e-12: Spark may use SIMD to add up the predictions of the trees",
)
@dataclass(frozen=True)
class GBTRegressionModel(Stage):
    """The weighted sum of what the trees predict."""

    uid: str
    forest: Forest
    weights: tuple[float, ...]
    columns: RegressorColumns
    leaf: str = ""

    @classmethod
    def from_spark(cls, folder: StageFolder) -> Self:
        forest = saved_forest(folder)
        weights = saved_weights(folder, forest.n_trees)
        return cls(folder.uid, forest, weights, RegressorColumns.from_spark(folder), folder.param("leafCol") or "")

    def bind(self, schema: Schema) -> Bound:
        forest, columns = self.forest, self.columns
        weighted = forest.weighted_predictions(self.weights)
        walk = vector_walk(self, columns.features, forest, weighted.tolist())
        together = _together(forest, lambda leaves: weighted[leaves].cumsum(axis=0)[-1])
        bound = bound_regressor(self, schema, columns, lambda vector: sum_in_order(walk(vector)), together)
        return with_leaves(self, bound, forest, columns.features, self.leaf, single=False)


def _variances(stats: Sequence[Sequence[float]]) -> list[float]:
    """Source: org.apache.spark.mllib.tree.impurity.Variance.

    :param stats: count, sum and sum of squares of each node.
    """
    return [(squares - total * total / count) / count if count else 0.0 for count, total, squares, *_ in stats]


def _together(forest: Forest, predict: Callable[[Any], Floats]) -> Callable[[Sequence[Vector]], list[float]] | None:
    """Predictions of many rows.

    :param predict: of leaves, (n_trees, n_rows), one each row.
    """
    leaves_of = leaves_of_rows(forest)
    if leaves_of is None:
        return None
    return lambda vectors: np.concatenate([predict(leaves) for leaves in leaves_of(vectors)]).tolist()
