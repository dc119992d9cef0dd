"""Vectors whose size nobody stated, as Spark's own VectorAssembler takes or refuses them."""

from typing import Any

import pytest

from skysail_container.spark import DenseVector, Schema, SparseVector, StageError, UnsupportedStageError
from skysail_container.spark.attributes import AttributeGroup
from skysail_container.spark.schema import Column
from skysail_container.spark.stages.assembling import VectorAssembler, VectorSizeHint
from skysail_container.spark.stages.interaction import Interaction

UNSIZED = Schema({"v": "vector", "x": "double"})


def assembler(*columns: str, output: str = "whole", handle_invalid: str = "error") -> VectorAssembler:
    return VectorAssembler("assembler", columns, output, handle_invalid)


def test_nulls_cannot_be_kept_where_nothing_tells_how_long_vectors_are() -> None:
    with pytest.raises(StageError, match=r"column 'v': .* let a VectorSizeHint come before") as caught:
        assembler("v", "x", handle_invalid="keep").bind(UNSIZED)
    assert not isinstance(caught.value, UnsupportedStageError)  # on which Spark fails as well


def test_nulls_of_more_numbers_than_are_kept_here_are_for_spark() -> None:
    schema = UNSIZED.with_column("v", Column("vector", AttributeGroup(1 << 25)))
    with pytest.raises(UnsupportedStageError, match="nulls are kept of up to 16777216 numbers"):
        assembler("v", handle_invalid="keep").bind(schema)


def test_what_was_assembled_of_unsized_vectors_is_kept_whatever_its_size() -> None:
    first = assembler("v", "x").bind(UNSIZED)
    second = assembler("x", "whole", output="twice", handle_invalid="keep").bind(first.schema)
    for vector in (DenseVector([1.0]), SparseVector(9, [4], [2.0])):
        row: dict[str, Any] = {"v": vector, "x": 3.0}
        first.score(row)
        second.score(row)
        assert row["twice"].size == vector.size + 2


def test_a_hint_may_tell_the_size_after_the_first_row_did() -> None:
    first = assembler("v", "x").bind(UNSIZED)
    hinted = VectorSizeHint("hint", "whole", 3).bind(first.schema)
    assert hinted.schema["whole"].attributes == AttributeGroup(3)


def test_features_that_only_the_first_row_names_are_for_spark() -> None:
    first = assembler("v", "x").bind(UNSIZED)
    with pytest.raises(UnsupportedStageError):
        Interaction("interaction", ("whole", "x"), "products").bind(first.schema)
