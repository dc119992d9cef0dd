"""Mixtures of Gaussians: the probability that a point comes from each of them."""

import math
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import numpy.typing as npt

from skysail_container.spark.attributes import AttributeGroup, nominal
from skysail_container.spark.feature_values import bound_features
from skysail_container.spark.registry import spark_stage
from skysail_container.spark.schema import INT, VECTOR, Column, Schema
from skysail_container.spark.stage import Bound, Row, Stage
from skysail_container.spark.stage_folder import StageFolder, matrix_of
from skysail_container.spark.vectors import DenseVector, vector_of

__all__ = ["Gaussian", "GaussianMixtureModel"]

_EPSILON: Final = 2.0**-52
_LARGEST_EXPONENT: Final = 709.782712893384


@dataclass(frozen=True, slots=True, eq=False)
class Gaussian:
    """A Gaussian as its density needs it. Source: org.apache.spark.ml.stat.distribution.MultivariateGaussian."""

    whitening: npt.NDArray[np.float64]
    """(n, n): its product with a point, less `offset`, has the length that the density falls with."""
    offset: npt.NDArray[np.float64]
    """(n,): the product with the mean."""
    log_height: float
    """The logarithm of the density at the mean."""

    @classmethod
    def of(cls, mean: npt.NDArray[np.float64], covariance: npt.NDArray[np.float64]) -> Self:
        """
        :param mean: (n,)
        :param covariance: (n, n); of a singular one, what is not zero counts: the pseudo-inverse.
        :raises ValueError: they do not fit together, or nothing is left of the covariance.
        """
        n = len(mean)
        if covariance.shape != (n, n) or not np.isfinite(covariance).all():
            raise ValueError(f"a covariance of shape {covariance.shape} for {n} features")
        variances, directions = np.linalg.eigh(covariance)
        counted = variances > _EPSILON * variances.max() * n
        if not counted.any():
            raise ValueError("a covariance without a variance that is not zero")
        roots = np.zeros(n)
        roots[counted] = np.sqrt(1.0 / variances[counted])
        whitening = roots[:, np.newaxis] * directions.T
        log_height = -0.5 * (n * math.log(2.0 * math.pi) + float(np.log(variances[counted]).sum()))
        return cls(whitening, whitening @ mean, log_height)


@spark_stage(
    "org.apache.spark.ml.clustering.GaussianMixtureModel",
    parameters={"featuresCol": "features", "predictionCol": "prediction", "probabilityCol": "probability"},
    training=("k", "maxIter", "seed", "tol", "weightCol", "aggregationDepth"),
    exactness="1e-9: eigenvectors of the covariances are computed at load, by another LAPACK than Spark's",
)
@dataclass(frozen=True, eq=False)
class GaussianMixtureModel(Stage):
    """Source: org.apache.spark.ml.clustering.GaussianMixtureModel. Empty column names switch outputs off."""

    uid: str
    features_column: str
    prediction_column: str
    probability_column: str
    weights: tuple[float, ...]
    gaussians: tuple[Gaussian, ...]

    @classmethod
    def from_spark(cls, folder: StageFolder) -> Self:
        row = folder.row()
        weights = tuple(float(weight) for weight in row["weights"])
        gaussians = tuple(
            Gaussian.of(np.array(vector_of(mean).to_list()), matrix_of(covariance))
            for mean, covariance in zip(row["mus"], row["sigmas"], strict=True)
        )
        if not weights or len(weights) != len(gaussians) or len({len(one.offset) for one in gaussians}) != 1:
            raise folder.error("its weights, means and covariances do not fit together")
        return cls(
            folder.uid,
            folder.required("featuresCol"),
            folder.param("predictionCol") or "",
            folder.param("probabilityCol") or "",
            weights,
            gaussians,
        )

    def bind(self, schema: Schema) -> Bound:
        read = bound_features(self, schema, self.features_column)
        probability_column, prediction_column = self.probability_column, self.prediction_column
        n, k = len(self.gaussians[0].offset), len(self.gaussians)
        whitening = np.concatenate([one.whitening for one in self.gaussians])
        offset = np.concatenate([one.offset for one in self.gaussians])
        parts = tuple(zip(self.weights, [one.log_height for one in self.gaussians], strict=True))

        def score(row: Row) -> None:
            point = read(row)
            if point.size != n:
                raise self.row_error(f"column {self.features_column!r} has {point.size} features instead of {n}")
            away = (whitening @ np.array(point.to_list()) - offset).reshape(k, n)
            lengths = np.einsum("ij,ij->i", away, away).tolist()
            densities = [
                _EPSILON + weight * _exp(log_height - 0.5 * length)
                for (weight, log_height), length in zip(parts, lengths, strict=True)
            ]
            total = sum(densities)
            probabilities = [density / total for density in densities]
            if probability_column:
                row[probability_column] = DenseVector(probabilities)
            if prediction_column:
                row[prediction_column] = _argmax(probabilities)

        return Bound(self._with_outputs(schema), score)

    def _with_outputs(self, schema: Schema) -> Schema:
        k = len(self.weights)
        if self.probability_column:
            schema = schema.with_output(self.uid, self.probability_column, Column(VECTOR, AttributeGroup(k)))
        if self.prediction_column:
            attributes = AttributeGroup(1, (nominal(name=self.prediction_column, n_values=k),))
            schema = schema.with_output(self.uid, self.prediction_column, Column(INT, attributes))
        return schema


def _exp(value: float) -> float:
    """Java's: infinity where Python's overflows."""
    return math.inf if value > _LARGEST_EXPONENT else math.exp(value)


def _argmax(values: list[float]) -> int:
    """The first of the largest; 0 if the first is NaN. Source: org.apache.spark.ml.linalg.DenseVector.argmax."""
    best, largest = 0, values[0]
    for index, value in enumerate(values):
        if value > largest:
            best, largest = index, value
    return best
