"""Indexed, encoded and assembled columns that no fixture has: old layouts, damaged files, columns that do not fit."""

import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from skysail_container.spark import (
    DenseVector,
    RowError,
    Schema,
    SparseVector,
    Stage,
    StageError,
    StageFolder,
    UnsupportedStageError,
)
from skysail_container.spark.attributes import FIRST_ROWS, Attribute, AttributeGroup, nominal, numeric
from skysail_container.spark.pipeline import Pipeline
from skysail_container.spark.registry import load_stage
from skysail_container.spark.schema import DOUBLE, VECTOR, Column
from skysail_container.spark.stages.assembling import VectorAssembler, VectorSizeHint
from skysail_container.spark.stages.indexing import IndexToString, StringIndexerModel
from skysail_container.spark.stages.interaction import Interaction
from skysail_container.spark.stages.one_hot import LegacyOneHotEncoder, OneHotEncoderModel
from skysail_container.spark.stages.r_formula import ColumnPruner, RFormulaModel, VectorAttributeRewriter
from skysail_container.spark.stages.slicing import VectorSlicer
from skysail_container.spark.stages.target_encoding import TargetEncoderModel
from skysail_container.spark.stages.vector_indexing import VectorIndexerModel
from spark.saved import Saved

PAIR = (("a", "b"),)
INDEXED = Column(DOUBLE, AttributeGroup(1, (nominal(("x", "y", "z"), "a"),)))


def without_defaults(metadata: dict[str, Any]) -> None:
    metadata.pop("defaultParamMap")
    metadata["sparkVersion"] = "2.3.4"


def features_of(schema: Schema, column: str) -> list[str | None]:
    group = schema[column].attributes
    assert group is not None
    assert group.attributes is not None
    return [attribute.name for attribute in group.attributes]


@pytest.mark.parametrize("name", ["indexer_errors", "indexer_skips", "indexer_keeps", "indexer_of_doubles"])
def test_an_indexer_of_spark_2_scores_the_same(name: str, tmp_path: Path) -> None:
    saved = Saved("indexing", name, tmp_path)
    saved.write_rows([{"labels": saved.table().to_pylist()[0]["labelsArray"][0]}])
    saved.change_metadata(without_defaults)
    saved.check()


@pytest.mark.parametrize(
    ("family", "name"),
    [
        ("indexing", "one_hot_drops_the_last"),
        ("indexing", "one_hot_keeps_all"),
        ("indexing", "labels_of_the_stage"),
        ("assembling", "assembler_of_numbers_errors"),
        ("assembling", "size_hint_errors"),
        ("assembling", "slicer_by_indices"),
        ("assembling", "vector_indexer_keeps"),
        ("assembling", "interaction_of_numbers"),
        ("formulas", "formula_keeps"),
    ],
)
def test_files_without_defaults_score_the_same(family: str, name: str, tmp_path: Path) -> None:
    saved = Saved(family, name, tmp_path)
    saved.change_metadata(without_defaults)
    saved.check()


def _written(folder: Path, spark_class: str, version: str, params: dict[str, Any]) -> StageFolder:
    (folder / "metadata").mkdir(parents=True)
    metadata = {"class": spark_class, "uid": "stage_1", "sparkVersion": version, "timestamp": 0, "paramMap": params}
    (folder / "metadata" / "part-00000").write_text(json.dumps(metadata))
    return StageFolder(folder)


OLD_ENCODER = "org.apache.spark.ml.feature.OneHotEncoder"


@pytest.mark.parametrize(
    ("drop_last", "index", "vector"),
    [
        (True, 0.0, SparseVector(2, [0], [1.0])),
        (True, 2.0, SparseVector(2, [], [])),
        (True, 17.0, SparseVector(2, [], [])),
        (True, float("nan"), SparseVector(2, [], [])),
        (True, 1.9, SparseVector(2, [1], [1.0])),
        (True, None, None),
        (False, 2.0, SparseVector(3, [2], [1.0])),
    ],
)
def test_the_encoder_of_spark_2_takes_its_categories_from_the_column(
    drop_last: bool, index: float | None, vector: SparseVector | None, tmp_path: Path
) -> None:
    params = {"inputCol": "a", "outputCol": "b", **({} if drop_last else {"dropLast": False})}
    stage = load_stage(_written(tmp_path / "stage", OLD_ENCODER, "2.4.5", params))
    scorer = Pipeline(stage).bind(Schema({"a": INDEXED}))
    assert scorer.score_instance({"a": index})["b"] == vector
    assert features_of(scorer.output_schema, "b") == ["x", "y", "z"][: 3 - drop_last]


