"""Decision trees as columns over all their nodes, and the way of one row through them.

Source: org.apache.spark.ml.tree.{Node, Split}. A row goes left where its feature is not above the threshold, so that
NaN goes right; in a categorical split it goes by whether its feature is one of a set of numbers.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt

from skysail_container.spark.vectors import DenseVector, Vector

__all__ = ["Categories", "FeatureValues", "Forest", "feature_values", "row_walk", "sum_in_order"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
FeatureValues = list[float] | dict[int, float]
"""A row's features by their indices."""

LEAF: Final = -1
_WIDE: Final = 512
"""Sparse vectors from this size on are looked up rather than written out."""


@dataclass(frozen=True, slots=True)
class Categories:
    """A categorical split: whether the feature is one of `members` decides; anything unseen is none of them."""

    members: frozenset[float]
    members_go_left: bool

    @classmethod
    def going_left(cls, left: Sequence[float], n_categories: int) -> Self:
        """The split that sends these categories left.

        Spark keeps the smaller side as the set, and that decides where categories go that it has never seen.

        :raises ValueError: a category is not in [0, n_categories).
        """
        if not all(0 <= category < n_categories for category in left):
            raise ValueError(f"categories of a split are not among the feature's {n_categories}")
        members = frozenset(left)
        if len(left) <= n_categories // 2:
            return cls(members, members_go_left=True)
        others = frozenset(float(one) for one in range(n_categories)) - members
        return cls(others, members_go_left=False)


