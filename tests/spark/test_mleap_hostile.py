"""Bundles that lie: about their sizes, their types, where their parts are, or how much they unpack to."""

import json
import struct
import time
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from skysail_container.spark import StageError, UnsupportedStageError, load_pipeline
from skysail_container.spark.mleap import files
from spark.bundles import BundleNode, doubles, longs, tensor, tensors, texts, write_bundle

FEATURES = {"features": "f"}
PREDICTION = {"prediction": "p"}
MAX_BYTES = 8 << 20
MAX_S = 5.0

LOGISTIC = BundleNode(
    "logistic_regression",
    {"num_classes": {"long": 2}, "coefficients": tensor(1.0, 2.0), "intercept": {"double": 1.0}},
)
NODES = [
    BundleNode("pca", {"principal_components": tensor(*range(6), shape=(3, 2))}, {"input": "a"}, {"output": "b"}),
    BundleNode(
        "naive_bayes",
        {"pi": tensor(-1.0, -2.0), "theta": tensor(*[-1.0] * 4, shape=(2, 2)), "model_type": {"string": "multinomial"}},
        FEATURES, PREDICTION,
    ),
    BundleNode(
        "gaussian_mixture",
        {"means": tensors(tensor(0.0)), "covs": tensors(tensor(1.0, shape=(1, 1))), "weights": doubles(1.0)},
        FEATURES, PREDICTION,
    ),
    BundleNode(
        "lda_local_model_op",
        {
            "vocabSize": {"int": 2}, "docConcentration": doubles(0.5), "topicConcentration": {"double": 0.5},
            "topicMatrix": tensor(1.0, 1.0, shape=(2, 1)),
        },
        FEATURES, {"topic_distribution": "t"},
    ),
    BundleNode(
        "word_to_vector", {"words": texts("a", "b"), "indices": longs(1, 0), "word_vectors": doubles(1.0, 2.0)},
        {"input": "a"}, {"output": "b"},
    ),
    BundleNode(
        "regex_tokenizer",
        {
            "regex": {"string": "x"}, "match_gaps": {"boolean": True}, "token_min_length": {"int": 1},
            "lowercase_text": {"boolean": True},
        },
        {"input": "a"}, {"output": "b"},
    ),
    BundleNode(
        "count_vectorizer",
        {"vocabulary": texts("a"), "binary": {"boolean": True}, "min_tf": {"double": 1.0}},
        {"input": "a"}, {"output": "b"},
    ),
    BundleNode(
        "stopwords_remover", {"stop_words": texts("a"), "case_sensitive": {"boolean": True}},
        {"input": "a"}, {"output": "b"},
    ),
    BundleNode(
        "generalized_linear_regression",
        {
            "coefficients": tensor(1.0), "intercept": {"double": 1.0}, "family": {"string": "poisson"},
            "link": {"string": "log"},
        },
        FEATURES, PREDICTION,
    ),
    BundleNode("one_vs_rest", {"num_classes": {"long": 2}}, FEATURES, PREDICTION, models=[LOGISTIC, LOGISTIC]),
]  # fmt: skip
OPTIONAL = {"indices", "link", "topicConcentration"}
BISECTING = BundleNode(
    "bisecting_k_means", {}, FEATURES, PREDICTION,
    clusters=[{"index": -1, "norm": 1.0, "values": [1.0], "numChildren": 1},
              {"index": 0, "norm": 1.0, "values": [1.0], "numChildren": 0}],
)  # fmt: skip
WRONG = [
    {"string": "x"},
    {"double": 0.5},
    {"boolean": True},
    {"type": "list", "boolean": [True]},
    {"long": "x"},
    7,
    None,
]


@pytest.fixture(autouse=True)
def _soon_and_small() -> Iterator[None]:
    tracemalloc.start()
    started_at = time.monotonic()
    yield
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak_bytes < MAX_BYTES
    assert time.monotonic() - started_at < MAX_S


def with_attribute(folder: Path, name: str, value: Any) -> Path:
    return changed(folder, lambda model: model["attributes"].update({name: value}))


def without_attribute(folder: Path, name: str) -> Path:
    return changed(folder, lambda model: model["attributes"].pop(name))


def changed(folder: Path, change: Callable[[dict[str, Any]], object], name: str = "root/model.json") -> Path:
    """The bundle with another model."""
    path = folder / name
    model = json.loads(path.read_text())
    change(model)
    path.write_text(json.dumps(model))
    return folder


