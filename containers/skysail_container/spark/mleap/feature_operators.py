"""Operators that change numbers and categories.

Source: ml.combust.mleap.bundle.ops.feature and org.apache.spark.ml.bundle.ops.feature, which name the attributes.
"""

from itertools import pairwise

from skysail_container.spark.mleap.node import Node
from skysail_container.spark.mleap.operator_registry import (
    check_lengths,
    column_pairs,
    columns_by_columns,
    handle_invalid,
    in_out,
    operator,
    single_pair,
)
from skysail_container.spark.stage import Stage
from skysail_container.spark.stages.assembling import VectorAssembler
from skysail_container.spark.stages.imputing import ImputerModel
from skysail_container.spark.stages.indexing import IndexToString, StringIndexerModel
from skysail_container.spark.stages.normalizing import ElementwiseProduct, Normalizer
from skysail_container.spark.stages.one_hot import OneHotEncoderModel
from skysail_container.spark.stages.polynomials import PolynomialExpansion
from skysail_container.spark.stages.projection import DCT, PCAModel
from skysail_container.spark.stages.scaling import MaxAbsScalerModel, MinMaxScalerModel, StandardScalerModel
from skysail_container.spark.stages.selection import ChiSqSelectorModel
from skysail_container.spark.stages.slicing import VectorSlicer
from skysail_container.spark.stages.thresholds import Binarizer, Bucketizer
from skysail_container.spark.stages.vector_indexing import VectorIndexerModel


@operator("vector_assembler", VectorAssembler, "input_shapes", "handle_invalid")
def _vector_assembler(node: Node) -> Stage:
    invalid = handle_invalid(node, "error", "skip", "keep")
    return VectorAssembler(node.name, node.numbered_inputs(), node.output("output"), invalid)


@operator(
    "string_indexer", StringIndexerModel,
    "labels", "labels_length", "labels_array_#", "handle_invalid", "nullable_input", "string_order_type",
)  # fmt: skip
def _string_indexer(node: Node) -> Stage:
    """One list of labels, in newer bundles one for each column."""
    found, pairs = node.attributes, column_pairs(node)
    names = ["labels"] if "labels" in found else [f"labels_array_{number}" for number in range(len(pairs))]
    labels = tuple(found.texts(name) for name in names)
    check_lengths(node, ("columns", len(pairs)), ("lists of labels", len(labels)))
    return StringIndexerModel(node.name, pairs, labels, handle_invalid(node, "error", "skip", "keep"))


@operator("reverse_string_indexer", IndexToString, "labels", "input_nullable", "input_shape")
def _reverse_string_indexer(node: Node) -> Stage:
    return IndexToString(*in_out(node), node.attributes.texts("labels"))


@operator("one_hot_encoder", OneHotEncoderModel, "size", "category_sizes", "drop_last", "handle_invalid")
def _one_hot_encoder(node: Node) -> Stage:
    """`size`, in older bundles, is that of the vectors."""
    drop_last = node.attributes.boolean("drop_last")
    if "size" in node.attributes:
        sizes: tuple[int, ...] = (node.attributes.integer("size") + drop_last,)
    else:
        sizes = node.attributes.integers("category_sizes")
    keeps, pairs = handle_invalid(node, "error", "keep") == "keep", column_pairs(node)
    check_lengths(node, ("columns", len(pairs)), ("sizes", len(sizes)))
    return OneHotEncoderModel(node.name, pairs, sizes, drop_last, keeps)


@operator("standard_scaler", StandardScalerModel, "mean", "std")
def _standard_scaler(node: Node) -> Stage:
    """What it does not do it has no numbers for."""
    found = node.attributes
    mean = found.numbers("mean") if "mean" in found else None
    std = found.numbers("std") if "std" in found else None
    if mean is not None and std is not None:
        check_lengths(node, ("means", len(mean)), ("deviations", len(std)))
    size = len(mean or std or ())
    return StandardScalerModel(
        *in_out(node), mean or (0.0,) * size, std or (1.0,) * size, mean is not None, std is not None
    )


@operator("min_max_scaler", MinMaxScalerModel, "min", "max", "minValue", "maxValue")
def _min_max_scaler(node: Node) -> Stage:
    found = node.attributes
    lowest, highest = found.numbers("min"), found.numbers("max")
    check_lengths(node, ("minima", len(lowest)), ("maxima", len(highest)))
    least = found.number("minValue") if "minValue" in found else 0.0
    most = found.number("maxValue") if "maxValue" in found else 1.0
    return MinMaxScalerModel(*in_out(node), lowest, highest, least, most)


