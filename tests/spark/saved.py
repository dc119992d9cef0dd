"""A fixture's only stage, in a pipeline or alone, in its own folder: to be damaged, or written as older Sparks did."""

import json
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from skysail_container.spark import Pipeline, load_pipeline
from spark.differences import differences
from spark.values import from_json

__all__ = ["FIXTURES", "Saved"]

FIXTURES = Path(__file__).parent / "fixtures"


class Saved:
    def __init__(self, family: str, name: str, folder: Path) -> None:
        with zipfile.ZipFile(FIXTURES / family / f"{name}.zip") as archive:
            archive.extractall(folder)
        self.about: dict[str, Any] = json.loads((folder / "expected.json").read_text())
        stages = folder / "model" / "stages"
        (self.stage,) = stages.iterdir() if stages.exists() else [folder / "model"]

    def load(self) -> Pipeline:
        return load_pipeline(self.stage)

    def table(self, name: str = "data") -> pa.Table:
        return pa.concat_tables([pq.read_table(part) for part in sorted((self.stage / name).glob("*.parquet"))])

    def write(self, parts: Sequence[pa.Table], name: str = "data") -> None:
        """These files in the place of all that were there."""
        for part in (self.stage / name).glob("*.parquet"):
            part.unlink()
        for number, part in enumerate(parts):
            pq.write_table(part, self.stage / name / f"part-{number:05}-0.snappy.parquet")

    def write_rows(self, rows: Sequence[Mapping[str, Any]], name: str = "data") -> None:
        """One file, with whatever types come of the rows."""
        self.write([pa.Table.from_pylist(list(rows))], name)

    def change_metadata(self, change: Callable[[dict[str, Any]], None]) -> None:
        (part,) = (self.stage / "metadata").glob("part-*")
        metadata = json.loads(part.read_text())
        change(metadata)
        part.write_text(json.dumps(metadata))

    def check(self) -> None:
        """The rows score as Spark scored them."""
        scorer = self.load().bind(self.about["schema"])
        rtol, atol = self.about["rtol"], self.about["atol"]
        n_checked = 0
        for row, expected in zip(self.about["rows"], self.about["expected"], strict=True):
            if "row" in expected:
                given = scorer.score_instance({name: from_json(value) for name, value in row.items()})
                assert not differences(given, expected["row"], rtol, atol)
                n_checked += 1
        assert n_checked
