"""From MLeap's operators to the stages that score them.

Source: ml.combust.mleap.bundle.ops.{feature, classification, regression, clustering}, which name the attributes.
"""

from array import array
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from skysail_container.spark.classification import ClassifierColumns
from skysail_container.spark.forest import Forest
from skysail_container.spark.matrices import DenseMatrix
from skysail_container.spark.mleap.attributes import Tensor
from skysail_container.spark.mleap.node import Node, read_model
from skysail_container.spark.mleap.trees import read_forest
from skysail_container.spark.regression import RegressorColumns
from skysail_container.spark.stage import Stage
from skysail_container.spark.stages.assembling import VectorAssembler
from skysail_container.spark.stages.hashing import HashingTF
from skysail_container.spark.stages.imputing import ImputerModel
from skysail_container.spark.stages.indexing import IndexToString, StringIndexerModel
from skysail_container.spark.stages.k_means import Centre, KMeansModel
from skysail_container.spark.stages.linear import LinearRegressionModel
from skysail_container.spark.stages.logistic import LogisticRegressionModel
from skysail_container.spark.stages.normalizing import ElementwiseProduct, Normalizer
from skysail_container.spark.stages.one_hot import OneHotEncoderModel
from skysail_container.spark.stages.scaling import MaxAbsScalerModel, MinMaxScalerModel, StandardScalerModel
from skysail_container.spark.stages.support_vectors import LinearSVCModel
from skysail_container.spark.stages.text_vectors import IDFModel
from skysail_container.spark.stages.thresholds import Binarizer, Bucketizer
from skysail_container.spark.stages.tokens import NGram, Tokenizer
from skysail_container.spark.stages.tree_classification import (
    DecisionTreeClassificationModel,
    GBTClassificationModel,
    RandomForestClassificationModel,
)
from skysail_container.spark.stages.tree_regression import (
    DecisionTreeRegressionModel,
    GBTRegressionModel,
    RandomForestRegressionModel,
)
from skysail_container.spark.vectors import DenseVector

__all__ = ["OPERATORS", "Operator"]

Read = Callable[[Node], Stage]


@dataclass(frozen=True, slots=True)
class Operator:
    read: Read
    attributes: frozenset[str]
    """All it may have: what is not known might change what it computes."""


OPERATORS: Final[dict[str, Operator]] = {}


def _operator(name: str, *attributes: str) -> Callable[[Read], Read]:
    def register(read: Read) -> Read:
        OPERATORS[name] = Operator(read, frozenset(attributes))
        return read

    return register


def _in_out(node: Node) -> tuple[str, str, str]:
    return node.name, node.input("input"), node.output("output")


def _handle_invalid(node: Node, *known: str) -> str:
    value = node.attributes.text("handle_invalid") if "handle_invalid" in node.attributes else "error"
    if value not in known:
        raise node.error(f"its handle_invalid is {value!r} instead of {', '.join(known)}")
    return value


def _column_pairs(node: Node) -> tuple[tuple[str, str], ...]:
    """Of operators that have had one input, and later several."""
    if "input" in node.inputs:
        return ((node.input("input"), node.output("output")),)
    return tuple(zip(node.numbered_inputs(), node.numbered_outputs(), strict=True))


def _regressor(node: Node) -> RegressorColumns:
    return RegressorColumns(node.input("features"), node.output("prediction"))


def _classifier(node: Node) -> ClassifierColumns:
    raw = node.outputs.get("raw_prediction", node.outputs.get("rawPrediction", ""))
    has_thresholds = "thresholds" in node.attributes
    thresholds = node.attributes.numbers("thresholds") if has_thresholds else None
    probability = node.outputs.get("probability", "")
    return ClassifierColumns(node.input("features"), raw, probability, node.output("prediction"), thresholds)


@_operator("vector_assembler", "input_shapes", "handle_invalid")
def _vector_assembler(node: Node) -> Stage:
    handle_invalid = _handle_invalid(node, "error", "skip", "keep")
    return VectorAssembler(node.name, node.numbered_inputs(), node.output("output"), handle_invalid)


@_operator("string_indexer", "labels", "labels_length", "labels_array_0", "handle_invalid", "nullable_input")
def _string_indexer(node: Node) -> Stage:
    labels = node.attributes.texts("labels" if "labels" in node.attributes else "labels_array_0")
    return StringIndexerModel(node.name, _column_pairs(node), (labels,), _handle_invalid(node, "error", "skip", "keep"))


