"""Decision trees as one graph for ONNX Runtime, in double precision throughout.

scikit-learn's trees round the rows to float32 and compare them with float64 thresholds; skl2onnx rounds the thresholds
as well, which sends some rows another way. Here rows, thresholds and leaves stay the numbers they are, and with one
thread the leaves are summed in the order of the trees, as scikit-learn does: the outputs have the same bits.
"""

from collections.abc import Sequence
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np

from skysail_container.acceleration.form import Array, UnsupportedEstimatorError

__all__ = ["Tree", "TreeSession", "constant", "of_histogram_tree", "of_tree", "onnx_session"]

_DOMAIN, _OPSET = "ai.onnx.ml", 5
_ONNX_OPSET, _IR_VERSION = 20, 10
_SUM = 1
"""`aggregate_function` of TreeEnsemble."""


class Tree(NamedTuple):
    """Nodes by number, 0 the root. A node without children has `left` < 0 and is a leaf.

    A row goes left when its feature is at most the threshold, or is NaN and `nan_goes_left` says so.
    """

    left: Array
    right: Array
    feature: Array
    threshold: Array
    nan_goes_left: Array
    values: Array
    """What each node adds to its target if it is the leaf, float64; those of other nodes are not looked at."""


def of_tree(tree: Any, values: Array) -> Tree:
    """:param tree: the `tree_` of a scikit-learn estimator."""
    nan_goes_left = getattr(tree, "missing_go_to_left", np.zeros(tree.node_count))
    return Tree(tree.children_left, tree.children_right, tree.feature, tree.threshold, nan_goes_left, values)


def of_histogram_tree(nodes: Array) -> Tree:
    """:param nodes: the records of one tree of a HistGradientBoosting estimator.

    :raises UnsupportedEstimatorError: it splits by categories.
    """
    if nodes["is_categorical"].any():
        raise UnsupportedEstimatorError("splits by category have no faster form")
    left = np.where(nodes["is_leaf"], -1, nodes["left"].astype(np.int64))
    return Tree(
        left,
        nodes["right"].astype(np.int64),
        nodes["feature_idx"],
        nodes["num_threshold"],
        nodes["missing_go_to_left"],
        nodes["value"],
    )


def constant(value: float) -> Tree:
    """A tree that is one leaf."""
    none = np.zeros(1, np.int64)
    return Tree(none - 1, none - 1, none, np.zeros(1), none, np.array([value]))


class TreeSession:
    """A sum of trees for each of several targets."""

    def __init__(self, trees: Sequence[Tree], targets: Sequence[int], n_features: int, threads: int) -> None:
        """:param targets: for each tree the target that it adds to; from 0 on, without gaps.

        :raises UnsupportedEstimatorError: onnx or onnxruntime is not installed.
        """
        self._session = onnx_session(_graph(trees, targets, n_features).SerializeToString(), threads)

    def sums(self, rows: Array) -> Array:
        """:param rows: (n, n_features) float64; returns (n, n targets) float64."""
        sums: Array = self._session.run(None, {"rows": rows})[0]
        return sums


def onnx_session(graph: bytes, threads: int) -> Any:
    """An onnxruntime session on the CPU with so many threads.

    :raises UnsupportedEstimatorError: onnxruntime is not installed.
    """
    onnxruntime = _imported("onnxruntime")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


def _imported(module: str) -> Any:
    try:
        return import_module(module)
    except ImportError as error:
        raise UnsupportedEstimatorError(
            f"{module} is not installed: pip install 'skysail-container[accelerate]'"
        ) from error


def _graph(trees: Sequence[Tree], targets: Sequence[int], n_features: int) -> Any:
    helper, numbers = _imported("onnx.helper"), _imported("onnx.numpy_helper")
    double = _imported("onnx").TensorProto.DOUBLE
    nodes, n_targets = _nodes(trees, targets), max(targets) + 1
    attributes = {name: values.tolist() for name, values in nodes.lists.items()}
    attributes |= {name: numbers.from_array(values) for name, values in nodes.tensors.items()}
    ensemble = helper.make_node(
        "TreeEnsemble",
        ["rows"],
        ["sums"],
        domain=_DOMAIN,
        n_targets=n_targets,
        aggregate_function=_SUM,
        post_transform=0,
        **attributes,
    )
    rows = helper.make_tensor_value_info("rows", double, [None, n_features])
    sums = helper.make_tensor_value_info("sums", double, [None, n_targets])
    return helper.make_model(
        helper.make_graph([ensemble], "trees", [rows], [sums]),
        opset_imports=[helper.make_opsetid(_DOMAIN, _OPSET), helper.make_opsetid("", _ONNX_OPSET)],
        ir_version=_IR_VERSION,
    )


class _Nodes(NamedTuple):
    lists: dict[str, Array]
    tensors: dict[str, Array]


def _nodes(trees: Sequence[Tree], targets: Sequence[int]) -> _Nodes:
    """The attributes of a TreeEnsemble: inner nodes and leaves are numbered apart, each through all trees."""
    parts: dict[str, list[Array]] = {}
    n_inner = n_leaves = 0
    for tree, target in zip(trees, targets, strict=True):
        columns = _columns(tree, target, n_inner, n_leaves)
        columns["tree_roots"] = np.array([n_inner])
        n_inner += len(columns["nodes_splits"])
        n_leaves += len(columns["leaf_weights"])
        for name, column in columns.items():
            parts.setdefault(name, []).append(column)
    whole = {name: np.concatenate(columns) for name, columns in parts.items()}
    tensors: dict[str, Array] = {
        "nodes_splits": whole.pop("nodes_splits").astype(np.float64),
        "leaf_weights": whole.pop("leaf_weights").astype(np.float64),
        "nodes_modes": np.zeros(n_inner, np.uint8),  # BRANCH_LEQ: true is left
    }
    return _Nodes({name: column.astype(np.int64) for name, column in whole.items()}, tensors)


def _columns(tree: Tree, target: int, first_inner: int, first_leaf: int) -> dict[str, Array]:
    is_leaf = tree.left < 0
    inner, leaves = np.flatnonzero(~is_leaf), np.flatnonzero(is_leaf)
    leaf_columns = {"leaf_weights": tree.values[leaves], "leaf_targetids": np.full(len(leaves), target)}
    if not len(inner):  # a tree that is one leaf is a node both of whose branches lead there
        leaf, yes, no = np.array([first_leaf]), np.ones(1), np.zeros(1)
        branches = {"nodes_truenodeids": leaf, "nodes_falsenodeids": leaf}
        flags = {"nodes_trueleafs": yes, "nodes_falseleafs": yes, "nodes_missing_value_tracks_true": no}
        return {"nodes_featureids": no, "nodes_splits": no} | branches | flags | leaf_columns
    number = np.empty(len(is_leaf), np.int64)
    number[inner] = first_inner + np.arange(len(inner))
    number[leaves] = first_leaf + np.arange(len(leaves))
    left, right = tree.left[inner], tree.right[inner]
    return {
        "nodes_featureids": tree.feature[inner],
        "nodes_splits": tree.threshold[inner],
        "nodes_truenodeids": number[left],
        "nodes_falsenodeids": number[right],
        "nodes_trueleafs": is_leaf[left],
        "nodes_falseleafs": is_leaf[right],
        "nodes_missing_value_tracks_true": tree.nan_goes_left[inner],
        **leaf_columns,
    }
