"""Bundles of MLeap are scored by the same stages as Spark's own files."""

import json
import math
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from skysail_container.spark import StageError, UnsupportedStageError, load_pipeline
from spark.bundles import BundleNode, doubles, tensor, texts, write_bundle

FEATURES = {"features": "f"}


def pipeline(*nodes: BundleNode) -> BundleNode:
    return BundleNode("pipeline", {}, nodes=nodes)


def assembler(*columns: str) -> BundleNode:
    inputs = {f"input{number}": column for number, column in enumerate(columns)}
    return BundleNode("vector_assembler", {}, inputs, {"output": "f"})


def unary(op: str, source: str, target: str, **attributes: Any) -> BundleNode:
    return BundleNode(op, attributes, {"input": source}, {"output": target})


def leaf(*values: float) -> dict[str, Any]:
    return {"type": "leaf", "values": list(values)}


def split(feature: int, threshold: float) -> dict[str, Any]:
    return {"type": "internal", "split": {"type": "continuous", "featureIndex": feature, "threshold": threshold}}


def subset(feature: int, *categories: float, is_left: bool) -> dict[str, Any]:
    found = {"type": "categorical", "featureIndex": feature, "categories": list(categories), "numCategories": 4}
    return {"type": "internal", "split": {**found, "isLeft": is_left}}


