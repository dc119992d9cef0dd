"""A stored pipeline with its rows, and what Spark gave for them."""

import json
import zipfile
from pathlib import Path
from typing import Any

from skysail_container.spark import Pipeline, RowDropped, RowError, Scorer, load_pipeline
from spark.differences import differences
from spark.values import from_json

__all__ = ["FIXTURES", "Fixture"]

MANY = 32
"""So many rows that stages score them by arrays."""

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
        self.folder = folder
        self.use(load_pipeline(folder / "model"))

    def use(self, pipeline: Pipeline) -> None:
        """What is checked from now on."""
        self.pipeline = pipeline
        self.scorer: Scorer = pipeline.bind(self.schema)

    def _check(self, number: int, outcome: Any) -> None:
        expected = self.expected[number]
        said = f"row {number}, {self.rows[number]}"
        if "error" in expected:
            assert isinstance(outcome, RowError), f"{said}: {outcome!r}, but Spark fails: {expected['error']}"
        elif "dropped" in expected:
            assert isinstance(outcome, RowDropped), f"{said}: {outcome!r}, but Spark drops it"
        else:
            assert isinstance(outcome, dict), f"{said}: {outcome!r}, but Spark gives {expected['row']}"
            assert not differences(outcome, expected["row"], *self.tolerances), said

    def check_rows(self) -> None:
        """Each row alone, all together, those together that Spark keeps, and the same one many times over."""
        types = {name: column.type for name, column in self.scorer.output_schema.items()}
        assert types == self.output_types
        alone = [self._alone(row) for row in self.rows]
        for number, outcome in enumerate(alone):
            self._check(number, outcome)
        numbers = range(len(self.rows))
        kept = [number for number, one in enumerate(self.expected) if "row" in one]
        batches = [numbers, kept, MANY // max(len(kept), 1) * kept, *([number] * MANY for number in kept)]
        for batch in batches:
            for number, outcome in zip(batch, self.scorer.score_rows([self.rows[n] for n in batch]), strict=True):
                assert repr(outcome) == repr(alone[number]), f"row {number} of {batch}, {self.rows[number]}"

    def _alone(self, row: dict[str, Any]) -> Any:
        try:
            return self.scorer.score_instance(row)
        except (RowError, RowDropped) as fault:
            return fault

    def check_table(self) -> None:
        """The rows that Spark does not fail on, in columns."""
        rows = [row for row, one in zip(self.rows, self.expected, strict=True) if "error" not in one]
        columns = {name: [row[name] for row in rows] for name in self.schema}
        scored = self.pipeline.transform(columns, self.schema)
        expected = [one["row"] for one in self.expected if "row" in one]
        for number, row in enumerate(expected):
            given = {name: values[number] for name, values in scored.items()}
            assert not differences(given, row, *self.tolerances), f"row {number}"
