"""What the scorer says when it cannot load a pipeline, or cannot score a row.

Loading and binding fail with a `StageError`: the pipeline is damaged, foreign, or given columns that it does not take.
`UnsupportedStageError` is the one of them that the PySpark fallback may still serve. A single row fails with a
`RowError` where Spark would fail on it, and with a `RowDropped` where Spark would leave it out of its result.
"""

from skysail_container.errors import ModelLoadError

__all__ = ["RowDropped", "RowError", "RowFault", "StageError", "UnsupportedStageError"]


class StageError(ModelLoadError):
    """A stage cannot be read, or does not take the columns that it would get."""

    def __init__(self, stage: str, reason: str, *, column: str | None = None) -> None:
        self.stage = stage
        """The stage's uid, or the path of its folder when that is as far as reading came."""
        self.column = column
        self.reason = reason
        where = f"stage {stage}" if column is None else f"stage {stage}, column {column!r}"
        super().__init__(f"{where}: {reason}")


class UnsupportedStageError(StageError):
    """A sound stage that this scorer does not know how to score: PySpark does."""


class RowFault(Exception):  # noqa: N818 - a dropped row is no error
    """One row has no outputs; the others of its batch have theirs."""

    def __init__(self, stage: str, reason: str) -> None:
        self.stage = stage
        self.reason = reason
        super().__init__(f"stage {stage}: {reason}")


class RowError(RowFault):
    """Spark fails on this row."""


class RowDropped(RowFault):
    """Spark leaves this row out of its result, as the stage was told to."""
