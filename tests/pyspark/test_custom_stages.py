"""Stages in Python, as docs/spark.md writes them: what PySpark saves is what their twins score."""

import importlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pyspark.ml import Pipeline
from pyspark.ml.feature import Binarizer

from skysail_container.loaders.registry import load_model
from skysail_container.manifest import read_manifest
from spark.make_fixtures import spark_session

PAGE = Path(__file__).parents[2] / "docs" / "spark.md"

pytestmark = pytest.mark.filterwarnings(  # PySpark's own
    "ignore:PySpark does not yet fully support pandas", "ignore::ResourceWarning", "ignore::DeprecationWarning",
    "ignore::pytest.PytestUnraisableExceptionWarning",
)  # fmt: skip


@pytest.fixture(scope="module")
def session() -> Iterator[Any]:
    with spark_session() as spark:
        yield spark


def test_a_saved_stage_in_python_is_scored_by_the_twin_that_the_page_writes(
    session: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("shop", "stages"):
        source = re.search(rf"```python\n(# {name}\.py\n.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
        assert source is not None
        (tmp_path / f"{name}.py").write_text(source[1])
    monkeypatch.syspath_prepend(str(tmp_path))
    ratio = importlib.import_module("shop").Ratio(inputCols=["spent", "income"], outputCol="ratio")
    frame = session.createDataFrame([(20.0, 80.0), (3.0, 7.0), (None, 1.0)], "spent double, income double")
    known = frame.filter("spent is not null")
    model = Pipeline(stages=[ratio, Binarizer(inputCol="ratio", outputCol="much", threshold=0.3)]).fit(known)
    model.write().overwrite().save((tmp_path / "model").as_uri())
    (tmp_path / "skysail.json").write_text(
        '{"format": 1, "framework": "spark", "file": "model", "input_type": "json", "outputs": ["ratio", "much"],'
        ' "spark_schema": [{"name": "spent", "type": "double"}, {"name": "income", "type": "double"}]}'
    )
    served = load_model(tmp_path, read_manifest(tmp_path))
    rows = [row.asDict() for row in model.transform(known).collect()]
    answers = served.predict([{"spent": row["spent"], "income": row["income"]} for row in rows])
    assert answers == [{"ratio": row["ratio"], "much": row["much"]} for row in rows]
    for name in ("shop", "skysail_stages"):
        sys.modules.pop(name, None)
