"""Trees that no fixture has: old layouts, damaged files, odd shapes; and many rows at once, as each gives alone."""

import math
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from skysail_container.spark import (
    DenseVector,
    Pipeline,
    RowError,
    Scorer,
    SparseVector,
    Stage,
    StageError,
    UnsupportedStageError,
)
from skysail_container.spark.classification import ClassifierColumns
from skysail_container.spark.forest import Categories, Forest
from skysail_container.spark.regression import RegressorColumns
from skysail_container.spark.stages.tree_classification import (
    DecisionTreeClassificationModel,
    GBTClassificationModel,
    RandomForestClassificationModel,
)
from skysail_container.spark.stages.tree_regression import (
    DecisionTreeRegressionModel,
    GBTRegressionModel,
    RandomForestRegressionModel,
)
from spark.saved import FIXTURES, Saved

SCHEMA = {"features": "vector"}


def change_root(saved: Saved, change: Callable[[dict[str, Any]], None]) -> None:
    """The first node of the file."""
    rows = saved.table().to_pylist()
    change(rows[0].get("nodeData", rows[0]))
    saved.write_rows(rows)


def without_raw_count(kind: pa.DataType) -> pa.DataType:
    if not pa.types.is_struct(kind) or kind.get_field_index("rawCount") < 0:
        return kind
    return pa.struct([field for field in kind if field.name != "rawCount"])


def as_saved_by_spark_2(saved: Saved) -> None:
    """Many files in no order, no `rawCount`, no defaults in the metadata, weights by position."""
    table = saved.table()
    schema = pa.schema(
        pa.field(field.name, without_raw_count(field.type)) for field in table.schema if field.name != "rawCount"
    )
    rows = table.to_pylist()
    random.Random(1).shuffle(rows)
    saved.write([pa.Table.from_pylist(rows[start::4], schema) for start in range(4)])
    if (saved.stage / "treesMetadata").exists():
        weights = saved.table("treesMetadata").rename_columns(["_1", "_2", "_3"]).to_pylist()
        saved.write([pa.Table.from_pylist(weights[::-1])], "treesMetadata")

    def change(metadata: dict[str, Any]) -> None:
        defaults = metadata.pop("defaultParamMap")
        metadata["paramMap"] = {**metadata["paramMap"], "impurity": defaults.get("impurity", "gini")}
        metadata["sparkVersion"] = "2.3.1"

    saved.change_metadata(change)


ALONE = sorted(path.stem for path in (FIXTURES / "trees").glob("*.zip") if path.stem != "forest_between_indexers")


@pytest.mark.parametrize("name", ALONE)
def test_files_of_spark_2_score_the_same(name: str, tmp_path: Path) -> None:
    saved = Saved("trees", name, tmp_path)
    as_saved_by_spark_2(saved)
    saved.check()


def _no_rows(saved: Saved) -> None:
    saved.write([saved.table().slice(0, 0)])


def _one_node_less(saved: Saved) -> None:
    table = saved.table()
    saved.write([table.slice(0, table.num_rows - 1)])


def _a_node_twice(saved: Saved) -> None:
    table = saved.table()
    saved.write([table, table.slice(1, 1)])


def _no_nodes(saved: Saved) -> None:
    table = saved.table()
    saved.write([table.select([name for name in table.column_names if name == "treeID"] or ["prediction"])])


def _text_instead(saved: Saved) -> None:
    saved.write([pa.table({"treeID": ["a"], "nodeData": ["b"], "id": ["c"]})])


def _a_loop(saved: Saved) -> None:
    change_root(saved, lambda node: node.update(leftChild=node["id"]))


def _a_child_too_far(saved: Saved) -> None:
    change_root(saved, lambda node: node.update(rightChild=1_000_000))


def _a_child_shared(saved: Saved) -> None:
    change_root(saved, lambda node: node.update(rightChild=node["leftChild"]))


def _a_feature_below_zero(saved: Saved) -> None:
    change_root(saved, lambda node: node["split"].update(featureIndex=-7))


