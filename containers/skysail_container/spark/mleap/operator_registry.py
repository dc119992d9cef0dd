"""What an operator of MLeap is, and what the readers of all of them have in common."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from skysail_container.spark.classification import ClassifierColumns
from skysail_container.spark.errors import UnsupportedStageError
from skysail_container.spark.matrices import DenseMatrix, numbers_of
from skysail_container.spark.mleap.attributes import Tensor
from skysail_container.spark.mleap.node import Node
from skysail_container.spark.regression import RegressorColumns
from skysail_container.spark.stage import Stage

__all__ = [
    "KNOWN",
    "Operator",
    "array_by_columns",
    "check_lengths",
    "classifier_columns",
    "column_pairs",
    "columns_by_columns",
    "handle_invalid",
    "in_out",
    "matrix_by_columns",
    "operator",
    "regressor_columns",
    "single_pair",
    "stage_of",
]

Read = Callable[[Node], Stage]


@dataclass(frozen=True, slots=True)
class Operator:
    read: Read
    stage: type[Stage]
    """What it becomes."""
    attributes: frozenset[str]
    """All it may have: what is not known might change what it computes. `#` stands for a number."""
    note: str
    """What a bundle does not say, or what is refused, for documents."""

    def knows(self, attribute: str) -> bool:
        return attribute in self.attributes or re.sub(r"\d+", "#", attribute) in self.attributes


_DAMAGE: Final = (KeyError, TypeError, ValueError, IndexError, AttributeError, ArithmeticError)
"""What attributes raise that are missing, or something else."""

KNOWN: Final[dict[str, Operator]] = {}
"""Filled while the modules of operators are imported."""


def operator(name: str, stage: type[Stage], *attributes: str, note: str = "") -> Callable[[Read], Read]:
    """Registers a reader of nodes under an operator's name."""

    def register(read: Read) -> Read:
        KNOWN[name] = Operator(read, stage, frozenset(attributes), note)
        return read

    return register


def stage_of(node: Node) -> Stage:
    """
    :raises UnsupportedStageError: the operator, or an attribute that it has, is not known here.
    :raises StageError: it is damaged.
    """
    known = KNOWN.get(node.op)
    if known is None:
        raise UnsupportedStageError(
            node.name,
            f"MLeap's operator {node.op} is not known here; save the pipeline itself, which Spark's save() does",
        )
    unknown = sorted(name for name in node.attributes.names() if not known.knows(name))
    if unknown:
        raise UnsupportedStageError(node.name, f"the attribute {unknown[0]} of {node.op} is not known here")
    try:
        return known.read(node)
    except _DAMAGE as error:
        raise node.error(f"this is not what MLeap writes: {type(error).__name__}: {error}") from error


def in_out(node: Node) -> tuple[str, str, str]:
    """The node's name and its two columns."""
    return node.name, node.input("input"), node.output("output")


def handle_invalid(node: Node, *known: str) -> str:
    value = node.attributes.text("handle_invalid") if "handle_invalid" in node.attributes else "error"
    if value not in known:
        raise node.error(f"its handle_invalid is {value!r} instead of {', '.join(known)}")
    return value


def column_pairs(node: Node) -> tuple[tuple[str, str], ...]:
    """Of operators that have had one input, and later several."""
    if "input" in node.inputs:
        return ((node.input("input"), node.output("output")),)
    return tuple(zip(node.numbered_inputs(), node.numbered_outputs(), strict=True))


def single_pair(node: Node) -> tuple[tuple[str, str]]:
    """
    :raises StageError: it has several columns, and a bundle numbers for one.
    """
    pairs = column_pairs(node)
    if len(pairs) != 1:
        raise node.error(f"it has {len(pairs)} columns instead of one")
    return (pairs[0],)


def regressor_columns(node: Node) -> RegressorColumns:
    return RegressorColumns(node.input("features"), node.output("prediction"))


def classifier_columns(node: Node) -> ClassifierColumns:
    raw = node.outputs.get("raw_prediction", node.outputs.get("rawPrediction", ""))
    has_thresholds = "thresholds" in node.attributes
    thresholds = node.attributes.numbers("thresholds") if has_thresholds else None
    probability = node.outputs.get("probability", "")
    return ClassifierColumns(node.input("features"), raw, probability, node.output("prediction"), thresholds)


def check_lengths(node: Node, *found: tuple[str, int]) -> None:
    """
    :raises StageError: not all of these have the same length, or it is zero.
    """
    if len({length for _, length in found}) != 1 or found[0][1] < 1:
        raise node.error("its parts do not fit together: " + ", ".join(f"{n} {name}" for name, n in found))


def matrix_by_columns(tensor: Tensor) -> DenseMatrix:
    """The matrix whose values stand column after column.

    :raises ValueError: the tensor is no matrix.
    """
    n_rows, n_cols = tensor.shape
    return DenseMatrix(n_cols, tuple(numbers_of(tensor.values[row::n_rows]) for row in range(n_rows)))


def columns_by_columns(tensor: Tensor) -> tuple[Sequence[float], ...]:
    """The columns of such a matrix.

    :raises ValueError: as `matrix_by_columns`.
    """
    n_rows, n_cols = tensor.shape
    return tuple(numbers_of(tensor.values[column * n_rows :][:n_rows]) for column in range(n_cols))


def array_by_columns(tensor: Tensor) -> npt.NDArray[np.float64]:
    """Such a matrix as an array, in C order: shape (rows, columns).

    :raises ValueError: as `matrix_by_columns`.
    """
    n_rows, n_cols = tensor.shape
    return np.ascontiguousarray(np.array(tensor.values, np.float64).reshape(n_cols, n_rows).T)