@pytest.mark.parametrize("node", NODES, ids=lambda node: node.op)
def test_attributes_that_are_missing_or_of_another_type_are_told_with_the_operator(
    node: BundleNode, tmp_path: Path
) -> None:
    folder = write_bundle(tmp_path / "bundle", node)
    load_pipeline(folder)
    content = (folder / "root/model.json").read_text()
    for name, value in node.attributes.items():
        if name not in OPTIONAL:
            with pytest.raises(StageError, match=f"{node.op}: .*{name}"):
                load_pipeline(without_attribute(folder, name))
        for wrong in WRONG:
            (folder / "root/model.json").write_text(content)
            if isinstance(wrong, dict) and set(wrong) & set(value) - {"type"}:
                continue
            if name == "topicConcentration":  # nothing reads it
                continue
            with pytest.raises(StageError):
                load_pipeline(with_attribute(folder, name, wrong))
        (folder / "root/model.json").write_text(content)


@pytest.mark.parametrize("size", [2**31 - 1, -1, 2**63, 0.5, "3"])
@pytest.mark.parametrize("at", [0, 1])
def test_sizes_of_tensors_are_those_of_their_numbers(tmp_path: Path, size: Any, at: int) -> None:
    folder = write_bundle(tmp_path / "bundle", NODES[0])

    def lie(model: dict[str, Any]) -> None:
        model["attributes"]["principal_components"]["shape"]["dimensions"][at]["size"] = size

    with pytest.raises(StageError, match="pca: this is not what MLeap writes"):
        load_pipeline(changed(folder, lie))


def test_a_tensor_of_empty_dimensions_has_no_classes(tmp_path: Path) -> None:
    """Of no numbers the shape may be anything with a zero in it."""
    lie = tensor(shape=(2**31 - 1, 0))
    node = BundleNode("naive_bayes", {**NODES[1].attributes, "theta": lie}, FEATURES, PREDICTION)
    with pytest.raises(StageError, match=r"naive_bayes: .*has no numbers"):
        load_pipeline(write_bundle(tmp_path / "bundle.zip", node, protobuf=True))


@pytest.mark.parametrize("cut", [1, 2, 5, 9])
@pytest.mark.parametrize("node", [*NODES, BISECTING], ids=lambda node: node.op)
def test_protobuf_that_is_cut_off_is_told_as_such(node: BundleNode, cut: int, tmp_path: Path) -> None:
    folder = write_bundle(tmp_path / "bundle", node, protobuf=True)
    path = folder / ("root/tree.pb" if node.clusters else "root/model.pb")
    path.write_bytes(path.read_bytes()[:-cut])
    with pytest.raises(StageError, match=r"cut off"):
        load_pipeline(folder)