def test_the_encoder_of_spark_2_refuses_what_it_cannot_encode() -> None:
    encoder = LegacyOneHotEncoder("stage_1", "a", "b")
    with pytest.raises(StageError, match="column 'a': how many categories"):
        encoder.bind(Schema({"a": DOUBLE}))
    with pytest.raises(StageError, match="a single category"):
        encoder.bind(Schema({"a": Column(DOUBLE, AttributeGroup(1, (nominal(("x",), "a"),)))}))
    with pytest.raises(RowError, match="no index"):
        Pipeline(encoder).bind(Schema({"a": INDEXED})).score_instance({"a": -1.0})


def test_an_estimator_of_spark_3_is_not_taken_for_the_encoder_of_spark_2(tmp_path: Path) -> None:
    folder = _written(tmp_path / "stage", OLD_ENCODER, "3.5.1", {"inputCol": "a", "outputCol": "b"})
    with pytest.raises(StageError, match="never fitted"):
        load_stage(folder)


def _no_data(saved: Saved) -> None:
    saved.write([])


def _no_rows(saved: Saved) -> None:
    saved.write([saved.table().slice(0, 0)])


def _other_columns(saved: Saved) -> None:
    saved.write([pa.table({"something": [1]})])


def _truncated(saved: Saved) -> None:
    (part,) = (saved.stage / "data").glob("*.parquet")
    part.write_bytes(part.read_bytes()[:-20])


def _nulls(saved: Saved) -> None:
    table = saved.table()
    saved.write([pa.table({name: pa.nulls(1, table.schema.field(name).type) for name in table.column_names})])


def _texts(saved: Saved) -> None:
    saved.write([pa.table({name: ["text"] for name in saved.table().column_names})])


def _another_mode(saved: Saved) -> None:
    saved.change_metadata(lambda metadata: metadata["paramMap"].update(handleInvalid="perhaps"))


def _no_input(saved: Saved) -> None:
    def change(metadata: dict[str, Any]) -> None:
        metadata["paramMap"].pop("inputCol", None)
        metadata["paramMap"].pop("inputCols", None)

    saved.change_metadata(change)


def _more_columns(saved: Saved) -> None:
    def change(metadata: dict[str, Any]) -> None:
        metadata["paramMap"].pop("inputCol", None)
        metadata["paramMap"].pop("outputCol", None)
        metadata["paramMap"].update(inputCols=["a", "b", "c"], outputCols=["d", "e", "f"])

    saved.change_metadata(change)


@pytest.mark.parametrize(
    "damage", [_no_data, _no_rows, _other_columns, _truncated, _nulls, _texts, _another_mode, _no_input]
)
@pytest.mark.parametrize(
    ("family", "name"),
    [
        ("indexing", "indexer_keeps"),
        ("indexing", "indexer_of_two_columns_keeps"),
        ("indexing", "one_hot_keeps_all"),
        ("indexing", "target_binary"),
        ("assembling", "vector_indexer_keeps"),
    ],
)
def test_damaged_files_are_said_to_be(family: str, name: str, damage: Callable[[Saved], None], tmp_path: Path) -> None:
    saved = Saved(family, name, tmp_path)
    damage(saved)
    with pytest.raises(StageError, match="stage "):
        saved.load()


@pytest.mark.parametrize("name", ["indexer_keeps", "one_hot_keeps_all", "target_binary"])
def test_more_columns_than_were_fitted_are_refused(name: str, tmp_path: Path) -> None:
    saved = Saved("indexing", name, tmp_path)
    _more_columns(saved)
    with pytest.raises(StageError, match="3 columns"):
        saved.load()


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("one_hot_keeps_all", [{"categorySizes": [-5]}]),
        ("one_hot_keeps_all", [{"categorySizes": [2]}, {"categorySizes": [3]}]),
        ("indexer_keeps", [{"labelsArray": [[1, 2]]}]),
        ("indexer_keeps", [{"labelsArray": [["a", None]]}]),
        ("target_of_one_column", [{"index": 0, "categories": [0.0], "counts": [1.0], "stats": [1.0]}]),
        ("target_of_one_column", [{"index": 1, "categories": [2147483647.0], "counts": [1.0], "stats": [1.0]}]),
        ("target_of_one_column", [{"index": 0, "categories": [2147483647.0], "counts": [0.0], "stats": [1.0]}]),
        ("target_of_one_column", [{"index": 0, "categories": [2147483647.0], "counts": [], "stats": [1.0]}]),
    ],
)
def test_data_that_cannot_be_is_refused(name: str, rows: list[dict[str, Any]], tmp_path: Path) -> None:
    saved = Saved("indexing", name, tmp_path)
    saved.write_rows(rows)
    with pytest.raises(StageError):
        saved.load()


