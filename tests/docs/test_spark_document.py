"""docs/spark.md, run as it stands: its Python gives what it says, its commands print it, its tables are today's."""

import doctest
import json
import re
from pathlib import Path

import pytest

from harness.console_document import console_steps, run_step
from harness.spark_models import stored_pipeline, written_pipeline
from skysail_container.spark.support_table import main, with_tables

PAGE = Path(__file__).parents[2] / "docs" / "spark.md"
STEP_TIMEOUT_S = 80.0


@pytest.fixture
def page() -> str:
    return PAGE.read_text("utf-8")


def test_the_tables_are_what_can_be_scored_today(page: str) -> None:
    assert with_tables(page) == page, f"run python -m skysail_container.spark.support_table {PAGE}"


def test_a_page_without_a_place_for_the_tables_is_refused() -> None:
    with pytest.raises(ValueError, match="the page has no place for the tables"):
        with_tables("# Spark")


def test_the_tables_are_printed_or_put_into_a_page(
    page: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stale = tmp_path / "page.md"
    stale.write_text(re.sub(r"\| KMeansModel .*\n", "", page))
    assert main([str(stale)]) == 0
    assert stale.read_text() == page
    assert main([]) == 0
    assert capsys.readouterr().out.strip() in page


def test_the_python_of_the_page_gives_what_it_says(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stored_pipeline("pipelines/churn", tmp_path).path.rename(tmp_path / "churn")
    monkeypatch.chdir(tmp_path)
    found = doctest.DocTestParser().get_doctest(page.replace("```\n", "\n"), {}, PAGE.name, str(PAGE), 0)
    ran = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(found)
    assert ran.attempted > 5
    assert ran.failed == 0


@pytest.mark.xdist_group("documents")
def test_the_commands_of_the_page_serve_the_stage_that_it_writes(
    page: str, tmp_path: Path, running_environment: dict[str, str]
) -> None:
    source = re.search(r"```python\n(# stages\.py\n.*?)```", page, re.DOTALL)
    assert source is not None
    ratio = ("shop.Ratio", {"inputCols": ["spent", "income"], "outputCol": "ratio"})
    (tmp_path / "ratios").mkdir()
    written_pipeline(tmp_path / "ratios" / "model", [ratio])
    (tmp_path / "ratios" / "stages.py").write_text(source[1])
    row = {"input": {"spent": 30.0, "income": 60.0}, "output": 0.5}
    (tmp_path / "ratios" / "validation.jsonl").write_text(json.dumps(row))
    steps = console_steps(page)
    assert len(steps) > 3
    for step in steps:
        run_step(step, running_environment, tmp_path, STEP_TIMEOUT_S)
