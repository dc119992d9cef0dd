"""Vectors of length one, and vectors times a vector, number by number."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import mul
from typing import Self

from skysail_container.spark.attributes import UNKNOWN, AttributeGroup
from skysail_container.spark.java_math import power
from skysail_container.spark.registry import spark_stage
from skysail_container.spark.schema import VECTOR, Schema
from skysail_container.spark.stage import Bound, Stage
from skysail_container.spark.stage_folder import StageFolder
from skysail_container.spark.vector_changes import bound_vectors
from skysail_container.spark.vectors import DenseVector, SparseVector, Vector, vector_of

__all__ = ["ElementwiseProduct", "Normalizer", "same_size"]


@spark_stage(
    "org.apache.spark.ml.feature.Normalizer",
    parameters={"inputCol": None, "outputCol": None, "p": 2.0},
    exactness="exact for p of 1, 2 and infinity; else 1e-12: Java's pow and C's may differ in the last bit",
)
@dataclass(frozen=True)
class Normalizer(Stage):
    """A vector divided by its p-norm; one whose norm is zero stays as it is. Source: Normalizer, Vectors.norm."""

    uid: str
    input_column: str
    output_column: str
    p: float = 2.0

    @classmethod
    def from_spark(cls, folder: StageFolder) -> Self:
        p = float(folder.required("p"))
        if not p >= 1.0:
            raise folder.error(f"its p is {p}, which is not at least 1")
        return cls(folder.uid, folder.required("inputCol"), folder.required("outputCol"), p)

    def bind(self, schema: Schema) -> Bound:
        norm_of = _norm(self.p)

        def change(vector: Vector) -> Vector:
            values = vector.values
            norm = norm_of(values)
            if norm == 0.0:
                return vector
            normalized = [value / norm for value in values]
            if isinstance(vector, DenseVector):
                return DenseVector(normalized)
            return SparseVector(vector.size, vector.indices, normalized)

        attributes = same_size(schema, self.uid, self.input_column)
        return bound_vectors(self, schema, (self.input_column, self.output_column), attributes, change)


def same_size(schema: Schema, stage: str, name: str) -> AttributeGroup | None:
    """What is known of an output that is as long as its input.

    :raises StageError: the input is missing or holds no vectors.
    """
    attributes = schema.column(stage, name, VECTOR).attributes
    return AttributeGroup(attributes.size) if attributes is not None and attributes.size != UNKNOWN else None


def _norm(p: float) -> Callable[[Sequence[float]], float]:
    """Sums in the order of the values, one after another, as Spark's."""

    def of_absolutes(values: Sequence[float]) -> float:
        total = 0.0
        for value in values:
            total += abs(value)
        return total

    def of_squares(values: Sequence[float]) -> float:
        total = 0.0
        for value in values:
            total += value * value
        return math.sqrt(total)

    def of_largest(values: Sequence[float]) -> float:
        largest = 0.0
        for value in values:
            if abs(value) > largest:
                largest = abs(value)
        return largest

    def of_powers(values: Sequence[float]) -> float:
        total = 0.0
        for value in values:
            total += power(abs(value), p)
        return power(total, 1.0 / p)

    return {1.0: of_absolutes, 2.0: of_squares, math.inf: of_largest}.get(p, of_powers)


@spark_stage(
    "org.apache.spark.ml.feature.ElementwiseProduct",
    parameters={"inputCol": None, "outputCol": None, "scalingVec": None},
)
@dataclass(frozen=True)
class ElementwiseProduct(Stage):
    """Each number times its factor. Source: ElementwiseProduct."""

    uid: str
    input_column: str
    output_column: str
    factors: tuple[float, ...]

    @classmethod
    def from_spark(cls, folder: StageFolder) -> Self:
        factors = vector_of(folder.required("scalingVec")).to_list()
        return cls(folder.uid, folder.required("inputCol"), folder.required("outputCol"), tuple(factors))

    def bind(self, schema: Schema) -> Bound:
        factors, n = list(self.factors), len(self.factors)

        def change(vector: Vector) -> Vector:
            if vector.size != n:
                raise self.row_error(f"column {self.input_column!r}: {n} features are expected, not {vector.size}")
            if isinstance(vector, DenseVector):
                return DenseVector(list(map(mul, vector.values, factors)))
            scaled = [value * factors[index] for index, value in vector.active()]
            return SparseVector(vector.size, vector.indices, scaled)

        return bound_vectors(self, schema, (self.input_column, self.output_column), AttributeGroup(n), change)
