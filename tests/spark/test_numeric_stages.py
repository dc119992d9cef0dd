"""Stages of numbers and vectors: files of older versions, damaged ones, columns that do not fit, and hostile sizes."""

import itertools
import math
import random
from collections.abc import Callable
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
    UnsupportedStageError,
)
from skysail_container.spark.attributes import Attribute, AttributeGroup, numeric
from skysail_container.spark.metadata import read_metadata
from skysail_container.spark.schema import Column
from skysail_container.spark.stages.imputing import ImputerModel
from skysail_container.spark.stages.normalizing import Normalizer
from skysail_container.spark.stages.polynomials import PolynomialExpansion
from skysail_container.spark.stages.projection import DCT
from skysail_container.spark.stages.scaling import StandardScalerModel
from skysail_container.spark.stages.selection import ChiSqSelectorModel, VarianceThresholdSelectorModel
from skysail_container.spark.stages.thresholds import Binarizer, Bucketizer
from skysail_container.spark.vectors import compressed_dense, is_sparse
from spark.saved import Saved

Change = Callable[[dict[str, Any]], Any]

OF_SPARK_2_3 = [
    ("scaling", "standard_scaler_with_mean"),
    ("scaling", "min_max_scaler"),
    ("scaling", "max_abs_scaler"),
    ("scaling", "normalizer"),
    ("scaling", "elementwise_product_of_sparse_factors"),
    ("thresholds", "bucketizer"),
    ("thresholds", "bucketizer_of_many_columns_that_keeps"),
    ("thresholds", "imputer"),
    ("features", "polynomial_expansion"),
    ("features", "principal_components"),
    ("features", "chi_squared_selector"),
]


@pytest.mark.parametrize(("family", "name"), OF_SPARK_2_3, ids=[name for _, name in OF_SPARK_2_3])
def test_files_of_spark_2_3_have_their_defaults_among_the_parameters(family: str, name: str, tmp_path: Path) -> None:
    saved = Saved(family, name, tmp_path)

    def as_then(metadata: dict[str, Any]) -> None:
        metadata["sparkVersion"] = "2.3.1"
        metadata["paramMap"] = {**metadata.pop("defaultParamMap"), **metadata["paramMap"]}

    saved.change_metadata(as_then)
    (part,) = (saved.stage / "metadata").glob("part-*")
    part.rename(part.with_name("part-00000"))
    saved.check()


@pytest.mark.parametrize("name", ["standard_scaler", "robust_scaler", "min_max_scaler", "max_abs_scaler", "normalizer"])
def test_defaults_that_no_file_holds_are_known(name: str, tmp_path: Path) -> None:
    saved = Saved("scaling", name, tmp_path)
    saved.change_metadata(lambda metadata: metadata.pop("defaultParamMap"))
    saved.check()


def test_selected_features_of_old_models_may_be_in_any_order(tmp_path: Path) -> None:
    saved = Saved("features", "chi_squared_selector", tmp_path)
    (row,) = saved.table().to_pylist()
    saved.write_rows([{"selectedFeatures": row["selectedFeatures"][::-1]}])
    saved.check()


def set_params(**params: Any) -> Change:
    return lambda metadata: metadata["paramMap"].update(params)


OUTSIDE = {"type": 0, "size": 2, "indices": [5], "values": [1.0]}

DAMAGED_PARAMETERS = [
    ("scaling", "normalizer", {"p": 0.5}, "its p is 0.5"),
    ("scaling", "normalizer", {"p": "much"}, "a number is expected"),
    ("scaling", "standard_scaler", {"inputCol": None}, "inputCol is not set"),
    ("scaling", "elementwise_product", {"scalingVec": None}, "scalingVec is not set"),
    ("scaling", "elementwise_product", {"scalingVec": [1.0]}, "is not what"),
    ("scaling", "elementwise_product", {"scalingVec": OUTSIDE}, "is not what"),
    ("thresholds", "bucketizer", {"splits": [0.0, 1.0]}, "ascending"),
    ("thresholds", "bucketizer", {"splits": [0.0, 1.0, 1.0]}, "ascending"),
    ("thresholds", "bucketizer", {"splits": [0.0, "NaN", 1.0]}, "ascending"),
    ("thresholds", "bucketizer", {"splits": [0.0, "one", 2.0]}, "is not what"),
    ("thresholds", "bucketizer", {"splits": 3}, "is not what"),
    ("thresholds", "bucketizer", {"handleInvalid": "ignore"}, "none of error, skip and keep"),
    ("thresholds", "bucketizer", {"inputCols": ["x"], "outputCols": ["y"]}, "both"),
    ("thresholds", "bucketizer_of_many_columns_that_keeps", {"outputCols": ["a"]}, "2 inputCols and 1 outputCols"),
    ("thresholds", "bucketizer_of_many_columns_that_keeps", {"outputCols": "ab"}, "a list of names is expected"),
    ("thresholds", "bucketizer_of_many_columns_that_keeps", {"splitsArray": [[0.0, 1.0, 2.0]]}, "1 entries for 2"),
    ("thresholds", "imputer", {"inputCols": ["x", "f", "i", "unknown"]}, "no surrogate"),
    ("features", "polynomial_expansion", {"degree": 0}, "degree is 0"),
    ("features", "principal_components", {"k": None}, "k is not set"),
]  # fmt: skip


