"""A saved pipeline: loaded once, bound to columns, scored row by row or in columns."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from skysail_container.spark.batch import Batch
from skysail_container.spark.columns import Columns, columns_of, rows_of, schema_of
from skysail_container.spark.errors import RowDropped, RowError, RowFault
from skysail_container.spark.inference import inferred_schema
from skysail_container.spark.mleap import is_bundle, load_bundle
from skysail_container.spark.registry import load_stage
from skysail_container.spark.schema import Schema
from skysail_container.spark.stage import Bound, Row, Stage, bound_stage
from skysail_container.spark.stage_folder import StageFolder

__all__ = ["Pipeline", "Scorer", "load_pipeline"]

_MAX_SCORERS = 16
_MANY_ROWS = 8
"""From so many rows on stages may score them together."""


def load_pipeline(path: str | Path) -> "Pipeline":
    """What `PipelineModel.save(path)` wrote, or the `save` of a single fitted stage, or a bundle of MLeap.

    Nothing of Spark is needed, only NumPy and pyarrow.

    :raises StageError: something is missing, damaged or foreign; the text names the stage.
    :raises UnsupportedStageError: only PySpark itself can score it.
    """
    found = Path(path)
    return Pipeline(load_bundle(found) if is_bundle(found) else load_stage(StageFolder(found)))


class Scorer:
    """A pipeline for rows of one schema. Invariant: each row is scored as if it were alone."""

    def __init__(self, bound: Bound, schema: Schema) -> None:
        self.schema = schema
        self.output_schema: Schema = bound.schema
        self._bound = bound
        self._score = bound.score

    def score_instance(self, row: Mapping[str, Any]) -> Row:
        """The row with the pipeline's outputs beside its own values.

        :raises RowError: Spark would fail on it.
        :raises RowDropped: Spark would leave it out of its result.
        """
        scored = dict(row)
        self._score(scored)
        return scored

    def score_rows(self, rows: Sequence[Mapping[str, Any]]) -> list[Row | RowFault]:
        """One outcome per row, in order: the row with its outputs, or why it has none."""
        if self._bound.score_rows is not None and len(rows) >= _MANY_ROWS:
            together = Batch([dict(row) for row in rows])
            try:
                with np.errstate(all="ignore"):
                    self._bound.score_rows(together)
            except Exception:  # noqa: S110 - whatever it was, the rows by themselves tell which one and why
                pass
            else:
                return list(together)
        return [self._outcome(row) for row in rows]

    def _outcome(self, row: Mapping[str, Any]) -> Row | RowFault:
        try:
            return self.score_instance(row)
        except RowFault as fault:
            return fault


class Pipeline:
    """Stages one after another. It binds itself to the types it is given; `bind` does that once and for all."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self._scorers: dict[tuple[tuple[str, str], ...], Scorer] = {}

    def bind(self, schema: Schema | Mapping[str, str]) -> Scorer:
        """The pipeline for rows with these columns, by Spark's names of types (`{"age": "int", "income": "double"}`).

        :raises StageError: a stage does not take the columns it would get.
        """
        known = schema if isinstance(schema, Schema) else Schema(schema)
        return Scorer(bound_stage(self.stage, known), known)

    def score_instance(self, row: Mapping[str, Any]) -> Row:
        """The row with its outputs; its types are inferred as PySpark does (a float is a double, an int a bigint).

        :raises StageError: a stage does not take these columns.
        :raises RowError: Spark would fail on this row.
        :raises RowDropped: Spark would leave it out.
        """
        return self._scorer(inferred_schema(row)).score_instance(row)

    def transform(self, columns: Columns, schema: Schema | Mapping[str, str] | None = None) -> dict[str, Any]:
        """A table, column by column, with the pipeline's outputs; without the rows that Spark drops.

        :param columns: lists or arrays by name, equally long; a two-dimensional array is a column of vectors.
        :param schema: types that differ from what the values look like.
        :return: arrays for numbers without nulls, lists else.
        :raises StageError: a stage does not take these columns.
        :raises RowError: Spark would fail on a row.
        """
        scorer = self._scorer(schema_of(columns, schema))
        scored: list[Row] = []
        for outcome in scorer.score_rows(rows_of(columns)):
            if isinstance(outcome, RowError):
                raise outcome
            if not isinstance(outcome, RowDropped | RowFault):
                scored.append(outcome)
        return columns_of(scored, scorer.output_schema)

    def _scorer(self, schema: Schema) -> Scorer:
        key = tuple((name, column.type) for name, column in schema.items())
        found = self._scorers.get(key)
        if found is None:
            found = self.bind(schema)
            if len(self._scorers) >= _MAX_SCORERS:
                self._scorers.clear()
            self._scorers[key] = found
        return found
