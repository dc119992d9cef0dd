"""The trees in the folder of a stage.

Source: org.apache.spark.ml.tree.{DecisionTreeModelReadWrite, EnsembleModelReadWrite}. A single tree has one row for
each node in `data`; an ensemble has (treeID, nodeData). Spark 2.x spreads them over many files in any order and writes
no `rawCount`, which nothing needs here.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from skysail_container.spark.forest import LEAF, Categories, Forest
from skysail_container.spark.stage_folder import StageFolder

__all__ = ["saved_forest", "saved_tree", "saved_weights"]

Ints = npt.NDArray[np.int64]


def saved_tree(folder: StageFolder) -> Forest:
    """The tree of a single decision tree.

    :raises StageError: it is missing or unreadable.
    :raises KeyError, ValueError, TypeError: its nodes are damaged.
    """
    table = folder.table()
    nodes = {name: table.column(name).combine_chunks() for name in table.column_names}
    return _forest(np.zeros(table.num_rows, np.int64), nodes)


def saved_forest(folder: StageFolder) -> Forest:
    """All trees of an ensemble, in their order.

    :raises StageError: they are missing or unreadable, or not as many as the metadata says.
    :raises KeyError, ValueError, TypeError: their nodes are damaged.
    """
    table = folder.table()
    structs = table.column("nodeData").combine_chunks()
    nodes = {field.name: structs.field(number) for number, field in enumerate(structs.type)}
    forest = _forest(_numbers(table.column("treeID").combine_chunks()), nodes)
    n_trees = folder.extra("numTrees")  # noqa: S610 - no Django
    if n_trees is not None and n_trees != forest.n_trees:
        raise folder.error(f"its metadata speaks of {n_trees} trees, its data has {forest.n_trees}")
    return forest


def saved_weights(folder: StageFolder, n_trees: int) -> tuple[float, ...]:
    """The weights of an ensemble's trees, in their order; (treeID, metadata, weight) go by position.

    :raises StageError: they are missing, unreadable, or not one for each tree.
    """
    table = folder.table("treesMetadata")
    by_tree = sorted(zip(table.column(0).to_pylist(), table.column(2).to_pylist(), strict=True))
    if len(by_tree) != n_trees:
        raise folder.error(f"its treesMetadata has {len(by_tree)} weights for {n_trees} trees")
    return tuple(float(weight) for _, weight in by_tree)


def _forest(tree_ids: Ints, nodes: dict[str, Any]) -> Forest:
    """
    :param tree_ids: of each node, in the order of the file.
    """
    ids = _numbers(nodes["id"])
    order = np.lexsort((ids, tree_ids))
    _, roots = np.unique(tree_ids[order], return_index=True)
    first = np.repeat(roots, np.diff(np.append(roots, len(ids))))
    if not np.array_equal(ids[order], np.arange(len(ids)) - first):
        raise ValueError("nodes are missing or there twice")
    left, right = (_numbers(nodes[name])[order] for name in ("leftChild", "rightChild"))
    is_leaf = left == LEAF
    split = nodes["split"]
    feature = np.where(is_leaf, LEAF, _numbers(split.field("featureIndex"))[order])
    n_categories = _numbers(split.field("numCategories"))[order]
    lists = split.field("leftCategoriesOrThreshold")
    if np.any(~is_leaf & (feature < 0)):
        raise ValueError("a split has no feature")
    threshold, categories = _splits(lists, order, np.where(is_leaf, LEAF, n_categories), is_leaf)
    return Forest(
        roots.astype(np.int64),
        feature,
        threshold,
        np.where(is_leaf, LEAF, left + first),
        np.where(is_leaf, LEAF, right + first),
        categories,
        _numbers(nodes["prediction"], np.float64)[order],
        _equally_long(nodes["impurityStats"])[order],
    )


def _splits(
    lists: Any, order: Ints, n_categories: Ints, is_leaf: npt.NDArray[np.bool_]
) -> tuple[npt.NDArray[np.float64], dict[int, Categories]]:
    """Thresholds, 0 where there are none, and the categorical splits by node."""
    offsets, values = _ragged(lists)
    starts, lengths = offsets[:-1][order], np.diff(offsets)[order]
    is_continuous = ~is_leaf & (n_categories == -1)
    if np.any(lengths[is_continuous] != 1):
        raise ValueError("a continuous split has not one threshold")
    threshold = np.zeros(len(order))
    threshold[is_continuous] = values[starts[is_continuous]]
    categories = {}
    for node in np.flatnonzero(n_categories != -1).tolist():
        members = values[starts[node] : starts[node] + lengths[node]].tolist()
        categories[node] = Categories.going_left(members, int(n_categories[node]))
    return threshold, categories


def _numbers(array: pa.Array, dtype: Any = np.int64) -> npt.NDArray[Any]:
    """
    :raises ValueError: there are nulls or other things among them.
    """
    if array.null_count:
        raise ValueError("a number is null")
    found: npt.NDArray[Any] = array.to_numpy(zero_copy_only=False)
    if found.dtype.kind not in "iuf" or (dtype is np.int64 and found.dtype.kind == "f"):
        raise ValueError(f"numbers are of type {array.type}")
    return found.astype(dtype)


def _ragged(lists: pa.Array) -> tuple[Ints, npt.NDArray[np.float64]]:
    """Lists of doubles as offsets, one more than there are lists, and all their values."""
    if lists.null_count:
        raise ValueError("a list is null")
    return _numbers(lists.offsets), _numbers(lists.values, np.float64)


def _equally_long(lists: pa.Array) -> npt.NDArray[np.float64]:
    """Lists of doubles as a matrix.

    :raises ValueError: they differ in length.
    """
    offsets, values = _ragged(lists)
    n_columns = int(offsets[1] - offsets[0])
    if np.any(np.diff(offsets) != n_columns):
        raise ValueError("impurityStats differ in length")
    return values[offsets[0] : offsets[-1]].reshape(len(lists), n_columns)
