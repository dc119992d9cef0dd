"""Some features of a vector."""

from dataclasses import dataclass
from typing import Self

from skysail_container.spark.attributes import UNKNOWN, AttributeGroup
from skysail_container.spark.errors import UnsupportedStageError
from skysail_container.spark.registry import spark_stage
from skysail_container.spark.schema import VECTOR, Column, Schema
from skysail_container.spark.stage import Bound, Row, Stage
from skysail_container.spark.stage_folder import StageFolder
from skysail_container.spark.vectors import DenseVector, SparseVector, Vector

__all__ = ["VectorSlicer"]


@spark_stage(
    "org.apache.spark.ml.feature.VectorSlicer",
    parameters={"inputCol": None, "outputCol": None, "indices": [], "names": []},
)
@dataclass(frozen=True)
class VectorSlicer(Stage):
    """Features by index, then by the names that earlier stages gave them, in the order asked for.

    Source: org.apache.spark.ml.feature.VectorSlicer; a sparse vector has a zero wherever it stores nothing, even
    beyond its end, and zeros that it stores are not passed on.
    """

    uid: str
    input_column: str
    output_column: str
    indices: tuple[int, ...] = ()
    names: tuple[str, ...] = ()

    @classmethod
    def from_spark(cls, folder: StageFolder) -> Self:
        indices = tuple(int(index) for index in folder.param("indices") or ())
        names = tuple(str(name) for name in folder.param("names") or ())
        if not indices and not names:
            raise folder.error("it selects no feature")
        if any(index < 0 for index in indices):
            raise folder.error(f"it selects the feature {min(indices)}")
        return cls(folder.uid, folder.required("inputCol"), folder.required("outputCol"), indices, names)

    def bind(self, schema: Schema) -> Bound:
        source, target = self.input_column, self.output_column
        group = schema.column(self.uid, source, VECTOR).attributes or AttributeGroup(UNKNOWN)
        selected = (*self.indices, *(self._index_of(name, group) for name in self.names))
        if len(set(selected)) != len(selected):
            raise self.error("its indices and names select a feature twice", column=source)
        if 0 <= group.size <= max(selected):
            raise self.error(f"it selects feature {max(selected)} of {group.size}", column=source)
        known = None if group.attributes is None else tuple(group.attributes[index] for index in selected)
        output = Column(VECTOR, AttributeGroup(len(selected), known))

        def score(row: Row) -> None:
            vector: Vector | None = row[source]
            if isinstance(vector, DenseVector):
                try:
                    row[target] = DenseVector([vector.values[index] for index in selected])
                except IndexError:
                    reason = f"column {source!r} has {vector.size} features, feature {max(selected)} is selected"
                    raise self.row_error(reason) from None
            elif vector is None:
                raise self.row_error(f"column {source!r} is null")
            else:
                row[target] = _slice(vector, selected)

        return Bound(schema.with_output(self.uid, target, output), score)

    def _index_of(self, name: str, group: AttributeGroup) -> int:
        if group.attributes is None:
            reason = f"the names of its features are not known, {name} among them; the PySpark fallback may know them"
            raise UnsupportedStageError(self.uid, reason, column=self.input_column)
        for index, attribute in enumerate(group.attributes):
            if attribute.name == name:
                return index
        known = ", ".join(str(attribute.name) for attribute in group.attributes[:20])
        raise self.error(f"it has no feature called {name}; there are {known}", column=self.input_column)


def _slice(vector: SparseVector, selected: tuple[int, ...]) -> SparseVector:
    stored = dict(vector.nonzeros())
    indices = [position for position, index in enumerate(selected) if index in stored]
    return SparseVector(len(selected), indices, [stored[selected[position]] for position in indices])
