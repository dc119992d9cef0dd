"""Stages as MLeap's exporter for Spark writes them: what it does not write is an error here.

Source: org.apache.spark.ml.bundle.ops, which take what they write from Spark's models.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import singledispatch
from typing import Any

import numpy as np

from skysail_container.spark.classification import ClassifierColumns
from skysail_container.spark.column_pairs import ColumnPairs
from skysail_container.spark.forest import LEAF, Forest
from skysail_container.spark.matrices import DenseMatrix, Matrix
from skysail_container.spark.stage import Stage
from skysail_container.spark.stages import (
    assembling,
    hashing,
    imputing,
    indexing,
    isotonic,
    k_means,
    lda,
    linear,
    logistic,
    naive_bayes,
    normalizing,
    one_hot,
    one_vs_rest,
    perceptron,
    pipelines,
    polynomials,
    projection,
    scaling,
    selection,
    slicing,
    support_vectors,
    survival,
    text_vectors,
    thresholds,
    tokens,
    tree_classification,
    tree_regression,
    vector_indexing,
)
from skysail_container.spark.stages.generalized_linear import GeneralizedLinearRegressionModel
from skysail_container.spark.vectors import Vector
from spark.bundles import BundleNode, Value, doubles, longs, tensor, tensors, texts

__all__ = ["NotBundledError", "bundled"]


class NotBundledError(Exception):
    """A bundle cannot say what this stage does."""


@singledispatch
def bundled(stage: Stage) -> BundleNode:
    """
    :raises NotBundledError: as it says.
    """
    raise NotBundledError(type(stage).__name__)


def _need(condition: bool, what: str) -> None:
    if not condition:
        raise NotBundledError(what)


def _unary(stage: Any, op: str, **attributes: Value) -> BundleNode:
    return BundleNode(op, attributes, {"input": stage.input_column}, {"output": stage.output_column})


def _pairs(stage: Any, op: str, columns: ColumnPairs, **attributes: Value) -> BundleNode:
    if len(columns) == 1:
        return BundleNode(op, attributes, {"input": columns[0][0]}, {"output": columns[0][1]})
    inputs = {f"input{number}": source for number, (source, _) in enumerate(columns)}
    outputs = {f"output{number}": target for number, (_, target) in enumerate(columns)}
    return BundleNode(op, attributes, inputs, outputs)


def _classifier(op: str, columns: ClassifierColumns, attributes: Mapping[str, Value], **parts: Any) -> BundleNode:
    """Columns that are switched off are no ports."""
    _need(columns.thresholds is None or "naive" not in op, "thresholds")
    ports = {"raw_prediction": columns.raw, "probability": columns.probability, "prediction": columns.prediction}
    outputs = {port: name for port, name in ports.items() if name or port == "prediction"}
    thresholds = {} if columns.thresholds is None else {"thresholds": doubles(*columns.thresholds)}
    return BundleNode(op, {**attributes, **thresholds}, {"features": columns.features}, outputs, **parts)


def _regressor(op: str, stage: Any, attributes: Mapping[str, Value], **parts: Any) -> BundleNode:
    inputs, outputs = {"features": stage.columns.features}, {"prediction": stage.columns.prediction}
    return BundleNode(op, attributes, inputs, outputs, **parts)


def _matrix(matrix: Matrix) -> Value:
    rows = matrix.to_rows()
    return tensor(*np.array(rows).T.ravel().tolist(), shape=(len(rows), matrix.n_cols))


def _text(value: str) -> Value:
    return {"string": value}


def _double(value: float) -> Value:
    return {"double": value}


def _long(value: int) -> Value:
    return {"long": value}


def _flag(value: bool) -> Value:
    return {"boolean": value}


def _linear(coefficients: Vector, intercept: float) -> dict[str, Value]:
    return {"coefficients": tensor(*coefficients.to_list()), "intercept": _double(intercept)}


@bundled.register
def _(stage: pipelines.PipelineModel) -> BundleNode:
    return BundleNode("pipeline", {}, nodes=[bundled(one) for one in stage.stages])


@bundled.register
def _(stage: assembling.VectorAssembler) -> BundleNode:
    inputs = {f"input{number}": name for number, name in enumerate(stage.input_columns)}
    attributes = {"handle_invalid": _text(stage.handle_invalid)}
    return BundleNode("vector_assembler", attributes, inputs, {"output": stage.output_column})


@bundled.register
def _(stage: indexing.StringIndexerModel) -> BundleNode:
    attributes = {f"labels_array_{number}": texts(*labels) for number, labels in enumerate(stage.labels)}
    attributes |= {"labels_length": _long(len(stage.labels)), "handle_invalid": _text(stage.handle_invalid)}
    return _pairs(stage, "string_indexer", stage.columns, **attributes)


@bundled.register
def _(stage: indexing.IndexToString) -> BundleNode:
    _need(bool(stage.labels), "labels of the column")
    return _unary(stage, "reverse_string_indexer", labels=texts(*stage.labels))


@bundled.register
def _(stage: one_hot.OneHotEncoderModel) -> BundleNode:
    sizes: Value = {"type": "list", "int": list(stage.category_sizes)}
    drop_last, handle_invalid = _flag(stage.drop_last), _text("keep" if stage.keep_invalid else "error")
    attributes = {"category_sizes": sizes, "drop_last": drop_last, "handle_invalid": handle_invalid}
    return _pairs(stage, "one_hot_encoder", stage.columns, **attributes)


@bundled.register
def _(stage: scaling.StandardScalerModel) -> BundleNode:
    attributes = {"mean": tensor(*stage.mean)} if stage.with_mean else {}
    attributes |= {"std": tensor(*stage.std)} if stage.with_std else {}
    _need(bool(attributes), "neither")
    return _unary(stage, "standard_scaler", **attributes)


@bundled.register
def _(stage: scaling.MinMaxScalerModel) -> BundleNode:
    least, most = _double(stage.minimum), _double(stage.maximum)
    lowest, highest = tensor(*stage.original_min), tensor(*stage.original_max)
    return _unary(stage, "min_max_scaler", min=lowest, max=highest, minValue=least, maxValue=most)


@bundled.register
def _(stage: scaling.MaxAbsScalerModel) -> BundleNode:
    return _unary(stage, "max_abs_scaler", maxAbs=tensor(*stage.max_abs))


@bundled.register
def _(stage: normalizing.Normalizer) -> BundleNode:
    return _unary(stage, "normalizer", p_norm=_double(stage.p))


@bundled.register
def _(stage: normalizing.ElementwiseProduct) -> BundleNode:
    return _unary(stage, "elementwise_product", scaling_vec=tensor(*stage.factors))


@bundled.register
def _(stage: thresholds.Binarizer) -> BundleNode:
    _need(len(stage.columns) == 1, "several columns")
    return _pairs(stage, "binarizer", stage.columns, threshold=_double(stage.thresholds[0]))


@bundled.register
def _(stage: thresholds.Bucketizer) -> BundleNode:
    _need(len(stage.columns) == 1, "several columns")
    splits, handle_invalid = doubles(*stage.splits[0]), _text(stage.handle_invalid)
    return _pairs(stage, "bucketizer", stage.columns, splits=splits, handle_invalid=handle_invalid)


@bundled.register
def _(stage: imputing.ImputerModel) -> BundleNode:
    _need(len(stage.columns) == 1, "several columns")
    surrogate, missing = _double(stage.surrogates[0]), _double(stage.missing_value)
    return _pairs(stage, "imputer", stage.columns, surrogate_value=surrogate, missing_value=missing)


@bundled.register
def _(stage: projection.PCAModel) -> BundleNode:
    values = [value for component in stage.components for value in component]
    components = tensor(*values, shape=(len(stage.components[0]), len(stage.components)))
    return _unary(stage, "pca", principal_components=components)


@bundled.register
def _(stage: projection.DCT) -> BundleNode:
    return _unary(stage, "dct", inverse=_flag(stage.inverse))


@bundled.register
def _(stage: polynomials.PolynomialExpansion) -> BundleNode:
    return _unary(stage, "polynomial_expansion", degree=_long(stage.degree))


@bundled.register
def _(stage: slicing.VectorSlicer) -> BundleNode:
    _need(not stage.names, "indices of names")
    return _unary(stage, "vector_slicer", indices=longs(*stage.indices), names=texts(), named_indices=longs())


@bundled.register
def _(stage: selection.ChiSqSelectorModel) -> BundleNode:
    columns = {"features": stage.features_column}, {"output": stage.output_column}
    return BundleNode("chi_sq_selector", {"filter_indices": longs(*stage.selected)}, *columns)


@bundled.register
def _(stage: vector_indexing.VectorIndexerModel) -> BundleNode:
    attributes = {"keys": longs(*stage.categories), "num_features": _long(stage.n_features)}
    for feature, indices in stage.categories.items():
        attributes[f"key_{feature}_keys"] = doubles(*indices)
        attributes[f"key_{feature}_values"] = longs(*map(int, indices.values()))
    return _unary(stage, "vector_indexer", **attributes, handle_invalid=_text(stage.handle_invalid))


@bundled.register
def _(stage: tokens.Tokenizer) -> BundleNode:
    return _unary(stage, "tokenizer")


@bundled.register
def _(stage: tokens.RegexTokenizer) -> BundleNode:
    return _unary(
        stage,
        "regex_tokenizer",
        regex=_text(stage.pattern),
        match_gaps=_flag(stage.gaps),
        token_min_length={"int": stage.min_length},
        lowercase_text=_flag(stage.to_lower),
    )


@bundled.register
def _(stage: tokens.StopWordsRemover) -> BundleNode:
    _need(stage.locale.startswith("en") and None not in stage.stop_words, "locale")
    pairs = tuple(zip(stage.input_columns, stage.output_columns, strict=True))
    words = texts(*[word for word in stage.stop_words if word is not None])
    return _pairs(stage, "stopwords_remover", pairs, stop_words=words, case_sensitive=_flag(stage.case_sensitive))


@bundled.register
def _(stage: tokens.NGram) -> BundleNode:
    return _unary(stage, "ngram", n=_long(stage.n))


@bundled.register
def _(stage: text_vectors.CountVectorizerModel) -> BundleNode:
    words, binary, least = texts(*stage.vocabulary), _flag(stage.binary), _double(stage.min_tf)
    return _unary(stage, "count_vectorizer", vocabulary=words, binary=binary, min_tf=least)


@bundled.register
def _(stage: text_vectors.IDFModel) -> BundleNode:
    return _unary(stage, "idf", idf=tensor(*stage.idf))


@bundled.register
def _(stage: text_vectors.Word2VecModel) -> BundleNode:
    """The words stand in another order than their vectors, as they do in a map of Scala."""
    places = {word: number for number, word in enumerate(stage.vectors)}
    words = sorted(places, reverse=True)
    numbers = np.concatenate(list(stage.vectors.values())).tolist()
    indices = longs(*[places[word] for word in words])
    return _unary(stage, "word_to_vector", words=texts(*words), indices=indices, word_vectors=doubles(*numbers))


@bundled.register
def _(stage: hashing.HashingTF) -> BundleNode:
    version = {"int": 1 if stage.before_3 else 2}
    size, binary = _long(stage.n_features), _flag(stage.binary)
    return _unary(stage, "hashing_term_frequency", num_features=size, binary=binary, hashUnsafeBytesVersion=version)


@bundled.register
def _(stage: linear.LinearRegressionModel) -> BundleNode:
    return _regressor("linear_regression", stage, _linear(stage.coefficients, stage.intercept))


@bundled.register
def _(stage: GeneralizedLinearRegressionModel) -> BundleNode:
    _need(not stage.offset and stage.family != "tweedie" and isinstance(stage.link, str), "offset or powers")
    _need((stage.family, stage.link) not in [("gamma", "sqrt")], "a link by its power")
    attributes = {**_linear(stage.coefficients, stage.intercept), "family": _text(stage.family)}
    node = _regressor("generalized_linear_regression", stage, {**attributes, "link": _text(str(stage.link))})
    links = {"link_prediction": stage.link_prediction} if stage.link_prediction else {}
    return BundleNode(node.op, node.attributes, node.inputs, {**node.outputs, **links})


@bundled.register
def _(stage: survival.AFTSurvivalRegressionModel) -> BundleNode:
    attributes = {
        **_linear(stage.coefficients, stage.intercept),
        "scale": _double(stage.scale),
        "quantile_probabilities": doubles(*stage.probabilities),
    }
    node = _regressor("aft_survival_regression", stage, attributes)
    quantiles = {"quantiles": stage.quantiles} if stage.quantiles else {}
    return BundleNode(node.op, node.attributes, node.inputs, {**node.outputs, **quantiles})


@bundled.register
def _(stage: isotonic.IsotonicRegressionModel) -> BundleNode:
    attributes = {"boundaries": doubles(*stage.boundaries), "predictions": doubles(*stage.predictions)}
    return _regressor("isotonic_regression", stage, {**attributes, "feature_index": _long(stage.feature_index)})


@bundled.register
def _(stage: logistic.LogisticRegressionModel) -> BundleNode:
    attributes = {"num_classes": _long(stage.n_classes)}
    if stage.n_classes > 2:
        _need(isinstance(stage.coefficients, DenseMatrix), "sparse coefficients")
        attributes["coefficient_matrix"] = _matrix(stage.coefficients)
        attributes["intercept_vector"] = tensor(*stage.intercepts)
        return _classifier("logistic_regression", stage.columns, attributes)
    _need(not stage.is_multinomial and stage.columns.thresholds is None, "two classes as many, or thresholds")
    attributes["coefficients"] = tensor(*stage.coefficients.to_rows()[0])
    attributes |= {"intercept": _double(stage.intercepts[0]), "threshold": _double(stage.threshold)}
    return _classifier("logistic_regression", stage.columns, attributes)


@bundled.register
def _(stage: support_vectors.LinearSVCModel) -> BundleNode:
    attributes = {**_linear(stage.coefficients, stage.intercept), "threshold": _double(stage.threshold)}
    return _classifier("linear_svc", stage.columns, attributes)


@bundled.register
def _(stage: naive_bayes.NaiveBayesModel) -> BundleNode:
    _need(stage.model_type != "gaussian", "variances")
    attributes = {
        "num_features": _long(stage.theta.n_cols),
        "num_classes": _long(len(stage.pi)),
        "pi": tensor(*stage.pi),
        "theta": _matrix(stage.theta),
        "model_type": _text(stage.model_type),
    }
    return _classifier("naive_bayes", stage.columns, attributes)


@bundled.register
def _(stage: perceptron.MultilayerPerceptronClassificationModel) -> BundleNode:
    weights: list[float] = []
    for layer in stage.layers:
        weights += np.array(layer.weights).T.ravel().tolist() + list(layer.biases)
    sizes = longs(stage.n_features, *[len(layer.biases) for layer in stage.layers])
    attributes = {"layers": sizes, "weights": tensor(*weights)}
    return _classifier("multi_layer_perceptron_classifier", stage.columns, attributes)


@bundled.register
def _(stage: one_vs_rest.OneVsRestModel) -> BundleNode:
    attributes = {"num_classes": _long(len(stage.classifiers)), "num_features": _long(1)}
    models = [bundled(classifier) for classifier in stage.classifiers]
    return _classifier("one_vs_rest", stage.columns, attributes, models=models)


@bundled.register
def _(stage: k_means.KMeansModel) -> BundleNode:
    _need(stage.measure == "euclidean", "distance measure")
    centres = tensors(*[tensor(*centre.values) for centre in stage.centres])
    columns = {"features": stage.features_column}, {"prediction": stage.prediction_column}
    return BundleNode("k_means", {"cluster_centers": centres}, *columns)


@bundled.register
def _(stage: k_means.BisectingKMeansModel) -> BundleNode:
    _need(stage.measure == "euclidean", "distance measure")

    def nodes(node: k_means.BisectingNode) -> Iterator[Mapping[str, Any]]:
        about = {"index": node.index, "norm": node.centre.norm, "values": list(node.centre.values)}
        yield {**about, "numChildren": len(node.children)}
        for child in node.children:
            yield from nodes(child)

    columns = {"features": stage.features_column}, {"prediction": stage.prediction_column}
    return BundleNode("bisecting_k_means", {}, *columns, clusters=list(nodes(stage.root)))


@bundled.register
def _(stage: lda.LDAModel) -> BundleNode:
    attributes = {
        "vocabSize": {"int": stage.topics.shape[0]},
        "docConcentration": doubles(*stage.doc_concentration.tolist()),
        "topicConcentration": _double(0.5),
        "topicMatrix": tensor(*stage.topics.T.ravel().tolist(), shape=stage.topics.shape),
    }
    columns = {"features": stage.features_column}, {"topic_distribution": stage.topics_column}
    return BundleNode("lda_local_model_op", attributes, *columns)


Leaf = Callable[[int], Sequence[float]]


def _trees(forest: Forest, leaf: Leaf) -> list[list[Mapping[str, Any]]]:
    def nodes(number: int) -> Iterator[Mapping[str, Any]]:
        feature = int(forest.feature[number])
        if feature == LEAF:
            yield {"type": "leaf", "values": list(leaf(number))}
            return
        if number in forest.categories:
            found = forest.categories[number]
            about: dict[str, Any] = {"type": "categorical", "categories": sorted(found.members)}
            about["isLeft"] = found.members_go_left
        else:
            about = {"type": "continuous", "threshold": float(forest.threshold[number])}
        yield {"type": "internal", "split": {**about, "featureIndex": feature}}
        yield from nodes(int(forest.left[number]))
        yield from nodes(int(forest.right[number]))

    return [list(nodes(int(root))) for root in forest.roots]


def _numbers(stage: Any) -> dict[str, Any]:
    """The trees of a regression, or of boosted classes."""
    _need(not stage.leaf and not getattr(stage, "variance", ""), "columns of leaves or variances")
    return {"trees": _trees(stage.forest, lambda number: [float(stage.forest.predictions[number])])}


def _classes(stage: Any) -> dict[str, Any]:
    _need(not stage.leaf, "a column of leaves")
    return {"trees": _trees(stage.forest, lambda number: stage.forest.stats[number].tolist())}


def _weights(stage: Any) -> dict[str, Value]:
    return {"tree_weights": doubles(*getattr(stage, "weights", [1.0] * stage.forest.n_trees))}


@bundled.register
def _(stage: tree_regression.DecisionTreeRegressionModel) -> BundleNode:
    return _regressor("decision_tree_regression", stage, {}, **_numbers(stage))


@bundled.register
def _(stage: tree_regression.RandomForestRegressionModel) -> BundleNode:
    return _regressor("random_forest_regression", stage, _weights(stage), **_numbers(stage))


@bundled.register
def _(stage: tree_regression.GBTRegressionModel) -> BundleNode:
    return _regressor("gbt_regression", stage, _weights(stage), **_numbers(stage))


@bundled.register
def _(stage: tree_classification.DecisionTreeClassificationModel) -> BundleNode:
    attributes = {"num_classes": _long(stage.forest.stats.shape[1])}
    return _classifier("decision_tree_classifier", stage.columns, attributes, **_classes(stage))


@bundled.register
def _(stage: tree_classification.RandomForestClassificationModel) -> BundleNode:
    attributes = {**_weights(stage), "num_classes": _long(stage.forest.stats.shape[1])}
    return _classifier("random_forest_classifier", stage.columns, attributes, **_classes(stage))


@bundled.register
def _(stage: tree_classification.GBTClassificationModel) -> BundleNode:
    attributes = {**_weights(stage), "num_classes": _long(2)}
    return _classifier("gbt_classifier", stage.columns, attributes, **_numbers(stage))