def test_lengths_beyond_the_end_are_told_as_such(tmp_path: Path) -> None:
    folder = write_bundle(tmp_path / "bundle", BISECTING, protobuf=True)
    for lie in (b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\x00\x00"):
        (folder / "root/tree.pb").write_bytes(lie)
        with pytest.raises(StageError, match=r"bisecting_k_means: root/tree\.pb is no tree"):
            load_pipeline(folder)
    (folder / "root/model.pb").write_bytes(b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\x7fpca")
    with pytest.raises(StageError, match="cut off"):
        load_pipeline(folder)


@pytest.mark.parametrize("n_children", [0, 1, 3, 2**32 - 1])
def test_a_tree_of_clusters_ends_and_is_not_too_deep(tmp_path: Path, n_children: int) -> None:
    nodes = [{"index": 1, "norm": 1.0, "values": [1.0], "numChildren": n_children}] * 5000
    node = BundleNode("bisecting_k_means", {}, FEATURES, PREDICTION, clusters=nodes)
    folder = write_bundle(tmp_path / "bundle", node, protobuf=True)
    if n_children == 0:
        load_pipeline(folder)
        return
    with pytest.raises(StageError, match="more than 200 deep"):
        load_pipeline(folder)


@pytest.mark.parametrize("name", ["../../outside", "/etc", "..", ".", "", "a/b", "a\\b", "a\0b"])
@pytest.mark.parametrize("attribute", ["nodes", "trees"])
def test_parts_are_folders_within_a_bundle(tmp_path: Path, name: str, attribute: str) -> None:
    op = "pipeline" if attribute == "nodes" else "random_forest_regression"
    node = BundleNode(op, {"trees": texts(name), "tree_weights": doubles(1.0)}, FEATURES, PREDICTION)
    folder = write_bundle(tmp_path / "bundle", node if attribute == "trees" else BundleNode("pipeline", {}))
    with_attribute(folder, attribute, texts(name))
    with pytest.raises(StageError, match=f"{op}: its part .* is not the name of a folder within it"):
        load_pipeline(folder)


def test_a_name_that_is_too_long_for_a_file_is_no_crash(tmp_path: Path) -> None:
    folder = write_bundle(tmp_path / "bundle", BundleNode("pipeline", {}))
    with pytest.raises(StageError, match="cannot be read"):
        load_pipeline(with_attribute(folder, "nodes", texts("a" * 300)))


def test_no_part_is_read_twice(tmp_path: Path) -> None:
    """A few nested pipelines of the same parts would be more stages than there is memory."""
    folder = write_bundle(tmp_path / "bundle", BundleNode("pipeline", {}, nodes=[BundleNode("pipeline", {})]))
    with pytest.raises(StageError, match="pipeline: its nodes are not different ones"):
        load_pipeline(with_attribute(folder, "nodes", texts("n0", "n0")))


def test_links_do_not_lead_out_of_a_bundle(tmp_path: Path) -> None:
    outside = write_bundle(tmp_path / "outside", NODES[0])
    folder = write_bundle(tmp_path / "bundle", NODES[0])
    (folder / "root/model.json").unlink()
    (folder / "root/model.json").symlink_to(outside / "root/model.json")
    with pytest.raises(StageError, match="leads out of the bundle"):
        load_pipeline(folder)


def test_one_vs_rest_does_not_consist_of_itself(tmp_path: Path) -> None:
    inner = BundleNode("one_vs_rest", {"num_classes": {"long": 2}}, models=[LOGISTIC, LOGISTIC])
    node = BundleNode("one_vs_rest", {"num_classes": {"long": 1}}, FEATURES, PREDICTION, models=[inner])
    with pytest.raises(UnsupportedStageError, match="one_vs_rest: it is none of the classifiers"):
        load_pipeline(write_bundle(tmp_path / "bundle.zip", node))


@pytest.mark.parametrize("n_classes", [0, -1, 3, 2**40])
def test_one_vs_rest_has_a_model_for_each_class(tmp_path: Path, n_classes: int) -> None:
    node = BundleNode("one_vs_rest", {"num_classes": {"long": n_classes}}, FEATURES, PREDICTION, models=[LOGISTIC] * 2)
    with pytest.raises(StageError, match=r"one_vs_rest: (it has .* classifiers|the bundle has no root/model2)"):
        load_pipeline(write_bundle(tmp_path / "bundle.zip", node))


@pytest.mark.parametrize(
    ("node", "why"),
    [
        (BundleNode("naive_bayes", {**NODES[1].attributes, "model_type": {"string": "gaussian"}}), "model_type"),
        (BundleNode("word_to_vector", {**NODES[4].attributes, "kernel": {"string": "sqrt"}}), "kernel"),
        (BundleNode("word_to_vector", {**NODES[4].attributes, "word_vectors": doubles(0.1, 0.5)}), "float32"),
        (BundleNode("generalized_linear_regression", {"family": {"string": "Tweedie"}}), "tweedie"),
        (BundleNode("one_vs_rest", {}, FEATURES, {**PREDICTION, "probability": "q"}), "probabilities"),
    ],
)  # fmt: skip
def test_what_a_bundle_does_not_hold_whole_is_refused(tmp_path: Path, node: BundleNode, why: str) -> None:
    with pytest.raises(UnsupportedStageError, match=f"{node.op}: .*{why}"):
        load_pipeline(write_bundle(tmp_path / "bundle.zip", node))


def test_a_zip_that_unpacks_to_far_more_than_it_is_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a smaller limit, so that the test need not write so much."""
    monkeypatch.setattr(files, "_MAX_UNPACKED_BYTES", 1 << 20)
    path = write_bundle(tmp_path / "bundle.zip", NODES[0])
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("root/more", bytes(2 << 20))
    with pytest.raises(StageError, match="it would unpack to 2 MB"):
        load_pipeline(path)


def test_a_file_that_is_longer_or_shorter_than_the_zip_says_is_damage(tmp_path: Path) -> None:
    path = write_bundle(tmp_path / "bundle.zip", NODES[0])
    content = path.read_bytes()
    at = content.index(b"PK\x01\x02")  # the entry of bundle.json in the directory; its size is 24 bytes on
    for size in (3, 1 << 30):
        path.write_bytes(content[: at + 24] + struct.pack("<I", size) + content[at + 28 :])
        with pytest.raises(StageError):
            load_pipeline(path)