@pytest.mark.parametrize(("family", "name", "params", "reason"), DAMAGED_PARAMETERS)
def test_parameters_that_make_no_sense_are_refused_by_name(
    family: str, name: str, params: dict[str, Any], reason: str, tmp_path: Path
) -> None:
    saved = Saved(family, name, tmp_path)
    saved.change_metadata(set_params(**params))
    with pytest.raises(StageError, match=reason):
        saved.load()


@pytest.mark.parametrize(
    ("family", "name"),
    [
        ("scaling", "standard_scaler"), ("thresholds", "bucketizer"), ("thresholds", "imputer"),
        ("features", "polynomial_expansion"), ("features", "chi_squared_selector"),
    ],
)  # fmt: skip
def test_a_parameter_of_a_later_spark_is_not_passed_over(family: str, name: str, tmp_path: Path) -> None:
    saved = Saved(family, name, tmp_path)
    saved.change_metadata(set_params(fromTheFuture=1))
    with pytest.raises(UnsupportedStageError, match="fromTheFuture"):
        saved.load()


DENSE = {"type": 1, "size": None, "indices": None, "values": [1.0, 2.0]}
HUGE = {"type": 0, "size": 2_000_000_000, "indices": [0], "values": [1.0]}
MATRIX = {"type": 1, "numRows": 5, "numCols": 3, "values": [1.0], "isTransposed": False}
SPARSE = {**MATRIX, "type": 0, "numRows": 10**9, "colPtrs": [0] * 4, "rowIndices": [], "values": []}

DAMAGED_DATA: list[tuple[str, str, list[dict[str, Any]]]] = [
    ("scaling", "standard_scaler", [{"mean": DENSE}]),
    ("scaling", "standard_scaler", []),
    ("scaling", "standard_scaler", [{"mean": DENSE, "std": DENSE}] * 2),
    ("scaling", "standard_scaler", [{"mean": DENSE, "std": None}]),
    ("scaling", "standard_scaler", [{"mean": DENSE, "std": "one"}]),
    ("scaling", "standard_scaler", [{"mean": DENSE, "std": {**DENSE, "values": [1.0]}}]),
    ("scaling", "standard_scaler", [{"mean": HUGE, "std": HUGE}]),
    ("scaling", "min_max_scaler", [{"originalMin": DENSE, "max": DENSE}]),
    ("scaling", "max_abs_scaler", [{"maxAbs": {**DENSE, "values": ["a", "b"]}}]),
    ("scaling", "robust_scaler", [{"median": DENSE, "range": 3}]),
    ("thresholds", "imputer", [{"x": 1.0, "f": None, "i": 2.0, "l": 1.0}]),
    ("thresholds", "imputer", [{"x": 1.0, "f": "much", "i": 2.0, "l": 1.0}]),
    ("features", "principal_components", [{"pc": MATRIX}]),
    ("features", "principal_components", [{"pc": SPARSE}]),
    ("features", "principal_components", [{"explainedVariance": DENSE}]),
    ("features", "chi_squared_selector", [{"selectedFeatures": [0, 0]}]),
    ("features", "chi_squared_selector", [{"selectedFeatures": [-1]}]),
    ("features", "chi_squared_selector", [{"selectedFeatures": ["first"]}]),
]