@_operator("reverse_string_indexer", "labels", "input_nullable", "input_shape")
def _reverse_string_indexer(node: Node) -> Stage:
    return IndexToString(*_in_out(node), node.attributes.texts("labels"))


@_operator("one_hot_encoder", "size", "category_sizes", "drop_last", "handle_invalid")
def _one_hot_encoder(node: Node) -> Stage:
    """`size`, in older bundles, is that of the vectors."""
    drop_last = node.attributes.boolean("drop_last")
    if "size" in node.attributes:
        sizes: tuple[int, ...] = (node.attributes.integer("size") + drop_last,)
    else:
        sizes = node.attributes.integers("category_sizes")
    keeps = _handle_invalid(node, "error", "keep") == "keep"
    return OneHotEncoderModel(node.name, _column_pairs(node), sizes, drop_last, keeps)


@_operator("standard_scaler", "mean", "std")
def _standard_scaler(node: Node) -> Stage:
    """What it does not do it has no numbers for."""
    found = node.attributes
    mean = found.numbers("mean") if "mean" in found else None
    std = found.numbers("std") if "std" in found else None
    size = len(mean or std or ())
    return StandardScalerModel(
        *_in_out(node), mean or (0.0,) * size, std or (1.0,) * size, mean is not None, std is not None
    )


@_operator("min_max_scaler", "min", "max", "minValue", "maxValue")
def _min_max_scaler(node: Node) -> Stage:
    found = node.attributes
    least = found.number("minValue") if "minValue" in found else 0.0
    most = found.number("maxValue") if "maxValue" in found else 1.0
    return MinMaxScalerModel(*_in_out(node), found.numbers("min"), found.numbers("max"), least, most)


@_operator("max_abs_scaler", "maxAbs")
def _max_abs_scaler(node: Node) -> Stage:
    return MaxAbsScalerModel(*_in_out(node), node.attributes.numbers("maxAbs"))


@_operator("normalizer", "p_norm", "input_size")
def _normalizer(node: Node) -> Stage:
    return Normalizer(*_in_out(node), node.attributes.number("p_norm"))


@_operator("elementwise_product", "scaling_vec")
def _elementwise_product(node: Node) -> Stage:
    return ElementwiseProduct(*_in_out(node), node.attributes.numbers("scaling_vec"))


@_operator("binarizer", "threshold", "input_shape")
def _binarizer(node: Node) -> Stage:
    return Binarizer(node.name, _column_pairs(node), (node.attributes.number("threshold"),))


@_operator("bucketizer", "splits", "handle_invalid")
def _bucketizer(node: Node) -> Stage:
    handle_invalid = _handle_invalid(node, "error", "skip", "keep")
    return Bucketizer(node.name, _column_pairs(node), (node.attributes.numbers("splits"),), handle_invalid)


@_operator("imputer", "imputeValue", "missingValue", "strategy", "surrogate_value", "missing_value", "nullable_input")
def _imputer(node: Node) -> Stage:
    found = node.attributes
    surrogate = found.number("imputeValue" if "imputeValue" in found else "surrogate_value")
    missing = [found.number(name) for name in ("missingValue", "missing_value") if name in found]
    return ImputerModel(node.name, _column_pairs(node), (surrogate,), *missing[:1])


@_operator("tokenizer")
def _tokenizer(node: Node) -> Stage:
    return Tokenizer(*_in_out(node))


@_operator("ngram", "n")
def _ngram(node: Node) -> Stage:
    return NGram(*_in_out(node), node.attributes.integer("n"))


@_operator("hashing_term_frequency", "num_features", "binary", "hashUnsafeBytesVersion")
def _hashing_term_frequency(node: Node) -> Stage:
    found = node.attributes
    binary = "binary" in found and found.boolean("binary")
    before_3 = "hashUnsafeBytesVersion" not in found or found.integer("hashUnsafeBytesVersion") == 1
    return HashingTF(*_in_out(node), found.integer("num_features"), binary, before_3)


@_operator("idf", "idf")
def _idf(node: Node) -> Stage:
    return IDFModel(*_in_out(node), array("d", node.attributes.numbers("idf")))


@_operator("linear_regression", "coefficients", "intercept")
def _linear_regression(node: Node) -> Stage:
    coefficients = DenseVector(list(node.attributes.numbers("coefficients")))
    return LinearRegressionModel(node.name, _regressor(node), coefficients, node.attributes.number("intercept"))


