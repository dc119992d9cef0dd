"""What stages made of trees have in common: parameters, the way from vectors to leaves, and columns of leaves."""

from collections.abc import Callable, Sequence
from typing import Any, Final

from skysail_container.spark.attributes import AttributeGroup, nominal
from skysail_container.spark.forest import FeatureValues, Forest, feature_values, row_walk
from skysail_container.spark.schema import DOUBLE, VECTOR, Column, Schema
from skysail_container.spark.stage import Bound, Row, Score, ScoreRows, Stage
from skysail_container.spark.vectors import DenseVector, Vector

__all__ = ["BOOSTING", "FOREST", "TREE", "one_tree_walk", "vector_walk", "with_leaves"]

TREE: Final = (
    "labelCol", "weightCol", "impurity", "maxDepth", "maxBins", "minInstancesPerNode", "minWeightFractionPerNode",
    "minInfoGain", "maxMemoryInMB", "cacheNodeIds", "checkpointInterval", "seed",
)  # fmt: skip
"""Parameters of training, of a single tree."""
FOREST: Final = (*TREE, "numTrees", "subsamplingRate", "featureSubsetStrategy", "bootstrap")
BOOSTING: Final = (
    *TREE, "lossType", "maxIter", "stepSize", "validationTol", "validationIndicatorCol", "subsamplingRate",
    "featureSubsetStrategy",
)  # fmt: skip


def vector_walk(
    stage: Stage, features: str, forest: Forest, payloads: Sequence[Any]
) -> Callable[[Vector | None], list[Any]]:
    """What gives the payload of a vector's leaf in each tree.

    It raises a RowError for null and for a vector with too few features.

    :param payloads: one for each node.
    """
    walk = row_walk(forest, payloads)
    n_features = forest.n_features

    def of(vector: Vector | None) -> list[Any]:
        if vector is None:
            raise stage.row_error(f"column {features!r} is null")
        values: FeatureValues = feature_values(vector, n_features)
        try:
            return walk(values)
        except IndexError:
            reason = f"column {features!r} has {vector.size} features, the trees split on {n_features}"
            raise stage.row_error(reason) from None

    return of


def one_tree_walk(
    stage: Stage, features: str, forest: Forest, payloads: Sequence[Any]
) -> Callable[[Vector | None], Any]:
    """The same for a single tree: its payload itself."""
    walk = vector_walk(stage, features, forest, payloads)
    return lambda vector: walk(vector)[0]


def with_leaves(stage: Stage, bound: Bound, forest: Forest, features: str, leaf: str, *, single: bool) -> Bound:
    """A bound stage that writes beside its outputs which leaf of each tree a row comes to; empty `leaf`: it does not.

    :param single: the leaf of the only tree, as a double, rather than a vector with one leaf for each tree.
    """
    if not leaf:
        return bound
    walk = vector_walk(stage, features, forest, forest.leaf_indices().tolist())

    def write(row: Row) -> None:
        indices = walk(row[features])
        row[leaf] = indices[0] if single else DenseVector(indices)

    return Bound(_schema_with_leaves(bound.schema, forest, leaf, single), *_also(bound, write))


def _schema_with_leaves(schema: Schema, forest: Forest, leaf: str, single: bool) -> Schema:
    attributes = [nominal(n_values=count) for count in forest.leaf_counts()]
    if single:
        attributes = [nominal(name=leaf, n_values=count) for count in forest.leaf_counts()]
    group = AttributeGroup(len(attributes), tuple(attributes))
    return schema.with_column(leaf, Column(DOUBLE if single else VECTOR, group))


def _also(bound: Bound, write: Score) -> tuple[Score, ScoreRows | None]:
    score_before, score_rows_before = bound.score, bound.score_rows

    def score(row: Row) -> None:
        score_before(row)
        write(row)

    if score_rows_before is None:
        return score, None

    def score_rows(rows: Sequence[Row]) -> None:
        score_rows_before(rows)
        for row in rows:
            write(row)

    return score, score_rows
