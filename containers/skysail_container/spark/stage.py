"""What a stage is: read once, bound to the columns it gets, and from then on one function over one row."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, NamedTuple, Self

from skysail_container.spark.errors import RowDropped, RowError, StageError
from skysail_container.spark.schema import Schema
from skysail_container.spark.stage_folder import StageFolder

__all__ = ["Bound", "Row", "Score", "ScoreRows", "Stage", "bound_stage", "one_after_another"]

Row = dict[str, Any]
"""A row's values by column: None for null, int, float (also for float32, widened), bool, str, list for arrays,
DenseVector or SparseVector, whatever the column's type says. Values are shared and never changed in place."""

Score = Callable[[Row], None]
"""Adds a stage's outputs to the row.

:raises RowError: Spark would fail on this row.
:raises RowDropped: Spark would leave it out.
"""

ScoreRows = Callable[[Sequence[Row]], None]
"""The same for many rows at once, giving the same bits. When it raises anything, rows are scored one by one."""


class Bound(NamedTuple):
    """A stage that knows its columns."""

    schema: Schema
    """With the stage's outputs."""
    score: Score
    score_rows: ScoreRows | None = None
    """Only where it is much faster than `score` for each row."""


class Stage(ABC):
    """A stage of a pipeline, as saved. Immutable: one stage may be bound to several schemas."""

    uid: str

    spark_name: ClassVar[str] = ""
    """The simple name of the class in Spark; set by the registry."""

    @classmethod
    @abstractmethod
    def from_spark(cls, folder: StageFolder) -> Self:
        """The stage that Spark saved.

        :raises StageError: it is damaged.
        :raises UnsupportedStageError: it is set to something that is not scored here.
        """

    @abstractmethod
    def bind(self, schema: Schema) -> Bound:
        """The stage for rows of this schema.

        :raises StageError: a column is missing or of a type that Spark does not take either.
        """

    def error(self, reason: str, *, column: str | None = None) -> StageError:
        return StageError(self.uid, reason, column=column)

    def row_error(self, reason: str) -> RowError:
        return RowError(self.uid, reason)

    def dropped(self, reason: str) -> RowDropped:
        return RowDropped(self.uid, reason)


def bound_stage(stage: Stage, schema: Schema) -> Bound:
    """
    :raises StageError: the stage does not take these columns, or what was saved of it does not fit together.
    """
    try:
        return stage.bind(schema)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, ArithmeticError) as error:
        raise stage.error(f"its parts do not fit together: {type(error).__name__}: {error}") from error


def one_after_another(scores: Sequence[Score]) -> Score:
    """One function for what is done with a row step by step."""
    if len(scores) == 1:
        return scores[0]
    in_order = tuple(scores)

    def score(row: Row) -> None:
        for each in in_order:
            each(row)

    return score
