"""Topics of documents: latent Dirichlet allocation, fitted online (local models) or by EM (distributed ones)."""

from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt

from skysail_container.spark.attributes import AttributeGroup
from skysail_container.spark.feature_values import bound_features
from skysail_container.spark.java_random import CommonsMersenneTwister, gamma_samples
from skysail_container.spark.registry import spark_stage
from skysail_container.spark.schema import VECTOR, Column, Schema
from skysail_container.spark.stage import Bound, Row, Stage
from skysail_container.spark.stage_folder import StageFolder, matrix_of
from skysail_container.spark.vectors import DenseVector, SparseVector, Vector, vector_of

__all__ = ["DistributedLDAModel", "LDAModel"]

Floats = npt.NDArray[np.float64]

_PARAMETERS: Final[dict[str, Any]] = {"featuresCol": "features", "topicDistributionCol": "topicDistribution"}
_TRAINING: Final = (
    "k", "maxIter", "checkpointInterval", "docConcentration", "topicConcentration", "optimizer", "learningOffset",
    "learningDecay", "subsamplingRate", "optimizeDocConcentration", "keepLastCheckpoint", "seed",
)  # fmt: skip

_SEED: Final = 1421925485
"""Of the numbers that inference starts from: Java's hash of the name of LocalLDAModel. Spark takes a model's seed
before it has read the parameters, and so never the one that is set. Before Spark 3.0 it took a new one each time."""

_MAX_NUMBERS: Final = 1 << 28
_CONVERGED: Final = 1e-3
_MAX_ITERATIONS: Final = 100_000
"""Spark would go on for ever; a document that takes more than some hundred has not been seen."""

_ASYMPTOTIC_FROM: Final = 49
"""From there on the series of `_digamma` is good enough for Apache Commons."""


@spark_stage(
    "org.apache.spark.ml.clustering.LocalLDAModel",
    parameters=_PARAMETERS,
    training=_TRAINING,
    exactness="1e-9: an iteration that ends when it hardly moves, from where Spark 3.0 and newer start",
)
@dataclass(frozen=True, eq=False)
class LDAModel(Stage):
    """The topics of a document, by variational inference. An empty column name switches it off.

    Source: org.apache.spark.ml.clustering.LDAModel, org.apache.spark.mllib.clustering.LocalLDAModel and
    OnlineLDAOptimizer.variationalTopicInference.
    """

    uid: str
    features_column: str
    topics_column: str
    topics: Floats
    """(vocabulary, topics): how much each term belongs to each topic."""
    doc_concentration: Floats
    """(topics,)"""
    gamma_shape: float

    @classmethod
    def from_spark(cls, folder: StageFolder) -> Self:
        row = folder.row()
        concentration = np.array(vector_of(row["docConcentration"]).to_list())
        return cls._checked(folder, matrix_of(row["topicsMatrix"]), concentration, float(row["gammaShape"]))

    @classmethod
    def _checked(cls, folder: StageFolder, topics: Floats, doc_concentration: Floats, gamma_shape: float) -> Self:
        if doc_concentration.shape != (topics.shape[1],):
            raise folder.error(f"it has {topics.shape[1]} topics, but {len(doc_concentration)} concentrations of them")
        if not gamma_shape > 1.0:
            raise folder.error(f"its gammaShape is {gamma_shape}, and Spark writes 100")
        features, output = folder.required("featuresCol"), folder.param("topicDistributionCol") or ""
        return cls(folder.uid, features, output, topics, doc_concentration, gamma_shape)

    def bind(self, schema: Schema) -> Bound:
        read = bound_features(self, schema, self.features_column)
        if not self.topics_column:
            return Bound(schema, lambda row: None)
        vocabulary, k = self.topics.shape
        weights = np.exp(_dirichlet_expectation(self.topics.T)).T.copy()
        draws = gamma_samples(self.gamma_shape, 1.0 / self.gamma_shape, k, CommonsMersenneTwister(_SEED))
        start = np.array(draws)

        def score(row: Row) -> None:
            document = read(row)
            terms, counts = _terms(document)
            if not terms:
                row[self.topics_column] = DenseVector([0.0] * k)
                return
            if terms[-1] >= vocabulary or (not isinstance(document, SparseVector) and document.size > vocabulary):
                raise self.row_error(f"column {self.features_column!r} has more terms than the {vocabulary} known ones")
            found = self._inferred(weights[terms], np.array(counts), start)
            total = float(np.abs(found).sum())
            row[self.topics_column] = DenseVector((found / total if total != 0.0 else found).tolist())

        output = Column(VECTOR, AttributeGroup(k))
        return Bound(schema.with_output(self.uid, self.topics_column, output), score)

    def _inferred(self, weights: Floats, counts: Floats, start: Floats) -> Floats:
        """The document's gamma, one number for each topic.

        :param weights: (terms, topics), of the document's terms.
        :param counts: (terms,)
        """
        gamma = start
        theta = np.exp(_dirichlet_expectation(gamma))
        expected = weights @ theta + 1e-100
        for _ in range(_MAX_ITERATIONS):
            last = gamma
            gamma = theta * (weights.T @ (counts / expected)) + self.doc_concentration
            theta = np.exp(_dirichlet_expectation(gamma))
            expected = weights @ theta + 1e-100
            if not np.abs(gamma - last).sum() / len(gamma) > _CONVERGED:
                return gamma
        raise self.row_error(f"column {self.features_column!r}: its topics do not converge")