@dataclass(frozen=True, slots=True, eq=False)
class Forest:
    """One or several trees, tree after tree; nodes are numbered through.

    Invariants: each node but the roots is the child of one node, which comes before it in the same tree.
    """

    roots: Ints
    """The first node of each tree: shape (n_trees,)."""
    feature: Ints
    """What a node splits on; `LEAF`: it does not: shape (n_nodes,), as all that follow."""
    threshold: Floats
    """Of continuous splits."""
    left: Ints
    right: Ints
    categories: Mapping[int, Categories]
    """Of the nodes with categorical splits."""
    predictions: Floats
    stats: Floats
    """What the training data in each node was like: shape (n_nodes, n); for classes one count each, for regression
    count, sum, and sum of squares."""

    def __post_init__(self) -> None:
        """
        :raises ValueError: these are no trees.
        """
        n_nodes = len(self.feature)
        if not len(self.roots) or self.roots[0] != 0 or np.any(np.diff(self.roots) <= 0) or self.roots[-1] >= n_nodes:
            raise ValueError("there are no trees, or empty ones")
        if np.any(self.feature < LEAF):
            raise ValueError("a split has no feature")
        inner = np.flatnonzero(self.feature != LEAF)
        children = np.concatenate([self.left[inner], self.right[inner]])
        others = np.delete(np.arange(n_nodes), self.roots)
        if not np.array_equal(np.sort(children), others):
            raise ValueError("its nodes do not form trees")
        tree_of = np.searchsorted(self.roots, np.arange(n_nodes), side="right")
        parents = np.concatenate([inner, inner])
        if np.any(children <= parents) or np.any(tree_of[children] != tree_of[parents]):
            raise ValueError("the nodes of its trees are out of order")

    @property
    def n_trees(self) -> int:
        return len(self.roots)

    @property
    def n_features(self) -> int:
        """How many features a vector must have so that every split finds its own."""
        return int(self.feature.max()) + 1

    def leaf_indices(self) -> Floats:
        """Of each leaf its number among the leaves of its tree, from left to right: shape (n_nodes,)."""
        is_leaf = self.feature == LEAF
        ranks = np.cumsum(is_leaf) - is_leaf
        indices: Floats = (ranks - self._of_each_node(ranks[self.roots])).astype(np.float64)
        return indices

    def leaf_counts(self) -> list[int]:
        """How many leaves each tree has."""
        counts: list[int] = np.add.reduceat((self.feature == LEAF).astype(np.int64), self.roots).tolist()
        return counts

    def weighted_predictions(self, weights: Sequence[float]) -> Floats:
        """What each node predicts, times the weight of its tree.

        :raises ValueError: the weights are not one for each tree.
        """
        if len(weights) != self.n_trees:
            raise ValueError(f"{len(weights)} weights for {self.n_trees} trees")
        weighted: Floats = self.predictions * self._of_each_node(np.array(weights))
        return weighted

    def _of_each_node(self, of_trees: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """What is given for each tree, for each node of it."""
        return np.repeat(of_trees, np.diff(np.append(self.roots, len(self.feature))))


def feature_values(vector: Vector, n_features: int) -> FeatureValues:
    """A row's features, to be asked for by index; an index beyond the vector is an IndexError.

    :param n_features: as many as will be asked for.
    """
    if isinstance(vector, DenseVector):
        return vector.values
    if vector.size < _WIDE or vector.size < n_features:
        return vector.to_list()
    return defaultdict(float, zip(vector.indices, vector.values, strict=True))


def sum_in_order(values: Sequence[float]) -> float:
    """The sum as Java adds it up; Python's own `sum` compensates for rounding from 3.12 on."""
    total = 0.0
    for value in values:
        total += value
    return total


def row_walk(forest: Forest, payloads: Sequence[Any]) -> Callable[[FeatureValues], list[Any]]:
    """What gives the payload of the leaf that a row comes to, for each tree.

    A walk may fail with an IndexError: the row has too few features.

    :param payloads: one for each node; those of the leaves are used.
    """
    if forest.categories:
        return _categorical_walk(_nested_with_categories(forest, payloads))
    return _continuous_walk(_nested(forest, payloads))


def _nested(forest: Forest, payloads: Sequence[Any]) -> list[Any]:
    """The roots of trees of tuples: (feature, threshold, left, right), or (LEAF, payload, None, None)."""
    nodes: list[Any] = []
    columns = (forest.feature, forest.threshold, forest.left, forest.right)
    last = len(forest.feature) - 1
    for number, (feature, threshold, left, right) in enumerate(_backwards(columns)):
        if feature == LEAF:
            nodes.append((LEAF, payloads[last - number], None, None))
        else:
            nodes.append((feature, threshold, nodes[last - left], nodes[last - right]))
    return [nodes[last - root] for root in forest.roots.tolist()]


def _nested_with_categories(forest: Forest, payloads: Sequence[Any]) -> list[Any]:
    """The same with a fifth item: None, or the set of numbers with which a row goes to the first of the children."""
    nodes: list[Any] = []
    columns = (forest.feature, forest.threshold, forest.left, forest.right)
    last = len(forest.feature) - 1
    for number, (feature, threshold, left, right) in enumerate(_backwards(columns)):
        categories = forest.categories.get(last - number)
        if feature == LEAF:
            nodes.append((LEAF, payloads[last - number], None, None, None))
        elif categories is None:
            nodes.append((feature, threshold, nodes[last - left], nodes[last - right], None))
        else:
            inside, outside = (left, right) if categories.members_go_left else (right, left)
            nodes.append((feature, 0.0, nodes[last - inside], nodes[last - outside], categories.members))
    return [nodes[last - root] for root in forest.roots.tolist()]


def _backwards(columns: Sequence[npt.NDArray[Any]]) -> Any:
    """Nodes as tuples, the last one first: children before their parents."""
    return zip(*(column[::-1].tolist() for column in columns), strict=True)


def _continuous_walk(roots: Sequence[Any]) -> Callable[[FeatureValues], list[Any]]:
    def walk(values: FeatureValues) -> list[Any]:
        found = []
        for feature, threshold, left, right in roots:
            while feature >= 0:
                feature, threshold, left, right = left if values[feature] <= threshold else right
            found.append(threshold)
        return found

    return walk


def _categorical_walk(roots: Sequence[Any]) -> Callable[[FeatureValues], list[Any]]:
    def walk(values: FeatureValues) -> list[Any]:
        found = []
        for feature, threshold, left, right, members in roots:
            while feature >= 0:
                value = values[feature]
                is_left = value <= threshold if members is None else value in members
                feature, threshold, left, right, members = left if is_left else right
            found.append(threshold)
        return found

    return walk
