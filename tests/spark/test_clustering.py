"""Clusterings, topics, recommendations and rules: damaged and old files, columns they do not take, hostile sizes."""

import json
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from skysail_container.spark import (
    DenseVector,
    RowError,
    Schema,
    SparseVector,
    StageError,
    UnsupportedStageError,
    load_pipeline,
)
from skysail_container.spark.java_random import CommonsMersenneTwister, gamma_samples
from skysail_container.spark.stages.als import Factors
from skysail_container.spark.stages.gaussian_mixture import Gaussian, GaussianMixtureModel
from skysail_container.spark.stages.k_means import Centre, KMeansModel
from skysail_container.spark.stages.lda import LDAModel

FIXTURES = Path(__file__).parent / "fixtures"
VECTORS = {"features": "vector"}
BARE = {
    "clustering": ["kmeans_ties", "bisecting_kmeans_of_one_cluster", "gaussian_mixture_singular", "lda_em"],
    "recommending": ["als_of_small_numbers", "fp_growth_of_numbers"],
}


@pytest.fixture
def saved(tmp_path: Path) -> Callable[[str], Path]:
    """What gives the folder of a model that Spark saved, by the name of its fixture."""

    def folder(name: str) -> Path:
        (path,) = FIXTURES.glob(f"*/{name}.zip")
        with zipfile.ZipFile(path) as archive:
            archive.extractall(tmp_path / name)
        return tmp_path / name / "model"

    return folder


