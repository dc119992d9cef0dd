"""Pipelines of a live Spark session as artifacts: what Spark makes of the examples is what is answered."""

import json
import math
import zipfile
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pyspark.ml import Pipeline
from pyspark.ml.classification import LogisticRegression
from pyspark.ml.clustering import KMeans
from pyspark.ml.evaluation import MulticlassClassificationEvaluator
from pyspark.ml.feature import (
    IndexToString,
    OneHotEncoder,
    SQLTransformer,
    StringIndexer,
    StringIndexerModel,
    VectorAssembler,
    VectorSizeHint,
)
from pyspark.ml.linalg import Vectors
from pyspark.ml.tuning import ParamGridBuilder, TrainValidationSplit

from skysail_admin import InvalidRequestError
from skysail_admin.packing.artifact import packed
from skysail_container.loaders.spark import SparkModel
from skysail_container.loading import load_checked
from skysail_container.manifest import read_manifest
from spark.make_fixtures import spark_session

pytestmark = pytest.mark.filterwarnings(  # PySpark's own
    "ignore:PySpark does not yet fully support pandas", "ignore::ResourceWarning", "ignore::DeprecationWarning",
    "ignore::pytest.PytestUnraisableExceptionWarning",
)  # fmt: skip

COLUMNS = "id bigint, city string, plan string, income double, score float, n int, label string"


@pytest.fixture(scope="module")
def session() -> Iterator[Any]:
    with spark_session() as spark:
        yield spark


@pytest.fixture(scope="module")
def frame(session: Any) -> Any:
    """Customers, of whom every third has no plan."""
    rows = [
        (
            number,
            ["Ulm", "Bonn", "Köln"][number % 3],
            None if number % 3 == 2 else ["small", "large"][number % 2],
            number * 0.37,
            number / 7,
            number % 5,
            ["no", "yes"][number * number % 7 % 2],
        )
        for number in range(60)
    ]
    return session.createDataFrame(rows, COLUMNS)


@pytest.fixture(scope="module")
def churn(frame: Any) -> Any:
    """Indexers, one-hot, assembler, logistic regression, and the label's own words at the end."""
    labels = StringIndexer(inputCol="label", outputCol="y").fit(frame)
    stages = [
        labels,
        StringIndexer(inputCols=["city", "plan"], outputCols=["c", "p"], handleInvalid="keep"),
        OneHotEncoder(inputCols=["c", "p"], outputCols=["c1", "p1"]),
        VectorAssembler(inputCols=["c1", "p1", "income", "score", "n"], outputCol="features"),
        LogisticRegression(labelCol="y", probabilityCol="chance", regParam=0.01),
        IndexToString(inputCol="prediction", outputCol="word", labels=labels.labels),
    ]
    return Pipeline(stages=stages).fit(frame)


def unpacked(
    folder: Path, model: Any, input_type: str | None = None, **options: Any
) -> tuple[dict[str, Any], list[Any]]:
    """The manifest and the validation rows of an artifact that a container would serve."""
    with packed(model, input_type, **options) as artifact, zipfile.ZipFile(artifact.path) as archive:
        archive.extractall(folder)
    manifest = read_manifest(folder)
    checked = load_checked(folder, manifest, manifest.input_type or "json")
    assert isinstance(checked.model, SparkModel)
    lines = (folder / "validation.jsonl").read_text().splitlines()
    assert checked.validation is not None
    assert len(checked.validation.rows) == len(lines)
    return json.loads((folder / "skysail.json").read_text()), [json.loads(line) for line in lines]


def types_of(manifest: dict[str, Any]) -> dict[str, str]:
    return {column["name"]: column["type"] for column in manifest["spark_schema"]}


def test_a_live_pipeline_is_held_to_sparks_answers_for_the_examples(tmp_path: Path, churn: Any, frame: Any) -> None:
    manifest, rows = unpacked(tmp_path, churn, examples=frame)
    assert manifest["outputs"] == ["prediction", "chance", "word"]
    assert manifest["input_type"] == "json"
    scored = churn.transform(frame).orderBy("id").collect()
    assert [row["output"]["word"] for row in rows] == [row["word"] for row in scored]
    assert [row["output"]["chance"] for row in rows] == [row["chance"].tolist() for row in scored]


