"""Stages of the user's own, through the loader that containers use."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.container_client import connected
from harness.container_process import manifest_folder, running_container
from harness.spark_models import written_pipeline
from skysail_container.errors import ModelLoadError
from skysail_container.loaders.registry import load_model
from skysail_container.manifest import read_manifest
from skysail_container.output_values import json_values
from skysail_container.spark import StageError, registry
from skysail_container.wire import Json

DOUBLER = """
from factor import FACTOR

from skysail_container.spark import Bound, Stage, spark_stage


@spark_stage("com.example.Doubler", parameters={"inputCol": None, "outputCol": "doubled"}, training=("seed",))
class Doubler(Stage):
    def __init__(self, uid, source, target):
        self.uid, self.source, self.target = uid, source, target

    @classmethod
    def from_spark(cls, folder):
        return cls(folder.uid, folder.required("inputCol"), folder.param("outputCol"))

    def bind(self, schema):
        schema.numeric(self.uid, self.source)

        def score(row):
            if row[self.source] < 0:
                raise self.row_error("it is negative")
            row[self.target] = FACTOR * row[self.source]

        return Bound(schema.with_output(self.uid, self.target, "double"), score)
"""
STAGES = [
    ("com.example.Doubler", {"inputCol": "a", "seed": 7}),
    ("org.apache.spark.ml.feature.Binarizer", {"inputCol": "doubled", "outputCol": "large", "threshold": 3.0}),
]
SCHEMA = [{"name": "a", "type": "double"}]


@pytest.fixture(autouse=True)
def nothing_stays(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Neither the stages that a test registers nor what it imports."""
    registry.known_stages()
    monkeypatch.setattr(registry, "_kinds", dict(registry._kinds))
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield
    for name in ("skysail_stages", "factor"):
        sys.modules.pop(name, None)


def own_stages(folder: Path, source: str) -> Path:
    written_pipeline(folder / "model", STAGES)
    (folder / "stages.py").write_text(source)
    (folder / "factor.py").write_text("FACTOR = 2.0\n")
    return manifest_folder(
        folder, "spark", "model", {"input_type": "json", "spark_schema": SCHEMA, "outputs": ["doubled", "large"]}
    )


def test_a_stage_that_the_folder_defines_is_scored_among_sparks(tmp_path: Path) -> None:
    folder = own_stages(tmp_path, DOUBLER)
    model = load_model(folder, read_manifest(folder))
    assert model.predict([{"a": 1.0}, {"a": 2.0}]) == [
        {"doubled": 2.0, "large": 0.0},
        {"doubled": 4.0, "large": 1.0},
    ]


def test_a_container_serves_it_and_a_row_that_it_refuses_fails_alone(tmp_path: Path) -> None:
    with running_container(own_stages(tmp_path, DOUBLER)) as container, connected(container.address) as client:
        result = client.predict(Json((b'{"a": -1.0}', b'{"a": 2.0}')))
    assert json_values(result.outputs)[1] == {"doubled": 4.0, "large": 1.0}
    assert result.errors is not None
    assert "stage stage_0: it is negative" in result.errors[0]


def test_without_the_folders_own_stages_the_class_is_refused(tmp_path: Path) -> None:
    folder = own_stages(tmp_path, DOUBLER)
    (folder / "stages.py").unlink()
    with pytest.raises(ModelLoadError, match=r"com\.example\.Doubler is not known here"):
        load_model(folder, read_manifest(folder))


@pytest.mark.parametrize(
    ("source", "reason"),
    [("import nowhere_to_be_found", "ModuleNotFoundError"), ("def", "SyntaxError"), ("1 / 0", "ZeroDivisionError")],
)
def test_a_file_of_stages_that_cannot_be_imported_is_named(tmp_path: Path, source: str, reason: str) -> None:
    folder = own_stages(tmp_path, source)
    with pytest.raises(StageError, match=rf"stages\.py.*cannot be imported: {reason}"):
        load_model(folder, read_manifest(folder))


def test_a_saved_parameter_that_the_stage_does_not_declare_is_refused(tmp_path: Path) -> None:
    folder = own_stages(tmp_path, DOUBLER.replace(', training=("seed",)', ""))
    with pytest.raises(ModelLoadError, match="its parameter seed is not known here"):
        load_model(folder, read_manifest(folder))