def _two_thresholds(saved: Saved) -> None:
    change_root(saved, lambda node: node["split"].update(leftCategoriesOrThreshold=[1.0, 2.0], numCategories=-1))


def _a_category_too_many(saved: Saved) -> None:
    change_root(saved, lambda node: node["split"].update(leftCategoriesOrThreshold=[3.0], numCategories=3))


def _stats_of_other_lengths(saved: Saved) -> None:
    change_root(saved, lambda node: node.update(impurityStats=[1.0]))


def _a_null(saved: Saved) -> None:
    change_root(saved, lambda node: node.update(prediction=None))


@pytest.mark.parametrize("name", ["decision_tree_classifier", "random_forest_regressor", "gbt_classifier"])
@pytest.mark.parametrize(
    "damage",
    [
        _no_rows,
        _one_node_less,
        _a_node_twice,
        _no_nodes,
        _text_instead,
        _a_loop,
        _a_child_too_far,
        _a_child_shared,
        _a_feature_below_zero,
        _two_thresholds,
        _a_category_too_many,
        _stats_of_other_lengths,
        _a_null,
    ],
)
def test_damaged_trees_are_refused_by_their_stage(name: str, damage: Callable[[Saved], None], tmp_path: Path) -> None:
    saved = Saved("trees", name, tmp_path)
    damage(saved)
    with pytest.raises(StageError) as caught:
        saved.load()
    assert caught.value.stage in saved.stage.name


def test_other_numbers_of_trees_weights_or_classes_are_refused(tmp_path: Path) -> None:
    boosted = Saved("trees", "gbt_regressor", tmp_path / "boosted")
    boosted.write([boosted.table("treesMetadata").slice(1)], "treesMetadata")
    with pytest.raises(StageError, match="9 weights for 10 trees"):
        boosted.load()
    forest = Saved("trees", "random_forest_regressor", tmp_path / "forest")
    forest.change_metadata(lambda metadata: metadata.update(numTrees=13))
    with pytest.raises(StageError, match="13 trees, its data has 12"):
        forest.load()
    tree = Saved("trees", "decision_tree_classifier", tmp_path / "tree")
    tree.change_metadata(lambda metadata: metadata.update(numClasses=4))
    with pytest.raises(StageError, match="4 classes, its trees have 3"):
        tree.load()


def test_a_parameter_of_the_future_is_for_spark_itself(tmp_path: Path) -> None:
    saved = Saved("trees", "decision_tree_regressor", tmp_path)
    saved.change_metadata(lambda metadata: metadata["paramMap"].update(leafKind="odd"))
    with pytest.raises(UnsupportedStageError, match="leafKind"):
        saved.load()


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ({"other": "vector"}, "features"),
        ({"features": "double"}, "vector is expected"),
        ({"features": "vector", "prediction": "double"}, "prediction"),
    ],
)
@pytest.mark.parametrize("name", ["random_forest_classifier", "gbt_regressor", "decision_tree_regressor"])
def test_columns_that_do_not_fit_are_named(name: str, schema: dict[str, str], said: str, tmp_path: Path) -> None:
    pipeline = Saved("trees", name, tmp_path).load()
    with pytest.raises(StageError, match=said):
        pipeline.bind(schema)


def test_leaves_and_variances_take_the_place_of_columns_of_their_names(tmp_path: Path) -> None:
    pipeline = Saved("trees", "decision_tree_regressor", tmp_path).load()
    scorer = pipeline.bind({"leaf": "string", "features": "vector", "variance": "int"})
    types = {name: column.type for name, column in scorer.output_schema.items()}
    assert types == {"leaf": "double", "features": "vector", "variance": "double", "prediction": "double"}
    scored = scorer.score_instance({"leaf": "a", "variance": 1, "features": DenseVector([0.0] * 5)})
    assert isinstance(scored["leaf"], float)
    assert isinstance(scored["variance"], float)


