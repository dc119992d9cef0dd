"""The tree of a bisecting k-means: one node after another, each before its subtrees.

Source: ml.combust.bundle.tree.cluster.NodeSerializer, ml.bundle.ctree.Node.
"""

import json
from collections.abc import Iterator
from typing import Any, Final

from skysail_container.spark.mleap.node import Node
from skysail_container.spark.mleap.protobuf import framed_messages
from skysail_container.spark.stages.k_means import BisectingNode, Centre

__all__ = ["read_cluster_tree"]

_MAX_DEPTH: Final = 200
"""Less deep than what Python can walk; of k clusters a tree is at most k - 1 deep, and about log2(k) as a rule."""


def read_cluster_tree(node: Node) -> tuple[BisectingNode, int]:
    """Its root, and how many leaves it has.

    :raises StageError: it is missing or damaged.
    """
    name, content = node.read("tree.json", "tree.pb")
    try:
        tree = _Tree(_from_json(content) if name.endswith(".json") else _from_protobuf(content))
        root = tree.subtree(0)
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise node.error(f"{name} is no tree: {type(error).__name__}: {error}") from error
    return root, tree.n_leaves


class _Tree:
    """A tree while it is read, in the order of its nodes."""

    def __init__(self, nodes: Iterator[dict[str, Any]]) -> None:
        self._nodes = nodes
        self.n_leaves = 0
        self.n_features = 0

    def subtree(self, depth: int) -> BisectingNode:
        """
        :raises ValueError: it is cut off or too deep, or its centres are not equally long.
        """
        if depth > _MAX_DEPTH:
            raise ValueError(f"it is more than {_MAX_DEPTH} deep")
        found = next(self._nodes, None)
        if found is None:
            raise ValueError("it is cut off")
        centre = Centre(tuple(map(float, found["values"])), float(found.get("norm", 0.0)))
        self.n_features = self.n_features or len(centre.values)
        if not centre.values or len(centre.values) != self.n_features:
            raise ValueError(f"a centre has {len(centre.values)} features, another {self.n_features}")
        n_children = int(found.get("numChildren", 0))
        self.n_leaves += n_children <= 0
        children = tuple([self.subtree(depth + 1) for _ in range(n_children)])
        return BisectingNode(centre, _signed(int(found.get("index", 0))), children)


def _signed(index: int) -> int:
    """Inner nodes have negative numbers, some of which are stored as if they were positive ones of 32 bits."""
    return index - (1 << 32) if index >= 1 << 31 else index


def _from_json(content: bytes) -> Iterator[dict[str, Any]]:
    return (json.loads(line) for line in content.splitlines() if line.strip())


def _from_protobuf(content: bytes) -> Iterator[dict[str, Any]]:
    for node in framed_messages(content):
        index, n_children = node.integer(1), node.integer(4)
        yield {"index": index, "norm": node.number(2), "values": node.numbers(3), "numChildren": n_children}