@pytest.fixture(params=["json zip", "json folder", "protobuf zip", "protobuf folder"])
def scored(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    """What scores a row with a bundle, written in each format."""
    form, kind = request.param.split()

    def score(root: BundleNode, row: dict[str, Any]) -> dict[str, Any]:
        path = tmp_path / ("bundle.zip" if kind == "zip" else "bundle")
        return load_pipeline(write_bundle(path, root, form == "protobuf")).score_instance(row)

    return score


def test_indexers_encoders_scalers_and_a_logistic_regression_work_together(scored: Any) -> None:
    labels = {"labels": texts("Köln", "Ulm", "x"), "handle_invalid": {"string": "keep"}}
    logistic = BundleNode(
        "logistic_regression",
        {
            "num_classes": {"long": 2}, "coefficients": tensor(0.5, -1.0, 2.0, 3.0, 1.0), "intercept": {"double": 0.0},
            "threshold": {"double": 0.5},
        },
        FEATURES, {"prediction": "p", "probability": "q", "raw_prediction": "r"},
    )  # fmt: skip
    row = scored(
        pipeline(
            unary("string_indexer", "city", "city_index", **labels),
            unary("one_hot_encoder", "city_index", "city_vector", size={"long": 3}, drop_last={"boolean": True}),
            pipeline(assembler("age", "city_vector", "income")),
            unary(
                "standard_scaler", "f", "g", mean=tensor(1.0, 0.0, 0.0, 0.0, 0.0), std=tensor(2.0, 1.0, 1.0, 1.0, 4.0)
            ),
            BundleNode(logistic.op, logistic.attributes, {"features": "g"}, logistic.outputs),
        ),
        {"city": "Ulm", "age": 5.0, "income": 8.0},
    )
    assert row["city_vector"].to_list() == [0.0, 1.0, 0.0]
    assert row["g"].to_list() == [2.0, 0.0, 1.0, 0.0, 2.0]
    assert row["r"].to_list() == [-5.0, 5.0]
    assert row["q"].to_list()[1] == pytest.approx(1 / (1 + math.exp(-5.0)), rel=1e-12)
    assert row["p"] == 1.0


def test_a_multinomial_matrix_stands_column_after_column(scored: Any) -> None:
    attributes = {
        "num_classes": {"long": 3},
        "coefficient_matrix": tensor(1.0, 2.0, 3.0, 4.0, 5.0, 6.0, shape=(3, 2)),
        "intercept_vector": tensor(0.0, 0.5, 0.0),
    }
    outputs = {"prediction": "p", "raw_prediction": "r"}
    row = scored(
        pipeline(assembler("a", "b"), BundleNode("logistic_regression", attributes, FEATURES, outputs)),
        {"a": 1.0, "b": 10.0},
    )
    assert row["r"].to_list() == [41.0, 52.5, 63.0]
    assert row["p"] == 2.0
    assert set(row) == {"a", "b", "f", "p", "r"}


@pytest.mark.parametrize(
    ("op", "prediction"),
    [("decision_tree_regression", 3.0), ("random_forest_regression", 3.5), ("gbt_regression", 5.0)],
)
def test_trees_of_numbers_go_left_at_thresholds_and_within_sets(scored: Any, op: str, prediction: float) -> None:
    first = [split(0, 2.0), leaf(1.0), subset(1, 1.0, 3.0, is_left=True), leaf(3.0), leaf(9.0)]
    second = [subset(1, 0.0, is_left=False), leaf(4.0), leaf(7.0)]
    weights = (1.0, 0.5) if op.startswith("gbt") else (1.0, 1.0)
    ensemble = {} if op.startswith("decision") else {"tree_weights": doubles(*weights)}
    node = BundleNode(op, {"num_features": {"long": 2}, **ensemble}, FEATURES, {"prediction": "p"}, (), [first, second])
    assert scored(pipeline(assembler("a", "b"), node), {"a": 2.5, "b": 3.0})["p"] == prediction


@pytest.mark.parametrize(
    ("op", "probability"),
    [("decision_tree_classifier", [0.25, 0.75]), ("random_forest_classifier", [0.375, 0.625])],
)
def test_trees_of_classes_share_out_what_their_leaves_counted(scored: Any, op: str, probability: list[float]) -> None:
    trees = [[split(0, 2.0), leaf(1.0, 3.0), leaf(5.0, 0.0)], [leaf(2.0, 2.0)]]
    ensemble = {} if op.startswith("decision") else {"tree_weights": doubles(1.0, 1.0)}
    attributes = {"num_features": {"long": 1}, "num_classes": {"long": 2}, **ensemble}
    outputs = {"prediction": "p", "probability": "q", "raw_prediction": "r"}
    row = scored(pipeline(assembler("a"), BundleNode(op, attributes, FEATURES, outputs, (), trees)), {"a": 2.0})
    assert row["q"].to_list() == probability
    assert row["p"] == 1.0


def test_boosted_classes_are_the_logistic_of_twice_their_sum(scored: Any) -> None:
    trees = [[split(0, 2.0), leaf(0.5), leaf(-0.5)], [leaf(0.25)]]
    attributes = {"num_classes": {"long": 2}, "tree_weights": doubles(1.0, 2.0)}
    outputs = {"prediction": "p", "probability": "q", "rawPrediction": "r"}
    node = BundleNode("gbt_classifier", attributes, FEATURES, outputs, (), trees)
    row = scored(pipeline(assembler("a"), node), {"a": 1.0})
    assert row["r"].to_list() == [-1.0, 1.0]
    assert row["q"].to_list()[1] == pytest.approx(1 / (1 + math.exp(-2.0)), rel=1e-12)


def test_single_features_are_changed_as_spark_changes_them(scored: Any) -> None:
    row = scored(
        pipeline(
            unary("imputer", "a", "a2", imputeValue={"double": 4.0}, strategy={"string": "mean"}),
            unary("binarizer", "a2", "big", threshold={"double": 3.0}),
            unary("bucketizer", "a2", "bucket", splits=doubles(-math.inf, 0.0, 4.0, math.inf)),
            assembler("a2", "b"),
            unary("min_max_scaler", "f", "m", min=tensor(0.0, 0.0), max=tensor(8.0, 2.0)),
            unary("max_abs_scaler", "f", "x", maxAbs=tensor(8.0, 2.0)),
            unary("normalizer", "f", "n", p_norm={"double": 1.0}),
            unary("elementwise_product", "f", "e", scaling_vec=tensor(2.0, 0.0)),
            unary("reverse_string_indexer", "big", "label", labels=texts("no", "yes")),
        ),
        {"a": math.nan, "b": 1.0},
    )
    assert (row["a2"], row["big"], row["bucket"], row["label"]) == (4.0, 1.0, 2.0, "yes")
    assert [row[name].to_list() for name in ("m", "x", "n", "e")] == [[0.5, 0.5], [0.5, 0.5], [0.8, 0.2], [8.0, 0.0]]


def test_text_becomes_terms_and_their_weights(scored: Any) -> None:
    row = scored(
        pipeline(
            unary("tokenizer", "text", "words"),
            unary("ngram", "words", "pairs", n={"long": 2}),
            unary("hashing_term_frequency", "words", "tf", num_features={"long": 4}),
            unary("idf", "tf", "weights", idf=tensor(1.0, 2.0, 3.0, 4.0)),
        ),
        {"text": "Ein Haus EIN"},
    )
    assert row["words"] == ["ein", "haus", "ein"]
    assert row["pairs"] == ["ein haus", "haus ein"]
    assert sum(row["tf"].to_list()) == 3.0
    assert row["weights"].to_list() == [tf * (at + 1) for at, tf in enumerate(row["tf"].to_list())]


def test_clusters_and_margins_have_their_operators(scored: Any) -> None:
    centres = {"type": "list", "tensor": [tensor(0.0, 0.0), tensor(4.0, 4.0)]}
    svc = {"coefficients": tensor(1.0, -1.0), "intercept": {"double": 0.5}}
    row = scored(
        pipeline(
            assembler("a", "b"),
            BundleNode("k_means", {"cluster_centers": centres}, FEATURES, {"prediction": "cluster"}),
            BundleNode("linear_svc", svc, FEATURES, {"prediction": "p", "rawPrediction": "r"}),
            BundleNode("linear_regression", svc, FEATURES, {"prediction": "y"}),
        ),
        {"a": 3.0, "b": 4.0},
    )
    assert (row["cluster"], row["p"], row["y"]) == (1, 0.0, -0.5)


def test_unknown_operators_and_attributes_are_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedStageError, match=r"root/n0.node: MLeap's operator word_filter is not known"):
        load_pipeline(write_bundle(tmp_path / "a.zip", pipeline(unary("word_filter", "a", "b"))))
    with pytest.raises(UnsupportedStageError, match="attribute frobnicate of tokenizer"):
        load_pipeline(write_bundle(tmp_path / "b.zip", pipeline(unary("tokenizer", "a", "b", frobnicate={"int": 1}))))


