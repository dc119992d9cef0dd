"""Operators that find clusters and topics.

Source: ml.combust.mleap.bundle.ops.clustering and org.apache.spark.ml.bundle.ops.clustering, which name the attributes.
"""

from typing import Final

import numpy as np

from skysail_container.spark.mleap.cluster_tree import read_cluster_tree
from skysail_container.spark.mleap.node import Node
from skysail_container.spark.mleap.operator_registry import array_by_columns, check_lengths, operator
from skysail_container.spark.stage import Stage
from skysail_container.spark.stages.gaussian_mixture import Gaussian, GaussianMixtureModel
from skysail_container.spark.stages.k_means import BisectingKMeansModel, Centre, KMeansModel
from skysail_container.spark.stages.lda import LDAModel
from skysail_container.spark.vectors import DenseVector

_EUCLIDEAN: Final = "by Euclidean distances, for a bundle holds no distance measure"
_GAMMA_SHAPE: Final = 100.0
"""Of every LocalLDAModel: there is no parameter for it."""


@operator("k_means", KMeansModel, "cluster_centers", "num_features", note=_EUCLIDEAN)
def _k_means(node: Node) -> Stage:
    centres = tuple(Centre.of(DenseVector(list(one.values))) for one in node.attributes.tensors("cluster_centers"))
    if len({len(centre.values) for centre in centres}) != 1:
        raise node.error("its cluster centres are missing or not equally long")
    return KMeansModel(node.name, node.input("features"), node.output("prediction"), "euclidean", centres)


@operator("bisecting_k_means", BisectingKMeansModel, note=_EUCLIDEAN)
def _bisecting_k_means(node: Node) -> Stage:
    root, n_clusters = read_cluster_tree(node)
    columns = node.input("features"), node.output("prediction")
    return BisectingKMeansModel(node.name, *columns, "euclidean", root, n_clusters)


@operator("gaussian_mixture", GaussianMixtureModel, "means", "covs", "weights")
def _gaussian_mixture(node: Node) -> Stage:
    found = node.attributes
    means, covariances, weights = found.tensors("means"), found.tensors("covs"), found.numbers("weights")
    check_lengths(node, ("means", len(means)), ("covariances", len(covariances)), ("weights", len(weights)))
    if len({len(mean.values) for mean in means}) != 1:
        raise node.error("its means are not equally long")
    gaussians = tuple(
        Gaussian.of(np.array(mean.values), array_by_columns(covariance))
        for mean, covariance in zip(means, covariances, strict=True)
    )
    prediction, probability = node.outputs.get("prediction", ""), node.outputs.get("probability", "")
    return GaussianMixtureModel(node.name, node.input("features"), prediction, probability, weights, gaussians)


@operator("lda_local_model_op", LDAModel, "vocabSize", "docConcentration", "topicConcentration", "topicMatrix")
def _lda(node: Node) -> Stage:
    found = node.attributes
    topics, concentration = array_by_columns(found.tensor("topicMatrix")), found.numbers("docConcentration")
    check_lengths(node, ("terms", found.integer("vocabSize")), ("rows of the topics", topics.shape[0]))
    check_lengths(node, ("topics", topics.shape[1]), ("concentrations", len(concentration)))
    columns = node.input("features"), node.output("topic_distribution", "topicDistribution")
    return LDAModel(node.name, *columns, topics, np.array(concentration), _GAMMA_SHAPE)
