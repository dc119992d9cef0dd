"""Some features of a vector, which tests of the training rows had chosen."""

from dataclasses import dataclass
from operator import itemgetter
from typing import Any, ClassVar, Final, Self

from skysail_container.spark.attributes import Attribute, AttributeGroup, nominal, numeric
from skysail_container.spark.registry import spark_stage
from skysail_container.spark.schema import VECTOR, Schema
from skysail_container.spark.stage import Bound, Stage
from skysail_container.spark.stage_folder import StageFolder
from skysail_container.spark.vector_changes import ChangeVector, bound_vectors
from skysail_container.spark.vectors import DenseVector, SparseVector, Vector

__all__ = ["ChiSqSelectorModel", "FeatureSelection", "UnivariateFeatureSelectorModel", "VarianceThresholdSelectorModel"]

_COLUMNS: Final[dict[str, Any]] = {"featuresCol": "features", "outputCol": None}


@dataclass(frozen=True)
class FeatureSelection(Stage):
    """What the three selectors share. Source: SelectorModel.

    Sparse vectors stay sparse. A dense vector that is too short is an error; of a sparse one that feature is zero.
    """

    uid: str
    features_column: str
    output_column: str
    selected: tuple[int, ...]
    """Indices of features, ascending."""

    unknown: ClassVar[Attribute] = numeric()
    """What a feature is taken for of which no stage before said anything."""

    @classmethod
    def from_spark(cls, folder: StageFolder) -> Self:
        selected = tuple(sorted(int(index) for index in folder.row()["selectedFeatures"]))
        if len(set(selected)) != len(selected) or (selected and selected[0] < 0):
            raise folder.error("its selectedFeatures are no indices of different features")
        return cls(folder.uid, folder.required("featuresCol"), folder.required("outputCol"), selected)

    def bind(self, schema: Schema) -> Bound:
        known = schema.column(self.uid, self.features_column, VECTOR).attributes
        if known is not None and known.attributes:
            chosen = set(self.selected)
            attributes = tuple(one for index, one in enumerate(known.attributes) if index in chosen)
        else:
            attributes = (self.unknown,) * len(self.selected)
        group = AttributeGroup(len(attributes), attributes)
        return bound_vectors(self, schema, (self.features_column, self.output_column), group, self._selecting())

    def _selecting(self) -> ChangeVector:
        selected, n = list(self.selected), len(self.selected)
        places = {index: place for place, index in enumerate(selected)}
        many = itemgetter(*selected) if n > 1 else None

        def change(vector: Vector) -> Vector:
            values = vector.values
            if isinstance(vector, DenseVector):
                try:
                    return DenseVector(list(many(values)) if many else [values[index] for index in selected])
                except IndexError:
                    raise self.row_error(
                        f"column {self.features_column!r}: feature {selected[-1]} is selected of {len(values)} features"
                    ) from None
            pairs = [(places[index], value) for index, value in vector.active() if index in places]
            return SparseVector(n, [place for place, _ in pairs], [value for _, value in pairs])

        return change


@spark_stage(
    "org.apache.spark.ml.feature.ChiSqSelectorModel",
    parameters=_COLUMNS,
    training=("labelCol", "numTopFeatures", "percentile", "fpr", "fdr", "fwe", "selectorType"),
)
@dataclass(frozen=True)
class ChiSqSelectorModel(FeatureSelection):
    """Of categorical features. Source: ChiSqSelectorModel."""

    unknown: ClassVar[Attribute] = nominal()


@spark_stage(
    "org.apache.spark.ml.feature.UnivariateFeatureSelectorModel",
    parameters=_COLUMNS,
    training=("labelCol", "featureType", "labelType", "selectionMode", "selectionThreshold"),
    since="3.1",
)
@dataclass(frozen=True)
class UnivariateFeatureSelectorModel(FeatureSelection):
    """Source: UnivariateFeatureSelectorModel."""


@spark_stage(
    "org.apache.spark.ml.feature.VarianceThresholdSelectorModel",
    parameters=_COLUMNS,
    training=("varianceThreshold",),
    since="3.1",
)
@dataclass(frozen=True)
class VarianceThresholdSelectorModel(FeatureSelection):
    """Source: VarianceThresholdSelectorModel."""