def test_a_query_has_the_columns_that_the_answer_needs_and_no_others(tmp_path: Path, churn: Any, frame: Any) -> None:
    manifest, _ = unpacked(tmp_path, churn, examples=frame)
    assert types_of(manifest) == {
        "city": "string",
        "plan": "string",
        "income": "double",
        "score": "float",
        "n": "int",
    }
    optional = {field["name"]: field["optional"] for field in manifest["input_schema"]["fields"]}
    assert optional == {"city": False, "plan": True, "income": False, "score": False, "n": False}


def test_the_same_pipeline_gives_the_same_artifact(churn: Any, frame: Any) -> None:
    names = []
    for _ in range(2):
        with packed(churn, examples=frame) as artifact:
            names.append(artifact.sha256)
    assert names[0] == names[1]


def test_spark_reads_what_was_packed(tmp_path: Path, churn: Any, frame: Any) -> None:
    unpacked(tmp_path, churn, examples=frame)
    again = type(churn).load((tmp_path / "model").as_uri())
    assert again.transform(frame).select("word").collect() == churn.transform(frame).select("word").collect()


def test_columns_to_answer_with_can_be_chosen(tmp_path: Path, churn: Any, frame: Any) -> None:
    manifest, rows = unpacked(tmp_path, churn, examples=frame, outputs=["features", "id"])
    assert manifest["outputs"] == ["features", "id"]
    assert rows[3]["output"]["id"] == 3
    assert len(rows[3]["output"]["features"]) == 8
    assert types_of(manifest)["id"] == "bigint"


def test_examples_may_be_a_frame_of_pandas(tmp_path: Path, churn: Any, frame: Any) -> None:
    examples = frame.limit(5).toPandas()[["city", "plan", "income", "score", "n"]]
    _, rows = unpacked(tmp_path, churn, examples=examples, outputs=["word"])
    assert len(rows) == 5


def test_numbers_in_the_columns_order_are_rows_of_numeric_input_types(tmp_path: Path, session: Any) -> None:
    frame = session.createDataFrame([(1.0, 2), (5.0, 6), (1.5, 2)], "a double, b int")
    stages = [VectorAssembler(inputCols=["a", "b"], outputCol="features"), KMeans(k=2, seed=1)]
    manifest, rows = unpacked(tmp_path, Pipeline(stages=stages).fit(frame), "doubles", examples=frame)
    assert rows[0]["input"] == [1.0, 2]
    assert manifest["input_schema"] == {"type": "number", "shape": [2]}


def test_a_tuned_model_answers_with_its_best_models_columns(tmp_path: Path, session: Any) -> None:
    rows = [(float(number % 2), Vectors.dense([number % 2, number % 3])) for number in range(40)]
    frame = session.createDataFrame(rows, ["label", "features"])
    regression = LogisticRegression(predictionCol="said")
    grid = ParamGridBuilder().addGrid(regression.regParam, [0.1]).build()
    evaluator = MulticlassClassificationEvaluator(predictionCol="said")
    tuned = TrainValidationSplit(estimator=regression, estimatorParamMaps=grid, evaluator=evaluator, seed=1).fit(frame)
    manifest, _ = unpacked(tmp_path, tuned, examples=frame)
    assert manifest["outputs"] == ["said", "probability"]


