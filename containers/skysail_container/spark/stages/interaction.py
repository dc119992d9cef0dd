"""Products of all features of some columns with all of the others."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Self

from skysail_container.spark.attributes import MAX_DESCRIBED, Attribute, AttributeGroup, numeric
from skysail_container.spark.errors import UnsupportedStageError
from skysail_container.spark.registry import spark_stage
from skysail_container.spark.schema import VECTOR, Column, Schema
from skysail_container.spark.stage import Bound, Row, Stage
from skysail_container.spark.stage_folder import StageFolder
from skysail_container.spark.vectors import DenseVector, SparseVector, Vector, is_sparse

__all__ = ["Interaction"]

Entries = list[tuple[int, float]]
"""Features with their values, in the order of the features."""

_Read = Callable[[Row], Entries]


@spark_stage("org.apache.spark.ml.feature.Interaction", parameters={"inputCols": None, "outputCol": None})
@dataclass(frozen=True)
class Interaction(Stage):
    """The product of every combination of one feature from each column; nominal ones are encoded one-hot before.

    Source: org.apache.spark.ml.feature.Interaction, which knows from earlier stages what is nominal.
    """

    uid: str
    input_columns: tuple[str, ...]
    output_column: str

    @classmethod
    def from_spark(cls, folder: StageFolder) -> Self:
        columns = tuple(folder.required("inputCols"))
        if not columns or len(set(columns)) != len(columns):
            raise folder.error("its inputCols are none, or not distinct")
        return cls(folder.uid, columns, folder.required("outputCol"))

    def bind(self, schema: Schema) -> Bound:
        readers: list[tuple[_Read, int]] = []
        size = 1
        features: tuple[Attribute, ...] | None = ()
        for name in reversed(self.input_columns):
            attributes = self._attributes(schema, name)
            counts = [self._n_features(name, attribute) for attribute in attributes]
            is_vector = schema[name].type == VECTOR
            readers.append((self._vectors(name, counts) if is_vector else self._numbers(name, counts[0]), size))
            size *= sum(counts)
            encoded = _encoded(attributes, name if is_vector else None)
            features = _combined(encoded, features)
        target = self.output_column
        output = Column(VECTOR, AttributeGroup(size, features))

        def score(row: Row) -> None:
            products: Entries = [(0, 1.0)]
            for read, n_before in readers:
                products = [
                    (index + feature * n_before, product * value)
                    for feature, value in read(row)
                    for index, product in products
                ]
            row[target] = _compressed(size, products)

        return Bound(schema.with_output(self.uid, target, output), score)

    def _attributes(self, schema: Schema, name: str) -> tuple[Attribute, ...]:
        """Of a column's features, named after it where they have no name."""
        column = schema.column(self.uid, name)
        known = column.attributes.attributes if column.attributes else None
        if column.type == VECTOR:
            if known is None:
                reason = (
                    "which of its features are categories is not known; let a VectorSizeHint and a VectorAssembler "
                )
                raise UnsupportedStageError(self.uid, f"{reason}come before, or use the PySpark fallback", column=name)
            return known
        attribute = known[0] if known else numeric()
        schema.numeric(self.uid, name)
        return (attribute if attribute.name is not None else attribute.named(name),)

    def _n_features(self, name: str, attribute: Attribute) -> int:
        if attribute.kind != "nominal":
            return 1
        if attribute.cardinality is None:
            raise self.error("how many categories it has is not known", column=name)
        return max(1, attribute.cardinality)

    def _numbers(self, name: str, n_categories: int) -> _Read:
        def read(row: Row) -> Entries:
            value = row[name]
            if value is None:
                raise self.row_error(f"column {name!r} is null")
            if n_categories == 1:
                return [(0, float(value))]
            return [(self._category(name, value, n_categories), 1.0)]

        return read

    def _vectors(self, name: str, counts: Sequence[int]) -> _Read:
        n_features = len(counts)
        starts = [0, *accumulate(counts)]

        def read(row: Row) -> Entries:
            vector: Vector | None = row[name]
            if vector is None or vector.size != n_features:
                found = "is null" if vector is None else f"has {vector.size} features"
                raise self.row_error(f"column {name!r} {found}, {n_features} are expected")
            return [
                (starts[feature], value)
                if counts[feature] == 1
                else (starts[feature] + self._category(name, value, counts[feature]), 1.0)
                for feature, value in vector.active()
            ]

        return read

    def _category(self, name: str, value: float, n_categories: int) -> int:
        if not 0 <= value < n_categories or value != int(value):
            raise self.row_error(f"column {name!r} has {value!r}, which is no index of {n_categories} categories")
        return int(value)


def _encoded(attributes: Sequence[Attribute], group: str | None) -> tuple[Attribute, ...]:
    """Of the features after nominal ones are encoded one-hot."""
    encoded = []
    for index, attribute in enumerate(attributes):
        name = str(index) if attribute.name is None else attribute.name
        if group is not None:
            name = f"{group}_{name}"
        if attribute.kind == "nominal":
            values = attribute.values or tuple(map(str, range(attribute.cardinality or 0)))
            encoded += [Attribute("binary", f"{name}_{value}") for value in values]
        else:
            encoded.append(numeric(name))
    return tuple(encoded)


def _combined(heads: tuple[Attribute, ...], tails: tuple[Attribute, ...] | None) -> tuple[Attribute, ...] | None:
    if tails is None or len(heads) * len(tails) > MAX_DESCRIBED:
        return None
    if not tails:
        return heads
    return tuple(numeric(f"{head.name}:{tail.name}") for head in heads for tail in tails)


def _compressed(size: int, entries: Entries) -> Vector:
    """As Spark's `Vector.compressed` of a sparse vector that stores zeros too."""
    stored = [entry for entry in entries if entry[1] != 0.0]
    if is_sparse(len(stored), size):
        return SparseVector(size, [index for index, _ in stored], [value for _, value in stored])
    values = [0.0] * size
    for index, value in entries:
        values[index] = value
    return DenseVector(values)