def test_categories_of_features_beyond_the_last_are_refused(tmp_path: Path) -> None:
    saved = Saved("assembling", "vector_indexer_keeps", tmp_path)
    table = saved.table()
    saved.write([table.set_column(0, "numFeatures", pa.array([1], pa.int32()))])
    with pytest.raises(StageError, match="beyond its 1"):
        saved.load()


def test_a_formula_without_its_pipeline_is_refused(tmp_path: Path) -> None:
    saved = Saved("formulas", "formula_keeps", tmp_path)
    (saved.stage / "pipelineModel").rename(saved.stage / "elsewhere")
    with pytest.raises(StageError, match="pipelineModel is missing"):
        saved.load()


@pytest.mark.parametrize("name", ["indexer_keeps", "one_hot_keeps_all", "labels_of_the_stage", "target_binary"])
def test_a_parameter_of_the_future_is_left_to_spark(name: str, tmp_path: Path) -> None:
    saved = Saved("indexing", name, tmp_path)
    saved.change_metadata(lambda metadata: metadata["paramMap"].update(encoding="new"))
    with pytest.raises(UnsupportedStageError, match="parameter encoding"):
        saved.load()


UNKNOWN_SIZE = Column(VECTOR)
SIZED = Column(VECTOR, AttributeGroup(3))


@pytest.mark.parametrize(
    ("stage", "schema", "said"),
    [
        (StringIndexerModel("s", PAIR, (("x",),)), {"a": "boolean"}, "column 'a': strings or numbers"),
        (StringIndexerModel("s", PAIR, (("x",),)), {"a": "array<string>"}, "column 'a': strings or numbers"),
        (StringIndexerModel("s", PAIR, (("x",),), "skip"), {"c": "string"}, "column 'a': there is no such column"),
        (StringIndexerModel("s", PAIR, (("x",),)), {"a": "string", "b": "string"}, "column 'b': this output"),
        (IndexToString("s", "a", "b", ("x",)), {"a": "string"}, "column 'a': a numeric type"),
        (IndexToString("s", "a", "b"), {"a": "double"}, "column 'a': it has no labels"),
        (OneHotEncoderModel("s", PAIR, (3,)), {"a": "string"}, "column 'a': a numeric type"),
        (OneHotEncoderModel("s", PAIR, (3,)), {"c": "double"}, "column 'a': there is no such column"),
        (OneHotEncoderModel("s", PAIR, (2,)), {"a": INDEXED}, "fitted with 2 categories, this column has 3"),
        (
            OneHotEncoderModel("s", PAIR, (3,)),
            {"a": Column(DOUBLE, AttributeGroup(1, (numeric("a"),)))},
            "no categories",
        ),
        (
            OneHotEncoderModel("s", PAIR, (2,)),
            {"a": Column(DOUBLE, AttributeGroup(1, (nominal(("", "x"), "a"),)))},
            "the empty string",
        ),
        (
            OneHotEncoderModel("s", PAIR, (1,)),
            {"a": Column(DOUBLE, AttributeGroup(1, (nominal(("x",), "a"),)))},
            "a single category",
        ),
        (VectorAssembler("s", ("a", "c"), "b"), {"a": "string", "c": "double"}, "column 'a': numbers, booleans"),
        (VectorAssembler("s", ("a", "c"), "b"), {"a": "double"}, "column 'c': there is no such column"),
        (VectorAssembler("s", ("a",), "b", "keep"), {"a": UNKNOWN_SIZE}, "size of its vectors is not known"),
        (VectorSizeHint("s", "a", 4), {"a": SIZED}, "3 features already"),
        (VectorSizeHint("s", "a", 4), {"a": "array<double>"}, "column 'a': vector is expected"),
        (VectorSlicer("s", "a", "b", (3,)), {"a": SIZED}, "feature 3 of 3"),
        (VectorSlicer("s", "a", "b", (1, 1)), {"a": SIZED}, "twice"),
        (VectorSlicer("s", "a", "b", (), ("x",)), {"a": SIZED}, "names of its features are not known"),
        (
            VectorSlicer("s", "a", "b", (), ("x",)),
            {"a": Column(VECTOR, AttributeGroup(1, (numeric("y"),)))},
            "called x",
        ),
        (VectorIndexerModel("s", "a", "b", 4, {}), {"a": SIZED}, "fitted on 4 features, this column has 3"),
        (Interaction("s", ("a",), "b"), {"a": SIZED}, "which of its features are categories"),
        (Interaction("s", ("a",), "b"), {"a": "boolean"}, "a numeric type"),
        (Interaction("s", ("a",), "b"), {"a": Column(DOUBLE, AttributeGroup(1, (nominal(),)))}, "how many categories"),
        (TargetEncoderModel("s", PAIR, ({2147483647.0: 1.0},)), {"a": "string"}, "column 'a': a numeric type"),
        (RFormulaModel("s", ColumnPruner("t", ()), "y"), {"features": "vector"}, "column 'features': this column of"),
        (RFormulaModel("s", ColumnPruner("t", ()), "y"), {"label": "string"}, "column 'label': a numeric type"),
        (RFormulaModel("s", ColumnPruner("t", ()), "y"), {"y": "string"}, "column 'y': a label of numbers"),
        (VectorAttributeRewriter("s", "a", {}), {"c": "vector"}, "column 'a': there is no such column"),
    ],
)
def test_columns_that_do_not_fit_are_named(stage: Stage, schema: dict[str, Column | str], said: str) -> None:
    with pytest.raises(StageError, match=said) as refused:
        stage.bind(Schema(schema))
    assert refused.value.stage == "s"


