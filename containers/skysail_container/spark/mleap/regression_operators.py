"""Operators that predict numbers.

Source: ml.combust.mleap.bundle.ops.regression and org.apache.spark.ml.bundle.ops.regression, which name the attributes.
"""

from itertools import pairwise

from skysail_container.spark.mleap.node import Node
from skysail_container.spark.mleap.operator_registry import check_lengths, operator, regressor_columns
from skysail_container.spark.mleap.trees import ENSEMBLE, check_equal_weights, read_ensemble, read_tree
from skysail_container.spark.stage import Stage
from skysail_container.spark.stages.generalized_linear import GeneralizedLinearRegressionModel, family_and_link
from skysail_container.spark.stages.isotonic import IsotonicRegressionModel
from skysail_container.spark.stages.linear import LinearRegressionModel
from skysail_container.spark.stages.survival import AFTSurvivalRegressionModel
from skysail_container.spark.stages.tree_regression import (
    DecisionTreeRegressionModel,
    GBTRegressionModel,
    RandomForestRegressionModel,
)
from skysail_container.spark.vectors import DenseVector


def _coefficients(node: Node) -> DenseVector:
    return DenseVector(list(node.attributes.numbers("coefficients")))


@operator("linear_regression", LinearRegressionModel, "coefficients", "intercept")
def _linear_regression(node: Node) -> Stage:
    intercept = node.attributes.number("intercept")
    return LinearRegressionModel(node.name, regressor_columns(node), _coefficients(node), intercept)


@operator(
    "generalized_linear_regression", GeneralizedLinearRegressionModel,
    "coefficients", "intercept", "family", "link", "output_shapes",
    note="without an offset column, for a bundle holds none; the family `tweedie` is refused, for it holds no powers",
)  # fmt: skip
def _generalized_linear_regression(node: Node) -> Stage:
    found = node.attributes
    name = found.text("family")
    if name.lower() == "tweedie":
        raise node.unsupported("its family is tweedie, whose powers are not in a bundle")
    family, link = family_and_link(name, found.text("link") if "link" in found else "")
    intercept, link_prediction = found.number("intercept"), node.outputs.get("link_prediction", "")
    return GeneralizedLinearRegressionModel(
        node.name, regressor_columns(node), _coefficients(node), intercept, family, link, link_prediction
    )


@operator(
    "aft_survival_regression", AFTSurvivalRegressionModel,
    "coefficients", "intercept", "quantile_probabilities", "scale",
)  # fmt: skip
def _aft_survival_regression(node: Node) -> Stage:
    found = node.attributes
    return AFTSurvivalRegressionModel(
        node.name,
        _coefficients(node),
        found.number("intercept"),
        found.number("scale"),
        regressor_columns(node),
        node.outputs.get("quantiles", ""),
        found.numbers("quantile_probabilities"),
    )


@operator("isotonic_regression", IsotonicRegressionModel, "boundaries", "predictions", "isotonic", "feature_index")
def _isotonic_regression(node: Node) -> Stage:
    found = node.attributes
    boundaries, predictions = found.numbers("boundaries"), found.numbers("predictions")
    check_lengths(node, ("boundaries", len(boundaries)), ("predictions", len(predictions)))
    if any(after < before for before, after in pairwise(boundaries)):
        raise node.error("its boundaries are not in ascending order")
    feature = found.integer("feature_index") if "feature_index" in found else 0
    return IsotonicRegressionModel(node.name, boundaries, predictions, regressor_columns(node), feature)


@operator("decision_tree_regression", DecisionTreeRegressionModel, "num_features")
def _decision_tree_regression(node: Node) -> Stage:
    return DecisionTreeRegressionModel(node.name, read_tree(node, None), regressor_columns(node))


@operator("random_forest_regression", RandomForestRegressionModel, *ENSEMBLE)
def _random_forest_regression(node: Node) -> Stage:
    check_equal_weights(node)
    return RandomForestRegressionModel(node.name, read_ensemble(node, None), regressor_columns(node))


@operator("gbt_regression", GBTRegressionModel, *ENSEMBLE)
def _gbt_regression(node: Node) -> Stage:
    forest, weights = read_ensemble(node, None), node.attributes.numbers("tree_weights")
    check_lengths(node, ("trees", forest.n_trees), ("weights", len(weights)))
    return GBTRegressionModel(node.name, forest, weights, regressor_columns(node))
