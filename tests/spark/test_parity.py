"""Every stored pipeline gives what Spark gave for the same rows: one row at a time, together, and in columns."""

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from skysail_container.spark import Pipeline, RowDropped, RowError, Scorer, load_pipeline
from spark.differences import differences
from spark.values import from_json

FIXTURES = sorted((Path(__file__).parent / "fixtures").glob("*/*.zip"))


class Fixture:
    def __init__(self, path: Path, folder: Path) -> None:
        with zipfile.ZipFile(path) as archive:
            archive.extractall(folder)
        about = json.loads((folder / "expected.json").read_text())
        self.schema: dict[str, str] = about["schema"]
        self.output_types: dict[str, str] = about["output_types"]
        self.tolerances: tuple[float, float, list[str]] = (about["rtol"], about["atol"], about.get("unordered", []))
        self.rows: list[dict[str, Any]] = [
            {name: from_json(value) for name, value in row.items()} for row in about["rows"]
        ]
        self.expected: list[dict[str, Any]] = about["expected"]
        self.pipeline: Pipeline = load_pipeline(folder / "model")
        self.scorer: Scorer = self.pipeline.bind(self.schema)

    def check(self, number: int, outcome: Any) -> None:
        expected = self.expected[number]
        said = f"row {number}, {self.rows[number]}"
        if "error" in expected:
            assert isinstance(outcome, RowError), f"{said}: {outcome!r}, but Spark fails: {expected['error']}"
        elif "dropped" in expected:
            assert isinstance(outcome, RowDropped), f"{said}: {outcome!r}, but Spark drops it"
        else:
            assert isinstance(outcome, dict), f"{said}: {outcome!r}, but Spark gives {expected['row']}"
            assert not differences(outcome, expected["row"], *self.tolerances), said


@pytest.fixture(params=FIXTURES, ids=lambda path: path.stem)
def fixture(request: pytest.FixtureRequest, tmp_path: Path) -> Fixture:
    return Fixture(request.param, tmp_path)


def test_each_row_alone_and_all_together_are_sparks(fixture: Fixture) -> None:
    types = {name: column.type for name, column in fixture.scorer.output_schema.items()}
    assert types == fixture.output_types
    for number, row in enumerate(fixture.rows):
        try:
            outcome: Any = fixture.scorer.score_instance(row)
        except (RowError, RowDropped) as fault:
            outcome = fault
        fixture.check(number, outcome)
    for rows in (fixture.rows, [row for row, one in zip(fixture.rows, fixture.expected, strict=True) if "row" in one]):
        kept = [number for number, row in enumerate(fixture.rows) if any(row is one for one in rows)]
        for number, outcome in zip(kept, fixture.scorer.score_rows(rows), strict=True):
            fixture.check(number, outcome)


def test_a_table_in_columns_is_sparks(fixture: Fixture) -> None:
    rows = [row for row, one in zip(fixture.rows, fixture.expected, strict=True) if "error" not in one]
    columns = {name: [row[name] for row in rows] for name in fixture.schema}
    scored = fixture.pipeline.transform(columns, fixture.schema)
    expected = [one["row"] for one in fixture.expected if "row" in one]
    for number, row in enumerate(expected):
        given = {name: values[number] for name, values in scored.items()}
        assert not differences(given, row, *fixture.tolerances), f"row {number}"


def test_there_are_fixtures() -> None:
    """Parametrised tests of nothing would pass."""
    assert FIXTURES
