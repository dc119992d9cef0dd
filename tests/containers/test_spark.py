"""Spark pipelines as models: Spark's own answers pass the gate, and a row that Spark refuses fails alone."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from harness.container_client import connected
from harness.container_process import manifest_folder, running_container
from harness.spark_models import StoredPipeline, answer_of, stage_folder, stored_pipeline, written_pipeline
from skysail_container.batch_execution import run_batch
from skysail_container.batch_output import BatchOutput
from skysail_container.errors import ManifestError, ModelLoadError, ValidationError
from skysail_container.load_report import LoadReport
from skysail_container.loaders import registry, spark
from skysail_container.loading import load_checked
from skysail_container.manifest import read_manifest
from skysail_container.model import Model
from skysail_container.output_values import difference, json_values
from skysail_container.spark import StageError, UnsupportedStageError
from skysail_container.wire import Json

LOGISTIC = "linear/logistic_binary"


def folder_of(stored: StoredPipeline, **manifest: Any) -> Path:
    fields = {"spark_schema": stored.spark_schema, "input_type": "json", **manifest}
    return manifest_folder(
        stored.path.parent, "spark", "model", {name: value for name, value in fields.items() if value is not None}
    )


def loaded(folder: Path) -> Model:
    return registry.load_model(folder, read_manifest(folder))


def json_rows(records: list[Any]) -> Json:
    return Json(tuple([json.dumps(record).encode() for record in records]))


def answers(model: Model, records: list[Any]) -> BatchOutput:
    return run_batch(model, json_rows(records), lambda: True)


def error_of(model: Model, record: Any) -> str:
    errors = answers(model, [record]).errors
    assert errors is not None
    return errors[0]


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> LoadReport:
    """What loading tells, of this test alone."""
    fresh = LoadReport()
    for module in (spark, registry):
        monkeypatch.setattr(module, "report", fresh)
    return fresh


@pytest.fixture
def logistic(tmp_path: Path) -> StoredPipeline:
    """Features in, raw predictions, probabilities and predictions out."""
    return stored_pipeline(LOGISTIC, tmp_path)


@pytest.mark.parametrize(
    ("name", "outputs"),
    [
        (LOGISTIC, ["prediction", "probability"]),
        ("linear/logistic_binary_renamed", ["class", "p"]),
        ("linear/linear_regression_huber", ["value"]),
        ("linear/support_vectors_raw_only", ["rawPrediction"]),
        ("trees/random_forest_classifier", ["prediction", "probability"]),
        ("clustering/gaussian_mixture", ["prediction", "probability"]),
        ("clustering/kmeans_of_float_arrays", ["prediction"]),
        ("recommending/als_of_small_numbers", ["prediction"]),
        ("recommending/fp_growth", ["prediction"]),
        ("tokens/bigrams", ["grams"]),
        ("text_vectors/counts_to_tf_idf", ["weighted"]),
    ],
)
def test_sparks_own_answers_pass_the_gate_and_those_columns_are_the_answer(
    tmp_path: Path, name: str, outputs: list[str]
) -> None:
    stored = stored_pipeline(name, tmp_path)
    stored.write_validation(tmp_path / "validation.jsonl", outputs)
    folder = folder_of(stored, tolerance=1e-9)
    checked = load_checked(folder, read_manifest(folder), "json")
    assert checked.validation is not None
    assert len(checked.validation.rows) == len(stored.scored)


def test_an_answer_that_is_not_sparks_does_not_pass(logistic: StoredPipeline) -> None:
    logistic.write_validation(logistic.path.parent / "validation.jsonl", ["prediction", "rawPrediction"])
    folder = folder_of(logistic)
    with pytest.raises(ValidationError, match="expected the fields prediction, rawPrediction"):
        load_checked(folder, read_manifest(folder), "json")


@pytest.mark.parametrize("batch", ["all at once", "one by one"])
def test_rows_that_spark_fails_on_or_drops_fail_alone_with_the_stage_and_reason(
    logistic: StoredPipeline, batch: str
) -> None:
    model = loaded(folder_of(logistic))
    assert logistic.refused
    records = logistic.records
    together = answers(model, records) if batch == "all at once" else None
    for number, (record, expected) in enumerate(zip(records, logistic.expected, strict=True)):
        output = together or answers(model, [record])
        index = number if together else 0
        errors = output.errors or {}
        if "row" in expected:
            assert index not in errors
            wanted = answer_of(expected["row"], ["prediction", "probability"])
            assert difference(wanted, json_values(output.rows)[index], 1e-12) is None
        else:
            assert errors[index].startswith("refused: Spark fails on this row: stage LogisticRegression")


def test_a_row_that_spark_drops_fails_alone_with_the_reason(tmp_path: Path) -> None:
    stored = stored_pipeline("recommending/als_drop", tmp_path)
    output = answers(loaded(folder_of(stored)), stored.records)
    dropped = [index for index, expected in enumerate(stored.expected) if "dropped" in expected]
    assert dropped
    assert output.errors is not None
    assert all(output.errors[index].startswith("refused: Spark drops this row: stage ALS_") for index in dropped)
    assert len(output.errors) == len(stored.refused)


def test_a_row_of_a_wrong_type_fails_alone_with_its_column(logistic: StoredPipeline) -> None:
    good = logistic.scored[0][0]
    output = answers(loaded(folder_of(logistic)), [good, {"features": "none"}, {"feature": [1]}, 5, good])
    assert output.errors is not None
    assert sorted(output.errors) == [1, 2, 3]
    assert output.errors[1].startswith("refused: column 'features': a list of numbers or an object")
    assert output.errors[2] == "refused: there is no column 'feature', only features"
    assert output.errors[3].startswith("refused: column 'features': a list of numbers")
    values = json_values(output.rows)
    assert values[0] == values[4]


def test_chosen_columns_are_the_answer(logistic: StoredPipeline) -> None:
    record, row = logistic.scored[0]
    model = loaded(folder_of(logistic, outputs=["rawPrediction"]))
    assert json_values(answers(model, [record]).rows) == [answer_of(row, ["rawPrediction"])]
    model = loaded(folder_of(logistic, outputs=["features", "prediction"]))
    assert json_values(answers(model, [record]).rows) == [answer_of(row, ["features", "prediction"])]


def test_an_output_that_there_is_not_is_refused(logistic: StoredPipeline) -> None:
    with pytest.raises(ManifestError, match="outputs: 'label' is not one of the pipeline's columns: features, raw"):
        loaded(folder_of(logistic, outputs=["label"]))


def test_a_column_that_a_stage_misses_is_named_with_it(logistic: StoredPipeline) -> None:
    with pytest.raises(StageError, match=r"stage LogisticRegression_.*, column 'features'"):
        loaded(folder_of(logistic, spark_schema=[{"name": "age", "type": "int"}]))


def test_a_column_of_a_type_that_rows_cannot_have_is_refused(logistic: StoredPipeline) -> None:
    with pytest.raises(ManifestError, match="spark_schema: column 'day' is of type date"):
        loaded(folder_of(logistic, spark_schema=[{"name": "day", "type": "date"}]))


@pytest.mark.parametrize("schema", [{"a": "int"}, [5], [{"name": "a"}], [{"name": "a", "type": 1}]])
def test_a_schema_that_is_none_is_refused(logistic: StoredPipeline, schema: Any) -> None:
    with pytest.raises(ManifestError, match="spark_schema"):
        read_manifest(folder_of(logistic, spark_schema=schema))


def test_a_column_is_listed_once(logistic: StoredPipeline) -> None:
    with pytest.raises(ManifestError, match="two columns have the same name"):
        read_manifest(folder_of(logistic, spark_schema=logistic.spark_schema * 2))


def test_what_serves_it_is_told(logistic: StoredPipeline, told: LoadReport) -> None:
    loaded(folder_of(logistic))
    assert told.served_by.startswith("native Spark scorer, 1 stage saved by Spark 4.")
    assert told.notes == []


def test_without_a_schema_each_row_shows_its_types(logistic: StoredPipeline, told: LoadReport) -> None:
    model = loaded(folder_of(logistic, spark_schema=None))
    assert "no spark_schema" in told.notes[0]
    record, row = logistic.scored[0]
    output = answers(model, [record, {"features": "text"}, 5, {}, record])
    assert output.errors is not None
    assert sorted(output.errors) == [1, 2, 3]
    assert "vector is expected, this is string" in output.errors[1]
    assert "there is no such column" in output.errors[3]
    wanted = answer_of(row, ["prediction", "probability"])
    assert difference(wanted, json_values(output.rows)[4], 1e-12) is None


def test_many_sorts_of_rows_without_a_schema_are_bound_anew(logistic: StoredPipeline) -> None:
    model = loaded(folder_of(logistic, spark_schema=None))
    record = logistic.scored[0][0]
    rows = [{**record, f"other_{number}": 1} for number in range(40)]
    output = answers(model, rows)
    assert output.errors is None
    assert len(set(map(json.dumps, json_values(output.rows)))) == 1


def test_rows_of_numbers_are_a_sole_vector(logistic: StoredPipeline) -> None:
    import numpy as np

    dense = [(record["features"], row) for record, row in logistic.scored if isinstance(record["features"], list)]
    model = loaded(folder_of(logistic, input_type="doubles", outputs=["prediction"]))
    predicted = model.predict(np.array([features for features, _ in dense]))
    assert predicted == [row["prediction"] for _, row in dense]


def test_a_stage_that_only_spark_knows_is_named_with_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyspark", None)
    written_pipeline(tmp_path / "model", [("com.example.Sentiment", {})])
    manifest_folder(tmp_path, "spark", "model", {})
    with pytest.raises(
        UnsupportedStageError, match=r"stage stage_0: com\.example\.Sentiment is not known here"
    ) as caught:
        loaded(tmp_path)
    assert "pip install 'skysail-container[pyspark,java]'" in str(caught.value)


@pytest.mark.parametrize(
    ("damage", "text"),
    [
        ("stages", "stage pipeline: its part stages/0_stage_0 is missing"),
        ("stages/0_stage_0/metadata", "has no metadata/part-"),
        ("metadata", "has no metadata/part-"),
    ],
)
def test_a_damaged_pipeline_is_refused(tmp_path: Path, damage: str, text: str) -> None:
    path = written_pipeline(tmp_path / "model", [("org.apache.spark.ml.feature.Tokenizer", {})])
    (path / damage).rename(tmp_path / "elsewhere")
    manifest_folder(tmp_path, "spark", "model", {})
    with pytest.raises(ModelLoadError, match=text):
        loaded(tmp_path)


def test_a_model_of_the_old_library_is_refused(tmp_path: Path) -> None:
    stage_folder(tmp_path / "model", "org.apache.spark.mllib.clustering.KMeansModel", "old", {})
    manifest_folder(tmp_path, "spark", "model", {})
    with pytest.raises(StageError, match=r"is of the old spark\.mllib"):
        loaded(tmp_path)


def test_a_container_answers_as_spark_does(logistic: StoredPipeline) -> None:
    record, row = logistic.scored[0]
    logistic.write_validation(logistic.path.parent / "validation.jsonl", ["prediction", "probability"])
    with running_container(folder_of(logistic)) as container, connected(container.address) as client:
        result = client.predict(json_rows([record, logistic.refused[0]]))
        assert result.errors is not None
        assert "Spark fails on this row" in result.errors[1]
        wanted = answer_of(row, ["prediction", "probability"])
        assert difference(wanted, json_values(result.outputs)[0], 1e-12) is None
