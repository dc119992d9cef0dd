"""Operators that predict classes.

Source: ml.combust.mleap.bundle.ops.classification and org.apache.spark.ml.bundle.ops.classification, which name the
attributes.
"""

from dataclasses import replace
from typing import Final

from skysail_container.spark.attributes import nominal
from skysail_container.spark.matrices import DenseMatrix
from skysail_container.spark.mleap.node import Node
from skysail_container.spark.mleap.operator_registry import (
    check_lengths,
    classifier_columns,
    matrix_by_columns,
    operator,
    stage_of,
)
from skysail_container.spark.mleap.trees import ENSEMBLE, check_equal_weights, read_ensemble, read_tree
from skysail_container.spark.stage import Stage
from skysail_container.spark.stages.logistic import LogisticRegressionModel
from skysail_container.spark.stages.naive_bayes import NaiveBayesModel
from skysail_container.spark.stages.one_vs_rest import RAW_NAME, OneVsRestModel
from skysail_container.spark.stages.perceptron import MultilayerPerceptronClassificationModel, layers_of
from skysail_container.spark.stages.support_vectors import LinearSVCModel
from skysail_container.spark.stages.tree_classification import (
    DecisionTreeClassificationModel,
    GBTClassificationModel,
    RandomForestClassificationModel,
)
from skysail_container.spark.vectors import DenseVector


@operator(
    "logistic_regression", LogisticRegressionModel,
    "num_classes", "coefficients", "intercept", "threshold", "coefficient_matrix", "intercept_vector", "thresholds",
)  # fmt: skip
def _logistic_regression(node: Node) -> Stage:
    found, columns = node.attributes, classifier_columns(node)
    n_classes = found.integer("num_classes")
    if n_classes > 2:
        matrix, intercepts = matrix_by_columns(found.tensor("coefficient_matrix")), found.numbers("intercept_vector")
        check_lengths(node, ("classes", n_classes), ("rows", matrix.n_rows), ("intercepts", len(intercepts)))
        return LogisticRegressionModel(node.name, columns, matrix, intercepts, n_classes, is_multinomial=True)
    coefficients = found.numbers("coefficients")
    threshold = found.number("threshold") if "threshold" in found else 0.5
    if not 0.0 <= threshold <= 1.0:
        raise node.error(f"its threshold is {threshold}, which is no probability")
    matrix = DenseMatrix(len(coefficients), (list(coefficients),))
    intercepts = (found.number("intercept"),)
    return LogisticRegressionModel(
        node.name, columns, matrix, intercepts, n_classes, is_multinomial=False, threshold=threshold
    )


@operator("linear_svc", LinearSVCModel, "coefficients", "intercept", "threshold", "num_classes", "thresholds")
def _linear_svc(node: Node) -> Stage:
    found = node.attributes
    threshold = found.number("threshold") if "threshold" in found else 0.0
    coefficients = DenseVector(list(found.numbers("coefficients")))
    return LinearSVCModel(node.name, classifier_columns(node), coefficients, found.number("intercept"), threshold)


@operator(
    "naive_bayes", NaiveBayesModel, "num_features", "num_classes", "pi", "theta", "model_type", "thresholds",
    note="the type `gaussian` is refused, for a bundle holds no variances",
)  # fmt: skip
def _naive_bayes(node: Node) -> Stage:
    found = node.attributes
    model_type = found.text("model_type")
    if model_type not in ("multinomial", "bernoulli", "complement"):
        raise node.unsupported(f"its model_type is {model_type!r}, which a bundle does not hold whole")
    pi, theta = found.numbers("pi"), matrix_by_columns(found.tensor("theta"))
    check_lengths(node, ("classes", len(pi)), ("rows of theta", theta.n_rows))
    return NaiveBayesModel(node.name, classifier_columns(node), model_type, pi, theta)


@operator(
    "multi_layer_perceptron_classifier", MultilayerPerceptronClassificationModel, "layers", "weights", "thresholds"
)
def _multi_layer_perceptron_classifier(node: Node) -> Stage:
    sizes, weights = node.attributes.integers("layers"), node.attributes.numbers("weights")
    layers = layers_of(sizes, list(weights))
    return MultilayerPerceptronClassificationModel(node.name, classifier_columns(node), sizes[0], layers)


@operator("decision_tree_classifier", DecisionTreeClassificationModel, "num_features", "num_classes", "thresholds")
def _decision_tree_classifier(node: Node) -> Stage:
    forest = read_tree(node, node.attributes.integer("num_classes"))
    return DecisionTreeClassificationModel(node.name, forest, classifier_columns(node))


@operator("random_forest_classifier", RandomForestClassificationModel, *ENSEMBLE)
def _random_forest_classifier(node: Node) -> Stage:
    check_equal_weights(node)
    forest = read_ensemble(node, node.attributes.integer("num_classes"))
    return RandomForestClassificationModel(node.name, forest, classifier_columns(node))


@operator("gbt_classifier", GBTClassificationModel, *ENSEMBLE)
def _gbt_classifier(node: Node) -> Stage:
    forest, weights = read_ensemble(node, None), node.attributes.numbers("tree_weights")
    check_lengths(node, ("trees", forest.n_trees), ("weights", len(weights)))
    return GBTClassificationModel(node.name, forest, weights, classifier_columns(node))


_ONE_OF_TWO: Final = (
    "decision_tree_classifier", "gbt_classifier", "linear_svc", "logistic_regression",
    "multi_layer_perceptron_classifier", "naive_bayes", "random_forest_classifier",
)  # fmt: skip
"""What one_vs_rest may consist of; not of itself, so that nesting has an end."""


@operator(
    "one_vs_rest", OneVsRestModel, "num_classes", "num_features",
    note="the class with the largest raw prediction, as in Spark; with a column of probabilities, which only MLeap's "
    "own OneVsRest has, it is refused",
)  # fmt: skip
def _one_vs_rest(node: Node) -> Stage:
    """Its classifiers are models without columns, in the folders model0, model1, ..."""
    if node.outputs.get("probability"):
        raise node.unsupported("it has a column of probabilities, which Spark's OneVsRestModel has not")
    columns = classifier_columns(node)
    n_classes = node.attributes.integer("num_classes")
    if n_classes < 1:
        raise node.error(f"it has {n_classes} classifiers")
    classifiers = tuple(_classifier(node, f"model{number}") for number in range(n_classes))
    return OneVsRestModel(node.name, columns, classifiers, nominal(name=columns.prediction, n_values=n_classes))


def _classifier(node: Node, name: str) -> Stage:
    """One of the classifiers: it reads the same features, and writes its raw predictions alone."""
    model = node.part(name)
    if model.op not in _ONE_OF_TWO:
        raise model.unsupported("it is none of the classifiers that one_vs_rest consists of")
    inputs, outputs = {"features": node.input("features")}, {"raw_prediction": RAW_NAME, "prediction": ""}
    return stage_of(replace(model, inputs=inputs, outputs=outputs))