@operator("max_abs_scaler", MaxAbsScalerModel, "maxAbs")
def _max_abs_scaler(node: Node) -> Stage:
    return MaxAbsScalerModel(*in_out(node), node.attributes.numbers("maxAbs"))


@operator("normalizer", Normalizer, "p_norm", "input_size")
def _normalizer(node: Node) -> Stage:
    p = node.attributes.number("p_norm")
    if not p >= 1.0:
        raise node.error(f"its p_norm is {p}, which is not at least 1")
    return Normalizer(*in_out(node), p)


@operator("elementwise_product", ElementwiseProduct, "scaling_vec")
def _elementwise_product(node: Node) -> Stage:
    return ElementwiseProduct(*in_out(node), node.attributes.numbers("scaling_vec"))


@operator("binarizer", Binarizer, "threshold", "input_shape")
def _binarizer(node: Node) -> Stage:
    return Binarizer(node.name, single_pair(node), (node.attributes.number("threshold"),))


@operator("bucketizer", Bucketizer, "splits", "handle_invalid")
def _bucketizer(node: Node) -> Stage:
    invalid, splits = handle_invalid(node, "error", "skip", "keep"), node.attributes.numbers("splits")
    if len(splits) < 3 or not all(before < after for before, after in pairwise(splits)):
        raise node.error(f"its {len(splits)} splits are not three at least in ascending order")
    return Bucketizer(node.name, single_pair(node), (splits,), invalid)


@operator(
    "imputer", ImputerModel,
    "imputeValue", "missingValue", "strategy", "surrogate_value", "missing_value", "nullable_input",
)  # fmt: skip
def _imputer(node: Node) -> Stage:
    found = node.attributes
    surrogate = found.number("imputeValue" if "imputeValue" in found else "surrogate_value")
    missing = [found.number(name) for name in ("missingValue", "missing_value") if name in found]
    return ImputerModel(node.name, single_pair(node), (surrogate,), *missing[:1])


@operator("pca", PCAModel, "principal_components")
def _pca(node: Node) -> Stage:
    """A component is a column of the matrix."""
    components = columns_by_columns(node.attributes.tensor("principal_components"))
    return PCAModel(*in_out(node), components, len(components))


@operator("dct", DCT, "inverse", "input_size")
def _dct(node: Node) -> Stage:
    return DCT(*in_out(node), node.attributes.boolean("inverse"))


@operator("polynomial_expansion", PolynomialExpansion, "degree", "input_size")
def _polynomial_expansion(node: Node) -> Stage:
    degree = node.attributes.integer("degree")
    if degree < 1:
        raise node.error(f"its degree is {degree}, which is not at least 1")
    return PolynomialExpansion(*in_out(node), degree)


@operator("vector_slicer", VectorSlicer, "indices", "names", "named_indices", "input_size")
def _vector_slicer(node: Node) -> Stage:
    """Features chosen by name are stored with the indices that they had when the bundle was written."""
    found = node.attributes
    names = found.texts("names") if "names" in found else ()
    named = found.integers("named_indices") if "named_indices" in found else ()
    indices = (*found.integers("indices"), *named)
    if len(names) != len(named) or not indices or min(indices) < 0:
        raise node.error(f"it selects the features {list(indices)}, and {len(names)} by name")
    return VectorSlicer(*in_out(node), indices)


@operator("chi_sq_selector", ChiSqSelectorModel, "filter_indices", "input_size")
def _chi_sq_selector(node: Node) -> Stage:
    selected = tuple(sorted(node.attributes.integers("filter_indices")))
    if len(set(selected)) != len(selected) or (selected and selected[0] < 0):
        raise node.error("its filter_indices are no indices of different features")
    return ChiSqSelectorModel(node.name, node.input("features", "input"), node.output("output"), selected)


@operator("vector_indexer", VectorIndexerModel, "keys", "key_#_keys", "key_#_values", "num_features", "handle_invalid")
def _vector_indexer(node: Node) -> Stage:
    found = node.attributes
    n_features = found.integer("num_features")
    categories = {}
    for feature in found.integers("keys"):
        values, indices = found.numbers(f"key_{feature}_keys"), found.integers(f"key_{feature}_values")
        if not 0 <= feature < n_features:
            raise node.error(f"it has categories of the feature {feature}, of {n_features}")
        categories[feature] = dict(zip(values, map(float, indices), strict=True))
    invalid = handle_invalid(node, "error", "skip", "keep")
    return VectorIndexerModel(*in_out(node), n_features, categories, invalid)
