"""Features of a vector to indices of categories, where they have few values."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from skysail_container.spark.attributes import MAX_DESCRIBED, Attribute, AttributeGroup
from skysail_container.spark.java_numbers import double_text
from skysail_container.spark.registry import spark_stage
from skysail_container.spark.schema import VECTOR, Column, Schema
from skysail_container.spark.stage import Bound, Row, Stage
from skysail_container.spark.stage_folder import StageFolder
from skysail_container.spark.stages.indexing import UNKNOWN
from skysail_container.spark.vectors import DenseVector, SparseVector, Vector

__all__ = ["VectorIndexerModel"]


@spark_stage(
    "org.apache.spark.ml.feature.VectorIndexerModel",
    parameters={"inputCol": None, "outputCol": None, "handleInvalid": "error"},
    training=("maxCategories",),
)
@dataclass(frozen=True)
class VectorIndexerModel(Stage):
    """Values of categorical features become their indices, other features stay. A zero that a sparse vector does not
    store stays one, whether or not it is among the categories. Source: org.apache.spark.ml.feature.VectorIndexerModel.
    """

    uid: str
    input_column: str
    output_column: str
    n_features: int
    categories: Mapping[int, Mapping[float, float]]
    """Of each categorical feature the index of each value."""
    handle_invalid: str = "error"

    @classmethod
    def from_spark(cls, folder: StageFolder) -> Self:
        row = folder.row()
        n_features = int(row["numFeatures"])
        categories = {
            int(feature): {float(value): float(index) for value, index in found}
            for feature, found in row["categoryMaps"]
        }
        if any(not 0 <= feature < n_features for feature in categories):
            raise folder.error(f"it has categories of features beyond its {n_features}")
        return cls(
            folder.uid,
            folder.required("inputCol"),
            folder.required("outputCol"),
            n_features,
            categories,
            folder.choice("handleInvalid", "error", "skip", "keep"),
        )

    def bind(self, schema: Schema) -> Bound:
        source, target, n_features = self.input_column, self.output_column, self.n_features
        found = schema.column(self.uid, source, VECTOR)
        if found.attributes is not None and found.attributes.size >= 0 and found.attributes.size != n_features:
            reason = f"the model was fitted on {n_features} features, this column has {found.attributes.size}"
            raise self.error(reason, column=source)
        in_order = tuple(sorted(self.categories.items()))

        def score(row: Row) -> None:
            vector: Vector | None = row[source]
            if vector is None or vector.size != n_features:
                what = "is null" if vector is None else f"has {vector.size} features"
                raise self.row_error(f"column {source!r} {what}, {n_features} are expected")
            if isinstance(vector, DenseVector):
                values = list(vector.values)
                for feature, indices in in_order:
                    values[feature] = self._index(values[feature], feature, indices)
                row[target] = DenseVector(values)
            else:
                row[target] = self._sparse(vector)

        return Bound(schema.with_output(self.uid, target, Column(VECTOR, self._attributes(found))), score)

    def _sparse(self, vector: SparseVector) -> SparseVector:
        categories = self.categories
        values = [
            self._index(value, feature, categories[feature]) if feature in categories else value
            for feature, value in vector.active()
        ]
        return SparseVector(vector.size, vector.indices, values)

    def _index(self, value: float, feature: int, indices: Mapping[float, float]) -> float:
        index = indices.get(value)
        if index is not None:
            return index
        if self.handle_invalid == "keep":
            return float(len(indices))
        reason = f"column {self.input_column!r} has the unseen value {value!r} as feature {feature}"
        raise self.dropped(reason) if self.handle_invalid == "skip" else self.row_error(reason)

    def _attributes(self, source: Column) -> AttributeGroup:
        if self.n_features > MAX_DESCRIBED:
            return AttributeGroup(self.n_features)
        before = source.attributes.attributes if source.attributes and source.attributes.attributes else None
        return AttributeGroup(
            self.n_features,
            tuple(
                self._attribute(feature, before[feature] if before else Attribute())
                for feature in range(self.n_features)
            ),
        )

    def _attribute(self, feature: int, before: Attribute) -> Attribute:
        found = self.categories.get(feature)
        if found is None:
            return before
        values = tuple(double_text(value) for value in sorted(found))
        if self.handle_invalid == "keep":
            values = (*values, UNKNOWN)
        elif len(values) == 2:
            return Attribute("binary", before.name, values)
        return Attribute("nominal", before.name, values, is_ordinal=False)
