"""Saved Spark pipelines through the whole stack: deployed as Spark saved them, answered over REST as Spark does."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.local_stack import live_output, running_stack
from harness.spark_models import StoredPipeline, answer_of, stored_pipeline, written_pipeline
from skysail_admin import DeployFailedError, Skysail
from skysail_admin.cli import main
from skysail_container.output_values import difference

pytestmark = pytest.mark.xdist_group("stack-spark")  # one worker runs them all, on one stack

OUTPUTS = ["prediction", "probability"]


@pytest.fixture(scope="module")
def client() -> Iterator[Skysail]:
    with running_stack() as (_, client):
        yield client


@pytest.fixture
def stored(tmp_path: Path) -> StoredPipeline:
    """A pipeline with Spark's own outputs as its validation file."""
    stored = stored_pipeline("linear/logistic_binary", tmp_path)
    stored.write_validation(stored.path / "validation.jsonl", OUTPUTS)
    return stored


def with_application(client: Skysail, name: str) -> None:
    client.register_application(name, "json", default_output="none", slo_ms=5000)
    client.link_model_to_app(name, name)


def test_a_directory_is_deployed_in_one_line_and_answers_as_spark_does(client: Skysail, stored: StoredPipeline) -> None:
    deployed = client.deploy_model("churn", "3", stored.path).version
    assert deployed.input_type == "json"
    assert (deployed.served_by or "").startswith("native Spark scorer, 1 stage saved by Spark")
    assert any("with expected outputs" in note for note in deployed.notes)
    with_application(client, "churn")
    for record, row in stored.scored[:8]:
        assert difference(answer_of(row, OUTPUTS), live_output(client, "churn", record), 1e-12) is None
    refused = client.predict("churn", stored.refused[0])
    assert (refused.output, refused.default_reason) == ("none", "model_error")
    assert (refused.default_explanation or "").startswith("Spark fails on this row: stage LogisticRegression")
    assert client.deploy_model("churn", "3", stored.path).already_deployed


def test_a_version_that_does_not_answer_as_spark_did_never_serves(client: Skysail, stored: StoredPipeline) -> None:
    file = stored.path / "validation.jsonl"
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    lines[0]["output"]["prediction"] = 7.0
    file.write_text("\n".join(map(json.dumps, lines)))
    with pytest.raises(DeployFailedError) as caught:
        client.deploy_model("wrong", 1, stored.path)
    assert "row 1 (line 1), output.prediction: expected 7.0" in caught.value.logs


def test_a_pipeline_that_cannot_be_scored_fails_with_its_stage(client: Skysail, tmp_path: Path) -> None:
    path = written_pipeline(tmp_path / "model", [("org.apache.spark.ml.feature.Tokenizer", {})])
    (path / "stages").rename(path / "stage")
    with pytest.raises(DeployFailedError) as caught:
        client.deploy_model("damaged", 1, path)
    assert "stage pipeline: its part stages/0_stage_0 is missing" in caught.value.logs


def test_the_command_deploys_a_directory_with_the_columns_to_answer_with(
    client: Skysail, stored: StoredPipeline
) -> None:
    (stored.path / "validation.jsonl").unlink()
    stored.write_validation(stored.path / "validation.jsonl", ["rawPrediction"])
    url = ["--url", client.management.base_url]
    assert main([*url, "model", "deploy", "raw", "1", str(stored.path), "--output", "rawPrediction"]) == 0
    with_application(client, "raw")
    record, row = stored.scored[0]
    assert difference(answer_of(row, ["rawPrediction"]), live_output(client, "raw", record), 1e-12) is None