def change_metadata(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    (path,) = (folder / "metadata").glob("part-*")
    found = json.loads(path.read_text())
    change(found)
    path.write_text(json.dumps(found))


def change_table(folder: Path, change: Callable[[pa.Table], pa.Table]) -> None:
    (path,) = folder.glob("part-*.parquet")
    pq.write_table(change(pq.read_table(path)), path)


@pytest.mark.parametrize("name", [name for names in BARE.values() for name in names])
def test_data_without_a_column_is_damage_that_names_the_stage(saved: Callable[[str], Path], name: str) -> None:
    folder = saved(name)
    uid = json.loads(next((folder / "metadata").glob("part-*")).read_text())["uid"]
    for part in sorted(folder.rglob("part-*.parquet")):
        content, table = part.read_bytes(), pq.read_table(part)
        if {"globalTopicTotals", "tokenCounts"} & set(table.column_names):
            continue  # what a made-local model does not use
        for column in set(table.column_names) & {"clusterCenter", "center", "mus", "topicWeights", "features", "items"}:
            pq.write_table(table.drop_columns([column]), part)
            with pytest.raises(StageError, match=uid):
                load_pipeline(folder)
        part.write_bytes(content[: len(content) // 2])
        with pytest.raises(StageError, match=uid):
            load_pipeline(folder)
        part.write_bytes(content)


@pytest.mark.parametrize("name", [name for names in BARE.values() for name in names])
def test_a_parameter_nobody_knows_is_left_to_spark(saved: Callable[[str], Path], name: str) -> None:
    folder = saved(name)
    change_metadata(folder, lambda found: found["paramMap"].update(frobnicate=1))
    with pytest.raises(UnsupportedStageError, match="frobnicate"):
        load_pipeline(folder)


@pytest.mark.parametrize("name", [name for names in BARE.values() for name in names])
def test_without_default_parameters_as_before_2_4_ours_count(saved: Callable[[str], Path], name: str) -> None:
    folder = saved(name)
    with_defaults = load_pipeline(folder).stage

    def old(found: dict[str, Any]) -> None:
        del found["defaultParamMap"]
        found["sparkVersion"] = "2.3.1"

    change_metadata(folder, old)
    assert repr(load_pipeline(folder).stage).partition("0x")[0] == repr(with_defaults).partition("0x")[0]


def test_bisecting_k_means_before_2_4_knows_only_euclidean_distances(saved: Callable[[str], Path]) -> None:
    folder = saved("bisecting_kmeans_of_one_cluster")

    def old(found: dict[str, Any]) -> None:
        del found["distanceMeasure"]
        found["version"] = "1.0"

    change_metadata(folder / "data", old)
    assert load_pipeline(folder).score_instance({"features": DenseVector([9.0, -1.0])})["prediction"] == 0


def test_a_tree_of_clusters_that_leads_in_a_circle_is_refused(saved: Callable[[str], Path]) -> None:
    folder = saved("bisecting_kmeans_of_one_cluster")

    def circle(table: pa.Table) -> pa.Table:
        rows = table.to_pylist()
        for row in rows:
            row["children"] = [row["index"]]
        return pa.Table.from_pylist(rows, table.schema)

    change_table(folder / "data" / "data", circle)
    with pytest.raises(StageError, match="circle"):
        load_pipeline(folder)


@pytest.mark.parametrize("kind", ["string", "double", "array<string>", "array<int>"])
@pytest.mark.parametrize("name", BARE["clustering"])
def test_features_are_vectors_or_arrays_of_floating_point_numbers(
    saved: Callable[[str], Path], name: str, kind: str
) -> None:
    with pytest.raises(StageError, match="column 'features': vector or"):
        load_pipeline(saved(name)).bind({"features": kind})


@pytest.mark.parametrize("name", BARE["clustering"])
def test_an_output_that_is_there_already_is_refused(saved: Callable[[str], Path], name: str) -> None:
    taken = {"prediction": "int", "topics": "vector", "topicDistribution": "vector"}
    with pytest.raises(StageError, match="exists already"):
        load_pipeline(saved(name)).bind({**VECTORS, **taken})


def test_ids_are_numbers(saved: Callable[[str], Path]) -> None:
    with pytest.raises(StageError, match="column 'item': a numeric type"):
        load_pipeline(saved("als_of_small_numbers")).bind({"user": "int", "item": "string"})


def test_items_are_an_array(saved: Callable[[str], Path]) -> None:
    with pytest.raises(StageError, match="column 'basket': an array is expected, this is string"):
        load_pipeline(saved("fp_growth_of_numbers")).bind({"basket": "string"})


@pytest.mark.parametrize(
    ("name", "change", "reason"),
    [
        ("kmeans_ties", {"distanceMeasure": "manhattan"}, "neither euclidean nor cosine"),
        ("als_of_small_numbers", {"coldStartStrategy": "guess"}, "neither nan nor drop"),
    ],
)
def test_a_word_that_a_parameter_may_not_be_is_refused(
    saved: Callable[[str], Path], name: str, change: Mapping[str, str], reason: str
) -> None:
    folder = saved(name)
    change_metadata(folder, lambda found: found["paramMap"].update(change))
    with pytest.raises(StageError, match=reason):
        load_pipeline(folder)


def test_the_cold_start_strategy_is_of_any_case(saved: Callable[[str], Path]) -> None:
    folder = saved("als_of_small_numbers")
    change_metadata(folder, lambda found: found["paramMap"].update(coldStartStrategy="DROP"))
    load_pipeline(folder)


def test_factors_are_found_by_ids_in_any_order_and_only_once() -> None:
    factors = Factors([7, -3, 2**31 - 1], np.array([[1.0], [2.0], [3.0]], np.float32))
    assert [None if found is None else found.tolist() for found in map(factors.of, (-3, 7, 2**31 - 1, 0, -9))] == [
        [2.0], [1.0], [3.0], None, None,
    ]  # fmt: skip
    with pytest.raises(ValueError, match="do not fit"):
        Factors([1, 1], np.zeros((2, 1), np.float32))


def test_a_null_within_an_array_of_features_is_an_error_of_the_row() -> None:
    centres = tuple(Centre.of(DenseVector([float(at), 0.0])) for at in range(3))
    bound = load(KMeansModel("k", "features", "prediction", "euclidean", centres), {"features": "array<double>"})
    row: dict[str, Any] = {"features": [2.1, 0.0]}
    bound(row)
    assert row["prediction"] == 2
    with pytest.raises(RowError, match="null among its numbers"):
        bound({"features": [1.0, None]})


def load(stage: Any, schema: Mapping[str, str]) -> Callable[[dict[str, Any]], None]:
    score: Callable[[dict[str, Any]], None] = stage.bind(Schema(schema)).score
    return score


def test_more_centres_than_spark_bounds_are_still_compared() -> None:
    centres = tuple(Centre.of(DenseVector([float(at)])) for at in range(1200))
    score = load(KMeansModel("k", "features", "prediction", "euclidean", centres), VECTORS)
    row: dict[str, Any] = {"features": SparseVector(1, [0], [1111.4])}
    score(row)
    assert row["prediction"] == 1111


def test_a_covariance_of_nothing_is_no_gaussian() -> None:
    with pytest.raises(ValueError, match="without a variance"):
        Gaussian.of(np.zeros(2), np.zeros((2, 2)))
    with pytest.raises(ValueError, match="shape"):
        Gaussian.of(np.zeros(2), np.ones((3, 3)))


def test_a_mixture_whose_outputs_are_off_writes_nothing() -> None:
    gaussians = (Gaussian.of(np.zeros(1), np.ones((1, 1))),)
    row = {"features": DenseVector([1.0])}
    load(GaussianMixtureModel("g", "features", "", "", (1.0,), gaussians), VECTORS)(row)
    assert list(row) == ["features"]


def test_topics_that_are_off_are_not_written() -> None:
    row = {"features": DenseVector([1.0])}
    load(LDAModel("l", "features", "", np.ones((1, 2)), np.ones(2), 100.0), VECTORS)(row)
    assert list(row) == ["features"]


def test_random_numbers_are_those_of_apache_commons() -> None:
    random = CommonsMersenneTwister(11)
    assert [random.next_double(), random.next_double()] == [0.5748783522118297, 0.0946739662741265]
    assert random.next_gaussian() == pytest.approx(0.7692425297241978, rel=1e-15)
    assert random.next_gaussian() == pytest.approx(0.47520762766422164, rel=1e-15)
    expected = [0.8156652772821578, 0.9015968462026502, 0.989237246739904]
    assert gamma_samples(100.0, 0.01, 3, CommonsMersenneTwister(11)) == pytest.approx(expected, rel=1e-14)
    with pytest.raises(ValueError, match="shape"):
        gamma_samples(0.5, 1.0, 1, random)
