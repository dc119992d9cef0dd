"""Decision trees of a bundle: one node after another, each before its left and its right subtree.

Source: ml.combust.bundle.tree.decision.TreeSerializer.
"""

import json
from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np

from skysail_container.spark.forest import LEAF, Categories, Forest
from skysail_container.spark.mleap.node import Node
from skysail_container.spark.mleap.protobuf import Message, framed_messages

__all__ = ["ENSEMBLE", "check_equal_weights", "read_ensemble", "read_tree"]

ENSEMBLE: Final = ("num_features", "num_classes", "tree_weights", "trees", "thresholds", "lossType")
"""The attributes of what consists of trees."""
_MAX_FEATURES: Final = 1 << 31


def read_tree(node: Node, n_classes: int | None) -> Forest:
    """The tree of a single node.

    :param n_classes: of a classifier; None: each leaf is one number.
    :raises StageError: its file is missing or damaged.
    """
    return _forest(node, [node], n_classes)


def read_ensemble(node: Node, n_classes: int | None) -> Forest:
    """The trees that a node lists, each in a folder of its own.

    :raises StageError: one is missing or damaged, or no tree.
    """
    trees = [node.part(name) for name in node.parts("trees")]
    for tree in trees:
        if tree.op not in ("decision_tree_regression", "decision_tree_classifier"):
            raise node.error(f"its tree {tree.name} is a {tree.op}")
    return _forest(node, trees, n_classes)


def check_equal_weights(node: Node) -> None:
    """
    :raises StageError: the trees have other weights than 1, which Spark's forests do not have.
    """
    if any(weight != 1.0 for weight in node.attributes.numbers("tree_weights")):
        raise node.error("the trees of its forest have weights other than 1")


def _forest(node: Node, trees: Sequence[Node], n_classes: int | None) -> Forest:
    nodes = _Nodes()
    for tree in trees:
        name, content = tree.read("tree.json", "tree.pb")
        try:
            nodes.add_tree(_from_json(content) if name.endswith(".json") else _from_protobuf(content))
        except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError) as error:
            raise node.error(f"{name} is no tree: {type(error).__name__}: {error}") from error
    try:
        return nodes.forest(n_classes)
    except (ValueError, IndexError, OverflowError) as error:
        raise node.error(f"its trees are damaged: {error}") from error


class _Nodes:
    """The columns of a forest while it is read."""

    def __init__(self) -> None:
        self.roots: list[int] = []
        self.feature: list[int] = []
        self.threshold: list[float] = []
        self.left: list[int] = []
        self.right: list[int] = []
        self.categories: dict[int, Categories] = {}
        self.values: list[list[float]] = []

    def add_tree(self, nodes: Iterator[dict[str, Any]]) -> None:
        self.roots.append(len(self.feature))
        waiting: list[int] = []  # inner nodes whose right subtree is to come
        while True:
            number = len(self.feature)
            node = next(nodes, None)
            if node is None:
                raise ValueError("it is cut off")
            if node["type"] == "internal":
                self._add_split(number, node["split"])
                waiting.append(number)
                continue
            values = [float(value) for value in node["values"]]
            if not values:
                raise ValueError("a leaf has no values")
            self._add(LEAF, 0.0, values)
            if not waiting:
                return
            self.right[waiting.pop()] = number + 1

    def _add_split(self, number: int, split: dict[str, Any]) -> None:
        if split["type"] == "categorical":
            members = frozenset(float(one) for one in split["categories"])
            if not all(0.0 <= one < _MAX_FEATURES and one.is_integer() for one in members):
                raise ValueError("a category is no index")
            self.categories[number] = Categories(members, bool(split.get("isLeft", False)))
        feature = int(split["featureIndex"])
        if not 0 <= feature < _MAX_FEATURES:
            raise ValueError(f"it splits on the feature {feature}")
        self._add(feature, float(split.get("threshold", 0.0)), [])
        self.left[number] = number + 1

    def _add(self, feature: int, threshold: float, values: list[float]) -> None:
        self.feature.append(feature)
        self.threshold.append(threshold)
        self.left.append(-1)
        self.right.append(-1)
        self.values.append(values)

    def forest(self, n_classes: int | None) -> Forest:
        width = n_classes or 1
        if any(values and len(values) != width for values in self.values):
            raise ValueError(f"a leaf has not {width} values")
        stats = np.array([values or [0.0] * width for values in self.values])
        predictions = stats[:, 0].copy() if n_classes is None else stats.argmax(axis=1).astype(np.float64)
        return Forest(
            roots=np.array(self.roots, np.int64),
            feature=np.array(self.feature, np.int64),
            threshold=np.array(self.threshold),
            left=np.array(self.left, np.int64),
            right=np.array(self.right, np.int64),
            categories=self.categories,
            predictions=predictions,
            stats=stats,
        )


def _from_json(content: bytes) -> Iterator[dict[str, Any]]:
    return (json.loads(line) for line in content.splitlines() if line.strip())


def _from_protobuf(content: bytes) -> Iterator[dict[str, Any]]:
    for node in framed_messages(content):
        if 1 in node:
            yield {"type": "internal", "split": _split(node.message(1).message(1))}
        else:
            yield {"type": "leaf", "values": node.message(2).numbers(1)}


def _split(split: Message) -> dict[str, Any]:
    if 1 in split:
        found = split.message(1)
        return {
            "type": "categorical",
            "featureIndex": found.integer(1),
            "isLeft": bool(found.integer(2)),
            "categories": found.numbers(4),
        }
    found = split.message(2)
    return {"type": "continuous", "featureIndex": found.integer(1), "threshold": found.number(2)}