@pytest.mark.parametrize(("family", "name", "rows"), DAMAGED_DATA)
def test_damaged_data_is_an_error_that_names_the_stage(
    family: str, name: str, rows: list[dict[str, Any]], tmp_path: Path
) -> None:
    saved = Saved(family, name, tmp_path)
    if rows:
        saved.write_rows(rows)
    else:
        saved.write([pa.table({"mean": pa.array([], pa.float64())})])
    with pytest.raises(StageError) as caught:
        saved.load()
    assert caught.value.stage == read_metadata(saved.stage).uid


VECTORS = Schema({"v": "vector", "x": "double", "s": "string", "d": "decimal(10,2)", "taken": "double"})

UNFIT: list[tuple[Stage, str, str]] = [
    (Normalizer("n", "unknown", "o"), "unknown", "there is no such column"),
    (Normalizer("n", "x", "o"), "x", "vector is expected, this is double"),
    (Normalizer("n", "v", "taken"), "taken", "exists already"),
    (StandardScalerModel("n", "v", "v", (1.0,), (1.0,), False, False), "v", "exists already"),
    (Binarizer("n", (("s", "o"),), (0.0,)), "s", "double or vector is expected"),
    (Binarizer("n", (("x", "o"), ("x", "o")), (0.0, 0.0)), "o", "exists already"),
    (Binarizer("n", (("v", "o"),), (math.nan,)), "v", "NaN"),
    (Bucketizer("n", (("s", "o"),), ((0.0, 1.0, 2.0),)), "s", "numeric type is expected"),
    (ImputerModel("n", (("s", "o"),), (1.0,)), "s", "numeric type is expected"),
    (ImputerModel("n", (("d", "o"),), (1.0,)), "d", "not imputed here"),
    (ImputerModel("n", (("x", "o"), ("x", "o")), (1.0, 2.0)), "o", "two columns"),
    (VarianceThresholdSelectorModel("n", "x", "o", (0,)), "x", "vector is expected"),
]


@pytest.mark.parametrize(("stage", "column", "reason"), UNFIT)
def test_columns_that_do_not_fit_are_named_when_binding(stage: Stage, column: str, reason: str) -> None:
    with pytest.raises(StageError, match=reason) as caught:
        stage.bind(VECTORS)
    assert (caught.value.stage, caught.value.column) == ("n", column)


def test_columns_of_nulls_alone_are_taken_for_numbers() -> None:
    schema = Schema({"x": "void"})
    row: dict[str, Any] = {"x": None}
    for stage in (
        Binarizer("b", (("x", "binary"),), (0.0,)),
        Bucketizer("k", (("x", "bucket"),), ((0.0, 1.0, 2.0),)),
        ImputerModel("i", (("x", "filled"),), (2.5,)),
    ):
        bound = stage.bind(schema)
        bound.score(row)
        schema = bound.schema
    assert row == {"x": None, "binary": 0.0, "bucket": None, "filled": 2.5}
    assert [schema[name].type for name in ("binary", "bucket", "filled")] == ["double"] * 3


def test_surrogates_beyond_a_type_are_errors_of_the_rows_that_need_them() -> None:
    score = ImputerModel("i", (("x", "o"),), (300.7,)).bind(Schema({"x": "tinyint"})).score
    row: dict[str, Any] = {"x": 5}
    score(row)
    assert row["o"] == 5
    with pytest.raises(RowError, match="8 bits"):
        score({"x": None})


def test_what_is_known_of_features_passes_on() -> None:
    group = AttributeGroup(3, (numeric("a"), Attribute("binary", "b"), numeric("c")))
    schema = Schema({"v": Column("vector", group), "plain": "vector", "x": "double"})

    def known(stage: Stage) -> AttributeGroup | None:
        return stage.bind(schema).schema["o"].attributes

    assert known(VarianceThresholdSelectorModel("n", "v", "o", (0, 2))) == AttributeGroup(
        2, (numeric("a"), numeric("c"))
    )
    assert known(ChiSqSelectorModel("n", "plain", "o", (1,))) == AttributeGroup(1, (Attribute("nominal"),))
    assert known(Normalizer("n", "v", "o")) == AttributeGroup(3)
    assert known(Normalizer("n", "plain", "o")) is None
    assert known(Binarizer("n", (("v", "o"),), (0.0,))) == AttributeGroup(3)
    assert known(Binarizer("n", (("x", "o"),), (0.0,))) == AttributeGroup(1, (Attribute("binary", "o"),))
    assert known(PolynomialExpansion("n", "v", "o")) is None
    buckets = known(Bucketizer("n", (("x", "o"),), ((-math.inf, 0.5, 1e7, math.inf),)))
    names = ("-Infinity, 0.5", "0.5, 1.0E7", "1.0E7, Infinity")
    assert buckets == AttributeGroup(1, (Attribute("nominal", "o", names, None, True),))