@_operator(
    "logistic_regression",
    "num_classes", "coefficients", "intercept", "threshold", "coefficient_matrix", "intercept_vector", "thresholds",
)  # fmt: skip
def _logistic_regression(node: Node) -> Stage:
    found, columns = node.attributes, _classifier(node)
    n_classes = found.integer("num_classes")
    if n_classes > 2:
        matrix = _by_columns(found.tensor("coefficient_matrix"))
        return LogisticRegressionModel(
            node.name, columns, matrix, found.numbers("intercept_vector"), n_classes, is_multinomial=True
        )
    coefficients = found.numbers("coefficients")
    threshold = found.number("threshold") if "threshold" in found else 0.5
    matrix = DenseMatrix(len(coefficients), (list(coefficients),))
    intercepts = (found.number("intercept"),)
    return LogisticRegressionModel(
        node.name, columns, matrix, intercepts, n_classes, is_multinomial=False, threshold=threshold
    )


def _by_columns(tensor: Tensor) -> DenseMatrix:
    """The matrix whose values stand column after column."""
    n_rows, n_cols = tensor.shape
    return DenseMatrix(n_cols, tuple(list(tensor.values[row::n_rows]) for row in range(n_rows)))


@_operator("linear_svc", "coefficients", "intercept", "threshold", "num_classes", "thresholds")
def _linear_svc(node: Node) -> Stage:
    found = node.attributes
    threshold = found.number("threshold") if "threshold" in found else 0.0
    coefficients = DenseVector(list(found.numbers("coefficients")))
    return LinearSVCModel(node.name, _classifier(node), coefficients, found.number("intercept"), threshold)


@_operator("k_means", "cluster_centers", "num_features")
def _k_means(node: Node) -> Stage:
    centres = tuple(Centre.of(DenseVector(list(one.values))) for one in node.attributes.tensors("cluster_centers"))
    if len({len(centre.values) for centre in centres}) != 1:
        raise node.error("its cluster centres are missing or not equally long")
    return KMeansModel(node.name, node.input("features"), node.output("prediction"), "euclidean", centres)


_ENSEMBLE: Final = ("num_features", "num_classes", "tree_weights", "trees", "thresholds", "lossType")


@_operator("decision_tree_regression", "num_features")
def _decision_tree_regression(node: Node) -> Stage:
    return DecisionTreeRegressionModel(node.name, read_forest(node.files, [node.folder], None), _regressor(node))


@_operator("decision_tree_classifier", "num_features", "num_classes", "thresholds")
def _decision_tree_classifier(node: Node) -> Stage:
    forest = read_forest(node.files, [node.folder], node.attributes.integer("num_classes"))
    return DecisionTreeClassificationModel(node.name, forest, _classifier(node))


@_operator("random_forest_regression", *_ENSEMBLE)
def _random_forest_regression(node: Node) -> Stage:
    _check_equal_weights(node)
    return RandomForestRegressionModel(node.name, _trees(node, None), _regressor(node))


@_operator("random_forest_classifier", *_ENSEMBLE)
def _random_forest_classifier(node: Node) -> Stage:
    _check_equal_weights(node)
    return RandomForestClassificationModel(
        node.name, _trees(node, node.attributes.integer("num_classes")), _classifier(node)
    )


@_operator("gbt_regression", *_ENSEMBLE)
def _gbt_regression(node: Node) -> Stage:
    return GBTRegressionModel(node.name, _trees(node, None), node.attributes.numbers("tree_weights"), _regressor(node))


@_operator("gbt_classifier", *_ENSEMBLE)
def _gbt_classifier(node: Node) -> Stage:
    return GBTClassificationModel(
        node.name, _trees(node, None), node.attributes.numbers("tree_weights"), _classifier(node)
    )


def _trees(node: Node, n_classes: int | None) -> Forest:
    folders = [f"{node.folder}/{name}" for name in node.attributes.texts("trees")]
    for folder in folders:
        op, _ = read_model(node.files, folder)
        if op not in ("decision_tree_regression", "decision_tree_classifier"):
            raise node.error(f"its tree in {folder} is a {op}")
    return read_forest(node.files, folders, n_classes)


def _check_equal_weights(node: Node) -> None:
    """Spark's forests have no other weights than 1."""
    if any(weight != 1.0 for weight in node.attributes.numbers("tree_weights")):
        raise node.error("the trees of its forest have weights other than 1")
