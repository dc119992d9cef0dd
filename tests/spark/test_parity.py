"""Every stored pipeline gives what Spark gave for the same rows: one row at a time, together, and in columns."""

from pathlib import Path

import pytest

from spark.fixture import FIXTURES, Fixture


@pytest.fixture(params=FIXTURES, ids=lambda path: path.stem)
def fixture(request: pytest.FixtureRequest, tmp_path: Path) -> Fixture:
    return Fixture(request.param, tmp_path)


def test_each_row_alone_and_all_together_are_sparks(fixture: Fixture) -> None:
    fixture.check_rows()


def test_a_table_in_columns_is_sparks(fixture: Fixture) -> None:
    fixture.check_table()


def test_there_are_fixtures() -> None:
    """Parametrised tests of nothing would pass."""
    assert FIXTURES