def test_leaves_have_as_many_values_as_their_trees_have_leaves(tmp_path: Path) -> None:
    pipeline = Saved("trees", "random_forest_regressor", tmp_path).load()
    group = pipeline.bind(SCHEMA).output_schema["leaves"].attributes
    assert group is not None
    assert group.attributes is not None
    assert len(group.attributes) == group.size == 12
    assert {attribute.kind for attribute in group.attributes} == {"nominal"}
    assert all((attribute.cardinality or 0) > 1 for attribute in group.attributes)


def random_forest(seed: int, n_trees: int, depth: int, *, categorical: bool, n_classes: int = 3) -> Forest:
    """Trees that end early at random; the features are 0 to 5, and 2 is categorical if any is."""
    chance = random.Random(seed)
    nodes: list[tuple[int, float, int, int]] = []
    categories: dict[int, Categories] = {}

    def grow(levels: int) -> int:
        number = len(nodes)
        if not levels or chance.random() < 0.1:
            nodes.append((-1, 0.0, -1, -1))
            return number
        feature = chance.randrange(6)
        nodes.append((-1, 0.0, -1, -1))
        if categorical and feature == 2:
            left = chance.sample(range(7), chance.randrange(1, 7))
            categories[number] = Categories.going_left([float(one) for one in left], 7)
        nodes[number] = (feature, chance.gauss(0, 1), grow(levels - 1), grow(levels - 1))
        return number

    roots = [grow(depth) for _ in range(n_trees)]
    feature, threshold, left, right = (np.array(column) for column in zip(*nodes, strict=True))
    predictions = np.array([chance.gauss(0, 1) for _ in nodes])
    stats = np.array([[float(chance.randrange(9)) for _ in range(n_classes)] for _ in nodes]) + 0.5
    return Forest(np.array(roots), feature, threshold, left, right, categories, predictions, stats)


def random_vectors(seed: int, n_rows: int) -> list[dict[str, Any]]:
    chance = random.Random(seed)
    odd = [math.nan, math.inf, -math.inf, -0.0, 0.0, 3.0, 6.0, 7.0, 2.5, -1.0, 1e300]
    rows: list[dict[str, Any]] = []
    for number in range(n_rows):
        values = [chance.choice(odd) if chance.random() < 0.2 else chance.gauss(0, 1) for _ in range(6)]
        values[2] = chance.choice(odd) if chance.random() < 0.3 else float(chance.randrange(7))
        if number % 3:
            rows.append({"features": DenseVector(values)})
        else:
            size = chance.choice([6, 700])
            rows.append({"features": SparseVector(size, [1, 2, 5], values[:3])})
    return rows


def stages(forest: Forest) -> list[Stage]:
    classes, numbers = ClassifierColumns(), RegressorColumns()
    weights = tuple(0.1 * number for number in range(1, forest.n_trees + 1))
    return [
        RandomForestClassificationModel("a", forest, classes, "leaves"),
        GBTClassificationModel("b", forest, weights, classes),
        RandomForestRegressionModel("c", forest, numbers),
        GBTRegressionModel("d", forest, weights, numbers, "leaves"),
    ]


def single_stages(forest: Forest) -> list[Stage]:
    return [
        DecisionTreeClassificationModel("a", forest, ClassifierColumns()),
        DecisionTreeRegressionModel("b", forest, RegressorColumns(), "variance", "leaf"),
        DecisionTreeRegressionModel("c", forest, RegressorColumns()),
    ]


def score_alone(scorer: Scorer, row: dict[str, Any]) -> Any:
    try:
        return scorer.score_instance(row)
    except RowError as error:
        return str(error)


@pytest.mark.parametrize("categorical", [False, True])
@pytest.mark.parametrize(("n_trees", "depth"), [(1, 0), (1, 6), (2, 1), (30, 5), (300, 3)])
def test_many_rows_give_the_bits_that_each_gives_alone(n_trees: int, depth: int, categorical: bool) -> None:
    forest = random_forest(n_trees + depth, n_trees, depth, categorical=categorical)
    rows = random_vectors(depth, 600)
    for stage in [*stages(forest), *(single_stages(forest) if n_trees == 1 else [])]:
        scorer = Pipeline(stage).bind(SCHEMA)
        assert scorer.score_rows(rows) == [score_alone(scorer, row) for row in rows], stage


