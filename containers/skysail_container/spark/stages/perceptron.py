"""The multilayer perceptron: layers of sigmoids, the last one a softmax."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from operator import mul
from typing import Final, Self

from skysail_container.spark.classification import (
    PROBABILISTIC_PARAMETERS,
    Classifier,
    ClassifierColumns,
    argmax,
    bound_classifier,
)
from skysail_container.spark.java_math import divided, exp, sigmoid
from skysail_container.spark.matrices import numbers_of
from skysail_container.spark.registry import spark_stage
from skysail_container.spark.schema import Schema
from skysail_container.spark.stage import Bound, Stage
from skysail_container.spark.stage_folder import StageFolder
from skysail_container.spark.vectors import Vector, vector_of

__all__ = ["Layer", "MultilayerPerceptronClassificationModel", "layers_of"]


_LEAST: Final = -1.7976931348623157e308


@dataclass(frozen=True, slots=True)
class Layer:
    """An affine one: weights x inputs + biases."""

    weights: tuple[Sequence[float], ...]
    """A row for each output."""
    biases: tuple[float, ...]


@spark_stage(
    "org.apache.spark.ml.classification.MultilayerPerceptronClassificationModel",
    parameters={**PROBABILISTIC_PARAMETERS, "layers": None},
    training=("labelCol", "maxIter", "tol", "seed", "blockSize", "stepSize", "solver", "initialWeights"),
    exactness="1e-12: dense sums use SIMD in Spark; predictions exact",
)
@dataclass(frozen=True)
class MultilayerPerceptronClassificationModel(Stage):
    """Source: org.apache.spark.ml.classification.MultilayerPerceptronClassificationModel, org.apache.spark.ml.ann."""

    uid: str
    columns: ClassifierColumns
    n_features: int
    layers: tuple[Layer, ...]

    @classmethod
    def from_spark(cls, folder: StageFolder) -> Self:
        data = folder.row()
        sizes = data["layers"] if "layers" in data else folder.required("layers")  # in the data before Spark 3.0
        layers = layers_of(sizes, vector_of(data["weights"]).to_list())
        return cls(folder.uid, ClassifierColumns.from_spark(folder), sizes[0], layers)

    def bind(self, schema: Schema) -> Bound:
        raw = self._raw()
        classifier = Classifier(
            len(self.layers[-1].biases), raw, _softmax, predict=lambda features: argmax(_softmax(raw(features)))
        )
        return bound_classifier(self, schema, self.columns, classifier)

    def _raw(self) -> Callable[[Vector], list[float]]:
        n = self.n_features
        *hidden, last = (tuple(zip(layer.weights, layer.biases, strict=True)) for layer in self.layers)

        def raw(features: Vector) -> list[float]:
            values = features.to_list()
            if len(values) != n:
                raise self.row_error(f"it takes {n} features and got {len(values)}")
            for layer in hidden:
                values = [sigmoid(sum(map(mul, weights, values), 0.0) + bias) for weights, bias in layer]
            return [sum(map(mul, weights, values), 0.0) + bias for weights, bias in last]

        return raw


def _softmax(values: list[float]) -> list[float]:
    """The one of the last layer, which lets an infinity be NaN. Source: org.apache.spark.ml.ann.SoftmaxLayer."""
    top = max(_LEAST, *values)
    exps = [exp(value - top) for value in values]
    total = sum(exps, 0.0)
    return [divided(each, total) for each in exps]


def layers_of(sizes: Sequence[int], weights: list[float]) -> tuple[Layer, ...]:
    """The layers in a row of weights: each one's matrix by columns, then its biases.

    :raises ValueError: there are more or fewer weights than the sizes ask for.
    """
    expected = sum(n_in * n_out + n_out for n_in, n_out in pairwise(sizes))
    if len(sizes) < 2 or min(sizes) < 1 or expected != len(weights):
        raise ValueError(f"layers of {list(sizes)} have {expected} weights, not {len(weights)}")
    layers = []
    start = 0
    for n_in, n_out in pairwise(sizes):
        end = start + n_in * n_out
        rows = tuple(numbers_of(weights[start + row : end : n_out]) for row in range(n_out))
        layers.append(Layer(rows, tuple(weights[end : end + n_out])))
        start = end + n_out
    return tuple(layers)
