"""Stages in Python, as docs/spark.md writes them: what PySpark saves is what their twins score, and what is packed."""

import importlib
import json
import re
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pyspark.ml import Pipeline
from pyspark.ml.feature import Binarizer

from skysail_admin.errors import InvalidRequestError
from skysail_admin.packing.artifact import packed
from skysail_container.load_report import report
from skysail_container.loaders.registry import load_model
from skysail_container.manifest import read_manifest
from spark.make_fixtures import spark_session

PAGE = Path(__file__).parents[2] / "docs" / "spark.md"
RATIO = """
from pyspark.ml import Transformer
from pyspark.ml.util import DefaultParamsReadable, DefaultParamsWritable
from {module} import divided

class Share(Transformer, DefaultParamsReadable, DefaultParamsWritable):
    def _transform(self, dataset):
        return dataset.withColumn("ratio", divided(dataset, "spent", "income"))
"""
DIVIDED = "def divided(frame, above, below):\n    return frame[above] / frame[below]\n"

pytestmark = pytest.mark.filterwarnings(  # PySpark's own
    "ignore:PySpark does not yet fully support pandas", "ignore::ResourceWarning", "ignore::DeprecationWarning",
    "ignore::pytest.PytestUnraisableExceptionWarning",
)  # fmt: skip


@pytest.fixture(scope="module")
def session() -> Iterator[Any]:
    with spark_session() as spark:
        yield spark


