"""Saved Spark pipelines: the stored ones with Spark's outputs, and folders with nothing but metadata."""

import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["StoredPipeline", "answer_of", "record_of", "stage_folder", "stored_pipeline", "written_pipeline"]

FIXTURES = Path(__file__).parents[1] / "spark" / "fixtures"


@dataclass(frozen=True)
class StoredPipeline:
    """A pipeline that Spark saved, with rows and what Spark made of them."""

    path: Path
    types: dict[str, str]
    records: list[dict[str, Any]]
    """The rows as a query brings them."""
    expected: list[dict[str, Any]]
    """Of each row `{"row": all its columns}`, `{"dropped": true}` or `{"error": why}`; vectors as records have them."""

    @property
    def scored(self) -> list[tuple[dict[str, Any], dict[str, Any]]]:
        """Rows that Spark gives outputs for, with all columns then."""
        pairs = zip(self.records, self.expected, strict=True)
        return [(record, expected["row"]) for record, expected in pairs if "row" in expected]

    @property
    def refused(self) -> list[dict[str, Any]]:
        """Rows that Spark fails on or drops."""
        pairs = zip(self.records, self.expected, strict=True)
        return [record for record, expected in pairs if "row" not in expected]

    def write_validation(self, path: Path, outputs: Sequence[str]) -> None:
        """A validation file with Spark's own outputs."""
        lines = [json.dumps({"input": record, "output": answer_of(row, outputs)}) for record, row in self.scored]
        path.write_text("\n".join(lines))

    @property
    def spark_schema(self) -> list[dict[str, str]]:
        """As a manifest has it."""
        return [{"name": name, "type": column_type} for name, column_type in self.types.items()]


def stored_pipeline(name: str, folder: Path) -> StoredPipeline:
    """The stored pipeline `family/name`, unpacked into `folder`."""
    with zipfile.ZipFile(FIXTURES / f"{name}.zip") as archive:
        archive.extractall(folder)
    about = json.loads((folder / "expected.json").read_text())
    (folder / "expected.json").unlink()
    expected = [{kind: record_of(one) for kind, one in outcome.items()} for outcome in about["expected"]]
    return StoredPipeline(folder / "model", about["schema"], [record_of(row) for row in about["rows"]], expected)


def answer_of(row: Mapping[str, Any], outputs: Sequence[str]) -> Any:
    """What a query is answered: a sole output itself, an object of several, vectors as lists."""
    answers = {name: _listed(row[name]) for name in outputs}
    return answers[outputs[0]] if len(outputs) == 1 else answers


def _listed(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    numbers = [0.0] * value["size"]
    for index, number in zip(value["indices"], value["values"], strict=True):
        numbers[index] = number
    return numbers


def record_of(value: Any) -> Any:
    """A stored value in the form that a query has it."""
    if isinstance(value, dict):
        if value.keys() == {"dense"}:
            return value["dense"]
        if value.keys() == {"sparse"}:
            return dict(zip(("size", "indices", "values"), value["sparse"], strict=True))
        return {name: record_of(one) for name, one in value.items()}
    return [record_of(one) for one in value] if isinstance(value, list) else value


def stage_folder(folder: Path, spark_class: str, uid: str, params: Mapping[str, Any]) -> Path:
    """A saved stage that has only parameters."""
    about = {"class": spark_class, "uid": uid, "sparkVersion": "3.5.1", "timestamp": 1, "paramMap": dict(params)}
    (folder / "metadata").mkdir(parents=True)
    (folder / "metadata" / "part-00000").write_text(json.dumps(about))
    return folder


def written_pipeline(folder: Path, stages: Sequence[tuple[str, Mapping[str, Any]]]) -> Path:
    """A saved pipeline of stages that have only parameters, each given as its class and these."""
    uids = [f"stage_{number}" for number in range(len(stages))]
    for number, (spark_class, params) in enumerate(stages):
        digits = len(str(len(uids)))
        stage_folder(folder / "stages" / f"{number:0{digits}}_{uids[number]}", spark_class, uids[number], params)
    return stage_folder(folder, "org.apache.spark.ml.PipelineModel", "pipeline", {"stageUids": uids})