def test_bad_rows_among_many_fail_alone() -> None:
    forest = random_forest(5, 20, 5, categorical=True)
    rows = random_vectors(1, 40)
    rows[3] = {"features": None}
    rows[7] = {"features": DenseVector([])}
    rows[11] = {"features": SparseVector(1, [0], [1.0])}
    for stage in stages(forest):
        scorer = Pipeline(stage).bind(SCHEMA)
        outcomes = scorer.score_rows(rows)
        assert [number for number, one in enumerate(outcomes) if isinstance(one, RowError)] == [3, 7, 11]
        assert "null" in str(outcomes[3])
        assert "0 features" in str(outcomes[7])


def chain(n_levels: int) -> Forest:
    """One tree that goes down on its left side only."""
    n_nodes = 2 * n_levels + 1
    feature = np.full(n_nodes, -1)
    left, right = np.full(n_nodes, -1), np.full(n_nodes, -1)
    inner = np.arange(n_levels)
    feature[inner] = 0
    left[inner], right[inner] = inner + 1, inner + 1 + n_levels
    threshold = np.linspace(1.0, 0.0, n_nodes)
    predictions = np.arange(n_nodes, dtype=np.float64)
    return Forest(np.array([0]), feature, threshold, left, right, {}, predictions, np.ones((n_nodes, 3)))


def test_a_tree_of_many_levels_is_walked_row_by_row() -> None:
    stage = DecisionTreeRegressionModel("deep", chain(20_000), RegressorColumns())
    bound = stage.bind(Pipeline(stage).bind(SCHEMA).schema)
    assert bound.score_rows is None
    row: dict[str, Any] = {"features": DenseVector([-1.0])}
    bound.score(row)
    assert row["prediction"] == 20_000.0


def test_numbers_of_categories_without_bounds_take_no_memory() -> None:
    huge = Categories.going_left([1.0, 2e9], 2_100_000_000)
    feature, left, right = np.array([4, -1, -1]), np.array([1, -1, -1]), np.array([2, -1, -1])
    predictions = np.array([0.0, 1.0, 2.0])
    forest = Forest(np.array([0]), feature, np.zeros(3), left, right, {0: huge}, predictions, np.ones((3, 3)))
    scorer = Pipeline(DecisionTreeRegressionModel("wide", forest, RegressorColumns())).bind(SCHEMA)
    for value, prediction in ((2e9, 1.0), (1.0, 1.0), (3.0, 2.0), (math.nan, 2.0)):
        assert scorer.score_instance({"features": DenseVector([0.0] * 4 + [value])})["prediction"] == prediction


def test_the_larger_side_of_a_split_takes_what_was_never_seen() -> None:
    assert Categories.going_left([0.0], 3) == Categories(frozenset({0.0}), members_go_left=True)
    assert Categories.going_left([0.0, 2.0], 3) == Categories(frozenset({1.0}), members_go_left=False)
    assert Categories.going_left([], 0) == Categories(frozenset(), members_go_left=True)


def one_leaf(roots: list[int]) -> Forest:
    """A single node to which no training row of either class came."""
    none = np.array([-1])
    return Forest(np.array(roots, np.int64), none, np.zeros(1), none, none, {}, np.zeros(1), np.zeros((1, 2)))


def test_leaves_without_any_training_rows_give_no_probabilities() -> None:
    forest = one_leaf([0])
    for stage in (
        DecisionTreeClassificationModel("a", forest, ClassifierColumns()),
        RandomForestClassificationModel("b", forest, ClassifierColumns()),
    ):
        with pytest.raises(RowError, match="no probabilities"):
            Pipeline(stage).bind(SCHEMA).score_instance({"features": DenseVector([1.0])})


@pytest.mark.parametrize("roots", [[], [1], [0, 0], [0, 9]])
def test_trees_must_begin_somewhere(roots: list[int]) -> None:
    with pytest.raises(ValueError, match="no trees"):
        one_leaf(roots)