@pytest.fixture
def known(session: Any) -> Any:
    """Rows that the ratio has an answer for."""
    frame = session.createDataFrame([(20.0, 80.0), (3.0, 7.0), (None, 1.0)], "spent double, income double")
    return frame.filter("spent is not null")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Of the user's own modules, among them the page's two; forgotten at the end."""
    place, before = tmp_path / "user", set(sys.modules)
    place.mkdir()
    for name in ("shop", "stages"):
        source = re.search(rf"```python\n(# {name}\.py\n.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
        assert source is not None
        (place / f"{name}.py").write_text(source[1])
    monkeypatch.setattr(sys, "path", [str(place), *sys.path])
    importlib.invalidate_caches()
    yield place
    forget(before)


def forget(before: set[str]) -> None:
    for name in set(sys.modules) - before:
        if name.partition(".")[0] in {"shop", "stages", "skysail_stages", "shares", "division", "firm"}:
            sys.modules.pop(name)


def fitted(stage: Any, known: Any) -> Any:
    return Pipeline(stages=[stage, Binarizer(inputCol="ratio", outputCol="much", threshold=0.3)]).fit(known)


def ratio(module: str = "shop") -> Any:
    return importlib.import_module(module).Ratio(inputCols=["spent", "income"], outputCol="ratio")


def rows_of(known: Any) -> list[dict[str, Any]]:
    return [row.asDict() for row in known.collect()]


def unpacked(folder: Path, model: Any, **options: Any) -> set[str]:
    """The names of the files beside the pipeline."""
    with packed(model, outputs=["ratio", "much"], **options) as artifact, zipfile.ZipFile(artifact.path) as archive:
        archive.extractall(folder)
        return {name for name in archive.namelist() if not name.startswith("model/")}


def test_a_saved_stage_in_python_is_scored_by_the_twin_that_the_page_writes(
    known: Any, folder: Path, tmp_path: Path
) -> None:
    model = fitted(ratio(), known)
    model.write().overwrite().save((folder / "model").as_uri())
    (folder / "skysail.json").write_text(
        '{"format": 1, "framework": "spark", "file": "model", "input_type": "json", "outputs": ["ratio", "much"],'
        ' "spark_schema": [{"name": "spent", "type": "double"}, {"name": "income", "type": "double"}]}'
    )
    served = load_model(folder, read_manifest(folder))
    rows = [row.asDict() for row in model.transform(known).collect()]
    answers = served.predict([{"spent": row["spent"], "income": row["income"]} for row in rows])
    assert answers == [{"ratio": row["ratio"], "much": row["much"]} for row in rows]


def test_a_twin_goes_with_a_pipeline_of_the_session(known: Any, folder: Path, tmp_path: Path) -> None:
    model = fitted(ratio(), known)
    names = unpacked(tmp_path / "artifact", model, examples=known, stages=folder / "stages.py")
    assert names == {"skysail.json", "validation.jsonl", "stages.py", "shop.py"}
    served = load_model(tmp_path / "artifact", read_manifest(tmp_path / "artifact"))
    assert "native" in report.served_by
    expected = [json.loads(line) for line in (tmp_path / "artifact" / "validation.jsonl").read_text().splitlines()]
    assert served.predict([row["input"] for row in expected]) == [row["output"] for row in expected]


@pytest.mark.parametrize("division", ["division", "firm.division"])
def test_the_source_of_a_stage_in_python_travels_with_the_modules_that_it_uses(
    known: Any, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, division: str
) -> None:
    before = set(sys.modules)
    (folder / "firm").mkdir()
    (folder / "firm" / "__init__.py").write_text("")
    (folder / "firm" / "other.py").write_text("")
    (folder / f"{division.replace('.', '/')}.py").write_text(DIVIDED)
    (folder / "shares.py").write_text(RATIO.format(module=division))
    model = fitted(importlib.import_module("shares").Share(), known)
    names = unpacked(tmp_path / "artifact", model, examples=known)
    firm = {"firm/__init__.py", "firm/other.py", "firm/division.py"}
    used = firm if division.startswith("firm") else {"division.py"}
    assert names == {"skysail.json", "validation.jsonl", "shares.py", *used}

    forget(before)
    monkeypatch.setattr(sys, "path", [place for place in sys.path if place != str(folder)])
    served = load_model(tmp_path / "artifact", read_manifest(tmp_path / "artifact"))
    assert "PySpark" in report.served_by
    assert Path(sys.modules["shares"].__file__ or "").parent == (tmp_path / "artifact").resolve()
    expected = [json.loads(line) for line in (tmp_path / "artifact" / "validation.jsonl").read_text().splitlines()]
    assert served.predict([row["input"] for row in expected]) == [row["output"] for row in expected]


def test_a_stage_that_no_container_can_import_is_refused_with_what_to_do(
    known: Any, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = ratio()
    monkeypatch.setattr(type(stage), "__module__", "__main__")
    monkeypatch.setattr(sys.modules["__main__"], "Ratio", type(stage), raising=False)
    model = fitted(stage, known)
    with pytest.raises(InvalidRequestError, match=r"__main__\.Ratio stands in the program .* ratio_stage\.py"):
        unpacked(tmp_path / "artifact", model)
    twin = folder / "twin.py"
    twin.write_text((folder / "stages.py").read_text().replace('"shop.Ratio"', '"__main__.Ratio"'))
    assert unpacked(tmp_path / "artifact", model, stages=twin) == {"skysail.json", "stages.py"}


def test_stages_are_a_python_file_for_a_pipeline_of_the_session(known: Any, folder: Path, tmp_path: Path) -> None:
    (folder / "broken.py").write_text("class :\n")
    model = fitted(ratio(), known)
    for stages, said in (
        (folder / "nothing.py", "is no Python file"),
        (folder, "is no Python file"),
        (5, "is no Python file"),
        (folder / "broken.py", "is not Python: invalid syntax"),
    ):
        with pytest.raises(InvalidRequestError, match=said):
            unpacked(tmp_path / "artifact", model, stages=stages)
    with pytest.raises(InvalidRequestError, match=r"only pipelines of a Spark session take stages; put a stages\.py"):
        unpacked(tmp_path / "artifact", str(folder), input_type="json", stages=folder / "stages.py")
    (folder / "stages.py").write_text((folder / "shop.py").read_text())
    with pytest.raises(InvalidRequestError, match="has the name of the file with twins"):
        unpacked(tmp_path / "artifact", fitted(ratio("stages"), known))