@spark_stage(
    "org.apache.spark.ml.clustering.DistributedLDAModel",
    parameters=_PARAMETERS,
    training=_TRAINING,
    exactness="about 1e-4: Spark starts at random, so that two of its own answers differ as much; here they are equal",
)
@dataclass(frozen=True, eq=False)
class DistributedLDAModel(LDAModel):
    """What EM has fitted, made local. Source: org.apache.spark.mllib.clustering.DistributedLDAModel.toLocal."""

    @classmethod
    def from_spark(cls, folder: StageFolder) -> Self:
        about = folder.mllib_metadata("oldModel")
        n_terms, k = int(about["vocabSize"]), int(about["k"])
        if n_terms * k > _MAX_NUMBERS:
            raise folder.error(f"its {k} topics of {n_terms} terms are more than any model's")
        topics = np.zeros((n_terms, k))
        for row in folder.rows("oldModel/data/topicCounts"):
            if row["id"] < 0:  # terms have the negative numbers, training documents the others
                topics[-(row["id"] + 1)] = vector_of(row["topicWeights"]).to_list()
        return cls._checked(folder, topics, np.array(about["docConcentration"], np.float64), float(about["gammaShape"]))


def _terms(document: Vector) -> tuple[list[int], list[float]]:
    """The indices and counts of the terms that a document has."""
    entries = list(document.nonzeros())
    return [index for index, _ in entries], [count for _, count in entries]


def _dirichlet_expectation(alpha: Floats) -> Floats:
    """E[log x] for x distributed as Dirichlet(alpha), over the last axis."""
    return _digamma(alpha) - _digamma(alpha.sum(-1, keepdims=True))


def _digamma(x: Floats) -> Floats:
    """The derivative of the logarithm of the gamma function, for positive numbers, to 1e-9 as Spark has it.

    Source: org.apache.commons.math3.special.Gamma.digamma, with the wrong sign of its second term.
    """
    steps = x[..., np.newaxis] + np.arange(_ASYMPTOTIC_FROM)
    below = np.where(steps < _ASYMPTOTIC_FROM, 1.0 / steps, 0.0).sum(-1)
    shifted = x + np.ceil(np.clip(_ASYMPTOTIC_FROM - x, 0.0, None))
    inverse = 1.0 / (shifted * shifted)
    series = inverse * (1 / 12 + inverse * (1 / 120 - inverse / 252))
    result: Floats = np.log(shifted) - 0.5 / shifted - series - below
    return result