def test_features_are_named_as_spark_names_them() -> None:
    known = AttributeGroup(2, (Attribute("binary", "x"), numeric()))
    schema = Schema({"n": "int", "v": SIZED, "w": Column(VECTOR, known), "a": INDEXED, "f": "float"})
    bound = VectorAssembler("s", ("n", "v", "w", "a", "f"), "b").bind(schema)
    assert features_of(bound.schema, "b") == ["n", "v_0", "v_1", "v_2", "w_x", "w_1", "a", "f"]
    group = bound.schema["b"].attributes
    assert group is not None
    assert group.attributes is not None
    assert [attribute.kind for attribute in group.attributes[-4:]] == ["binary", "numeric", "nominal", "numeric"]


def test_the_first_row_tells_how_long_what_is_assembled_of_vectors_of_unknown_size_is() -> None:
    bound = VectorAssembler("s", ("n", "v"), "b").bind(Schema({"n": "int", "v": UNKNOWN_SIZE}))
    assert bound.schema["b"] == Column(VECTOR, AttributeGroup(FIRST_ROWS))


@pytest.mark.parametrize(
    ("stage", "schema", "size"),
    [
        (
            VectorAssembler("s", ("v", "n"), "b"),
            {"v": Column(VECTOR, AttributeGroup(2**31 - 2)), "n": "int"},
            2**31 - 1,
        ),
        (OneHotEncoderModel("s", PAIR, (2**31 - 1,)), {"a": "int"}, 2**31 - 2),
        (VectorIndexerModel("s", "v", "b", 2**31 - 1, {}), {"v": UNKNOWN_SIZE}, 2**31 - 1),
        (VectorSizeHint("s", "b", 2**31 - 1), {"b": UNKNOWN_SIZE}, 2**31 - 1),
    ],
)
def test_of_vectors_of_any_size_only_the_size_is_passed_on(
    stage: Stage, schema: dict[str, Column | str], size: int
) -> None:
    assert stage.bind(Schema(schema)).schema["b"].attributes == AttributeGroup(size)


def test_a_null_is_not_made_into_billions_of_numbers() -> None:
    schema = Schema({"v": Column(VECTOR, AttributeGroup(2**31 - 2))})
    with pytest.raises(StageError, match="size of its vectors is 2147483646"):
        VectorAssembler("s", ("v",), "b", "keep").bind(schema)


def test_decimals_are_assembled_and_indexed() -> None:
    scorer = Pipeline(VectorAssembler("s", ("a", "c"), "b")).bind({"a": "decimal(10,2)", "c": "double"})
    assert scorer.score_instance({"a": Decimal("1.50"), "c": 0.0})["b"] == DenseVector([1.5, 0.0])
    indexer = Pipeline(StringIndexerModel("s", PAIR, (("1.50", "0.00", "100.00"),))).bind({"a": "decimal(10,2)"})
    assert [indexer.score_instance({"a": Decimal(text)})["b"] for text in ("1.50", "0.00", "100.00")] == [0.0, 1.0, 2.0]


def test_rows_stay_as_they_were() -> None:
    """Vectors are shared between rows and must not be changed."""
    vector = DenseVector([1.0, 2.0])
    indexer = Pipeline(VectorIndexerModel("s", "a", "b", 2, {0: {1.0: 0.0}})).bind({"a": "vector"})
    assert indexer.score_instance({"a": vector})["b"] == DenseVector([0.0, 2.0])
    assert vector == DenseVector([1.0, 2.0])