@pytest.mark.parametrize("protobuf", [False, True])
def test_whatever_is_cut_off_is_told_as_damage(tmp_path: Path, protobuf: bool) -> None:
    """A Protobuf message may be whole without its last fields: then nothing else than that error may come of it."""
    told = suppress(StageError) if protobuf else pytest.raises(StageError)
    tree = [split(0, 2.0), leaf(1.0), leaf(5.0)]
    node = BundleNode(
        "decision_tree_regression", {"num_features": {"long": 1}}, FEATURES, {"prediction": "p"}, (), [tree]
    )
    folder = write_bundle(tmp_path / "bundle", pipeline(assembler("a"), node), protobuf)
    load_pipeline(folder)
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        content = path.read_bytes()
        for keep in (0, 1, len(content) // 2, len(content) - 2):
            path.write_bytes(content[:keep])
            with told:
                load_pipeline(folder)
        path.unlink()
        with pytest.raises(StageError):
            load_pipeline(folder)
        path.write_bytes(content)


def test_a_zip_of_something_else_is_no_bundle(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(b"PK\x03\x04 nothing")
    with pytest.raises(StageError, match="no readable zip"):
        load_pipeline(tmp_path / "a.zip")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "bundle.json").write_text(json.dumps({"format": "xml"}))
    with pytest.raises(StageError, match="'xml' instead of json or protobuf"):
        load_pipeline(tmp_path / "b")


def test_nodes_do_not_lead_out_of_the_bundle(tmp_path: Path) -> None:
    root = pipeline(unary("tokenizer", "a", "b"))
    folder = write_bundle(tmp_path / "bundle", root)
    model = json.loads((folder / "root/model.json").read_text())
    model["attributes"]["nodes"]["string"] = ["../../outside"]
    (folder / "root/model.json").write_text(json.dumps(model))
    write_bundle(tmp_path / "outside.node", root)
    with pytest.raises(StageError, match="is not the name of a folder within it"):
        load_pipeline(folder)