def expanded(vector: DenseVector | SparseVector, degree: int) -> Any:
    row: dict[str, Any] = {"v": vector}
    PolynomialExpansion("p", "v", "o", degree).bind(Schema({"v": "vector"})).score(row)
    return row["o"]


@pytest.mark.parametrize("degree", [1, 2, 3, 4])
def test_sparse_and_dense_vectors_expand_to_the_same_products(degree: int) -> None:
    draw = random.Random(degree)
    for size in range(7):
        values = [draw.choice([0.0, 1.5, -2.25, draw.gauss(0, 1)]) for _ in range(size)]
        stored = [index for index, value in enumerate(values) if value]
        sparse = expanded(SparseVector(size, stored, [values[index] for index in stored]), degree)
        dense = expanded(DenseVector(values), degree)
        assert sparse.to_list() == dense.to_list()
        assert len(dense.values) == math.comb(size + degree, degree) - 1
        powers = itertools.product(range(degree + 1), repeat=size)
        ordered = [one for one in powers if 0 < sum(one) <= degree]
        for product, exponents in zip(dense.values, ordered, strict=True):
            direct = math.prod(value**power for value, power in zip(reversed(values), exponents, strict=True))
            assert product == pytest.approx(direct)


@pytest.mark.parametrize(
    ("vector", "degree"),
    [
        (SparseVector(2_000_000_000, [1_999_999_999], [2.0]), 2),
        (SparseVector(100_000, [7], [2.0]), 2),
        (SparseVector(3000, list(range(3000)), [2.0] * 3000), 2),
        (DenseVector([1.0] * 4000), 2),
        (DenseVector([1.0] * 40), 1_000_000_000),
    ],
)
def test_expansions_that_no_memory_holds_are_errors_of_their_row(
    vector: DenseVector | SparseVector, degree: int
) -> None:
    with pytest.raises(RowError, match="too many products"):
        expanded(vector, degree)


def test_a_large_expansion_of_few_stored_features_is_a_sparse_vector() -> None:
    given = SparseVector(60_000, [0, 59_999], [2.0, 3.0])
    first = math.comb(60_001, 2) - 1
    places = [0, 1, first, first + 1, first + 60_000]
    assert expanded(given, 2) == SparseVector(math.comb(60_002, 2) - 1, places, [2.0, 4.0, 3.0, 6.0, 9.0])


def test_a_cosine_transform_and_its_inverse_give_the_vector_back() -> None:
    draw = random.Random(3)
    schema = Schema({"v": "vector"})
    forward, inverse = DCT("f", "v", "o").bind(schema).score, DCT("i", "v", "o", inverse=True).bind(schema).score
    for size in [*range(1, 20), 1000, 1009]:
        values = [draw.gauss(0, 1) for _ in range(size)]
        there: dict[str, Any] = {"v": DenseVector(values)}
        forward(there)
        direct = sum(values) / math.sqrt(size)
        assert there["o"].values[0] == pytest.approx(direct, abs=1e-12)
        back: dict[str, Any] = {"v": there["o"]}
        inverse(back)
        assert back["o"].values == pytest.approx(values, abs=1e-12)


def test_which_vectors_become_sparse() -> None:
    """As Spark 4.3 does for each of these sizes: the largest number of values that is still stored sparse."""
    largest = {3: 0, 4: 1, 5: 1, 6: 2, 7: 3, 8: 3, 9: 4, 10: 5, 11: 5, 12: 6, 13: 7}
    found = {size: max(n for n in range(size) if is_sparse(n, size)) for size in largest}
    assert found == largest
    assert not is_sparse(0, 2)
    assert compressed_dense([0.0, -0.0, 0.0, 2.0]) == SparseVector(4, [3], [2.0])
    assert compressed_dense([0.0, 1.0, 0.0, 2.0]) == DenseVector([0.0, 1.0, 0.0, 2.0])
