"""Indices of categories to vectors with a single one."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from skysail_container.spark.attributes import MAX_DESCRIBED, Attribute, AttributeGroup
from skysail_container.spark.column_pairs import column_pairs
from skysail_container.spark.registry import spark_stage
from skysail_container.spark.schema import VECTOR, Column, Schema
from skysail_container.spark.stage import Bound, Row, Score, Stage, one_after_another
from skysail_container.spark.stage_folder import StageFolder
from skysail_container.spark.vectors import SparseVector

__all__ = ["LegacyOneHotEncoder", "OneHotEncoderModel"]

_MANY_CATEGORIES = 1024
"""Up to so many, the vectors of all categories are made when the stage is bound."""


@spark_stage(
    "org.apache.spark.ml.feature.OneHotEncoderModel",
    parameters={
        "inputCol": None, "outputCol": None, "inputCols": None, "outputCols": None, "handleInvalid": "error",
        "dropLast": True,
    },
)  # fmt: skip
@dataclass(frozen=True)
class OneHotEncoderModel(Stage):
    """A sparse vector with a one at the category's index; the last category, if dropped, has none.

    Null stays null, also where invalid indices are kept. Source: org.apache.spark.ml.feature.OneHotEncoderModel.
    """

    uid: str
    columns: tuple[tuple[str, str], ...]
    """Inputs with their outputs."""
    category_sizes: tuple[int, ...]
    """How many categories each input column had when the model was fitted."""
    drop_last: bool = True
    keep_invalid: bool = False

    @classmethod
    def from_spark(cls, folder: StageFolder) -> Self:
        sizes = tuple(int(size) for size in folder.row()["categorySizes"])
        if any(size < 0 for size in sizes):
            raise folder.error(f"one of its columns has {min(sizes)} categories")
        columns = column_pairs(folder)
        if len(columns) != len(sizes):
            raise folder.error(f"it has {len(columns)} columns, but was fitted on {len(sizes)}")
        keep_invalid = folder.choice("handleInvalid", "error", "keep") == "keep"
        return cls(folder.uid, columns, sizes, bool(folder.required("dropLast")), keep_invalid)

    def bind(self, schema: Schema) -> Bound:
        after = schema
        scores = []
        for (source, target), n_categories in zip(self.columns, self.category_sizes, strict=True):
            after = after.with_output(self.uid, target, self._output(schema, source, n_categories))
            scores.append(self._encoder(source, target, n_categories))
        return Bound(after, one_after_another(scores))

    def _size(self, n_categories: int) -> int:
        return n_categories - self.drop_last + self.keep_invalid

    def _output(self, schema: Schema, source: str, n_categories: int) -> Column:
        known = encoded_names(self, schema, source)
        if known is None and n_categories > MAX_DESCRIBED:
            return Column(VECTOR, AttributeGroup(self._size(n_categories)))
        names = [str(index) for index in range(n_categories)] if known is None else known
        if len(names) != n_categories:
            reason = f"the model was fitted with {n_categories} categories, this column has {len(names)}"
            raise self.error(reason, column=source)
        if self.drop_last and not self.keep_invalid:
            if known is not None and n_categories < 2:
                raise self.error("it has a single category, which would be dropped", column=source)
            names = names[:-1]
        elif self.keep_invalid and not self.drop_last:
            names = [*names, "invalidValues"]
        return binary_column(self, source, names)

    def _encoder(self, source: str, target: str, n_categories: int) -> Score:
        size = self._size(n_categories)
        one_at = _ones(size)
        keep_invalid = self.keep_invalid

        def score(row: Row) -> None:
            label = row[source]
            if label is None:
                row[target] = None
                return
            if not 0 <= label < n_categories:
                if not keep_invalid:
                    raise self.row_error(f"column {source!r} is {label!r}, which is none of {n_categories} categories")
                label = n_categories
            row[target] = one_at(int(label) if label < size else size)  # fractions are cut off

        return score


def _ones(size: int) -> Callable[[int], SparseVector]:
    """From an index below `size` to its vector; `size` itself is that of nothing but zeros."""
    zeros = SparseVector(size, [], [])
    if size <= _MANY_CATEGORIES:
        return [*(SparseVector(size, [index], [1.0]) for index in range(size)), zeros].__getitem__
    one = [1.0]
    return lambda index: SparseVector(size, [index], one) if index < size else zeros


def encoded_names(stage: Stage, schema: Schema, source: str) -> list[str] | None:
    """The names of a column's categories; None: nothing is known of it.

    :raises StageError: the column holds no categories.
    """
    group = schema.numeric(stage.uid, source).attributes
    attribute = group.attributes[0] if group and group.attributes else None
    if attribute is None:
        return None
    if attribute.kind == "numeric":
        raise stage.error("it holds numbers that are no categories", column=source)
    if attribute.values is not None:
        return list(attribute.values)
    return None if attribute.cardinality is None else [str(index) for index in range(attribute.cardinality)]


def binary_column(stage: Stage, source: str, names: list[str]) -> Column:
    """Vectors with one feature for each category.

    :raises StageError: a category is the empty string, which is no name of a feature in Spark either.
    """
    if "" in names:
        raise stage.error("one of its categories is the empty string, on which Spark fails too", column=source)
    return Column(VECTOR, AttributeGroup(len(names), tuple(Attribute("binary", name) for name in names)))


@spark_stage(
    "org.apache.spark.ml.feature.OneHotEncoder", parameters={"inputCol": None, "outputCol": None, "dropLast": True}
)
@dataclass(frozen=True)
class LegacyOneHotEncoder(Stage):
    """The transformer of Spark 2, which takes the number of categories from the stage that indexed the column.

    Source: org.apache.spark.ml.feature.OneHotEncoder of Spark 2.4; Spark 3 gave the name to the estimator.
    """

    uid: str
    input_column: str
    output_column: str
    drop_last: bool = True

    @classmethod
    def from_spark(cls, folder: StageFolder) -> Self:
        if folder.metadata.spark_version >= (3,):
            raise folder.error("it is an estimator that was never fitted; save the model that its fit() returns")
        return cls(
            folder.uid, folder.required("inputCol"), folder.required("outputCol"), bool(folder.required("dropLast"))
        )

    def bind(self, schema: Schema) -> Bound:
        source, target = self.input_column, self.output_column
        names = encoded_names(self, schema, source)
        if names is None:
            reason = (
                "how many categories it has is not known: in Spark 2 this encoder counted them in each table. Let a "
                "StringIndexer come before it, or fit a OneHotEncoder of Spark 3"
            )
            raise self.error(reason, column=source)
        if self.drop_last and len(names) < 2:
            raise self.error("it has a single category, which would be dropped", column=source)
        kept = names[: len(names) - self.drop_last]
        size = len(kept)
        one_at = _ones(size)

        def score(row: Row) -> None:
            label = row[source]
            if label is None:
                row[target] = None
            elif label <= -1:
                raise self.row_error(f"column {source!r} is {label!r}, which is no index")
            else:
                row[target] = one_at(int(label) if label < size else size)

        return Bound(schema.with_output(self.uid, target, binary_column(self, source, kept)), score)