def test_values_of_every_type_come_through(tmp_path: Path, session: Any) -> None:
    sparse, dense = Vectors.sparse(3, [1], [2.5]), Vectors.dense([1.0, math.inf])
    frame = session.createDataFrame(
        [
            (1, 2, 3, 4, 0.1, 0.1, True, Decimal("1.50"), sparse, dense, math.nan),
            (None, None, None, None, None, None, None, None, sparse, dense, 1.0),
        ],
        ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k"],
    ).selectExpr(
        "cast(a as byte) a", "cast(b as short) b", "cast(c as int) c", "d", "cast(e as float) e", "f",
        "g", "cast(h as decimal(10,2)) h", "i", "j", "k",
    )  # fmt: skip
    stages = [
        VectorSizeHint(inputCol="i", size=3),
        VectorSizeHint(inputCol="j", size=2),
        VectorAssembler(inputCols=list("abcdefghijk"), outputCol="features", handleInvalid="keep"),
    ]
    manifest, rows = unpacked(tmp_path, Pipeline(stages=stages).fit(frame), examples=frame)
    assert manifest["outputs"] == ["features"]
    assert list(types_of(manifest).values()) == [
        "tinyint", "smallint", "int", "bigint", "float", "double", "boolean", "decimal(10,2)", "vector", "vector",
        "double",
    ]  # fmt: skip
    assert rows[0]["input"]["i"] == {"size": 3, "indices": [1], "values": [2.5]}
    assert rows[0]["input"]["e"] == 0.10000000149011612
    assert math.isnan(rows[0]["input"]["k"])
    assert rows[1]["input"]["h"] is None


def test_rows_that_spark_drops_are_left_out(tmp_path: Path, session: Any) -> None:
    indexer = StringIndexerModel.from_labels(["a", "b"], "letter", "index", handleInvalid="skip")
    frame = session.createDataFrame([("a",), ("x",), ("b",)], "letter string")
    _, rows = unpacked(tmp_path, indexer, examples=frame)
    assert [(row["input"]["letter"], row["output"]) for row in rows] == [("a", 0.0), ("b", 1.0)]
    with (
        pytest.raises(InvalidRequestError, match="Spark drops all 1 examples"),
        packed(indexer, examples=frame.filter("letter = 'x'")),
    ):
        pass


def test_a_statement_that_drops_all_other_columns_is_scored_in_order(tmp_path: Path, session: Any) -> None:
    frame = session.createDataFrame([(3, "c"), (1, "a"), (2, "b")], "n int, s string")
    selected = SQLTransformer(statement="SELECT n + 1 AS m, upper(s) AS t FROM __THIS__")
    _, rows = unpacked(tmp_path, selected, examples=frame)
    assert [row["output"] for row in rows] == [{"m": 4, "t": "C"}, {"m": 2, "t": "A"}, {"m": 3, "t": "B"}]


def refusal(model: Any, input_type: str | None = None, **options: Any) -> str:
    with pytest.raises(InvalidRequestError) as caught, packed(model, input_type, **options):
        pass
    return str(caught.value)


def test_what_cannot_be_deployed_is_refused_with_what_to_do(churn: Any, frame: Any, session: Any) -> None:
    assert "is not fitted yet" in refusal(Pipeline(stages=[]), examples=frame)
    assert "'label2' is not one of the pipeline's columns" in refusal(churn, examples=frame, outputs=["label2"])
    assert "does not take the examples" in refusal(churn, examples=frame.select("id"))
    assert "have no rows" in refusal(churn, examples=frame.filter("id < 0"))
    assert "rows of input type doubles do not have" in refusal(churn, "doubles", examples=frame)
    assert "method 'predict_proba' is for estimators" in refusal(churn, examples=frame, method="predict_proba")
    null = frame.selectExpr("city", "plan", "cast(null as double) income", "score", "n")
    assert "Spark fails on the examples: org.apache.spark" in refusal(churn, examples=null)
    assert "the examples make no DataFrame" in refusal(churn, examples=5)
    later = SQLTransformer(statement="SELECT date_add(day, 1) AS later FROM __THIS__")
    days = session.createDataFrame([("2026-01-01",)], "day string").selectExpr("to_date(day) day")
    assert "column 'day' is of type date" in refusal(later, examples=days)


def test_without_examples_only_the_pipeline_is_packed(churn: Any) -> None:
    with packed(churn) as artifact, zipfile.ZipFile(artifact.path) as archive:
        manifest = json.loads(archive.read("skysail.json"))
        assert not any(name.startswith("validation") for name in archive.namelist())
    assert (manifest["framework"], manifest["file"], manifest["input_type"]) == ("spark", "model", "json")
    assert "spark_schema" not in manifest
