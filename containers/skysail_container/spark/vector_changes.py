"""Stages that make one vector of one vector: what scalers, projections and selectors have in common."""

from collections.abc import Callable

from skysail_container.spark.attributes import AttributeGroup
from skysail_container.spark.batch import Batch, Floats, together
from skysail_container.spark.schema import VECTOR, Column, Schema
from skysail_container.spark.stage import Bound, Row, Stage
from skysail_container.spark.vectors import Vector

__all__ = ["ChangeRows", "ChangeVector", "bound_vectors"]

ChangeVector = Callable[[Vector], Vector]
"""The new vector.

:raises RowError: Spark would fail on the vector.
"""

ChangeRows = Callable[[Floats], Floats | None]
"""The new vectors of dense ones, (n_rows, size) each; None: for these there is only the way one by one."""


def bound_vectors(
    stage: Stage,
    schema: Schema,
    columns: tuple[str, str],
    attributes: AttributeGroup | None,
    change: ChangeVector,
    change_rows: ChangeRows | None = None,
) -> Bound:
    """
    :param change_rows: the same for many rows, with the same bits, if there is a faster way than one by one.
    :param columns: the one that is read and the one that is written. A null vector is an error of its row.
    :raises StageError: the first is missing or holds no vectors, or the second exists.
    """
    source, target = columns
    schema.column(stage.uid, source, VECTOR)
    after = schema.with_output(stage.uid, target, Column(VECTOR, attributes))

    def score(row: Row) -> None:
        vector = row[source]
        if vector is None:
            raise stage.row_error(f"column {source!r} is null")
        row[target] = change(vector)

    if change_rows is None:
        return Bound(after, score)

    def score_batch(batch: Batch) -> bool:
        matrix = batch.dense(source)
        changed = None if matrix is None else change_rows(matrix)
        if changed is None:
            return False
        batch.write_dense(target, changed)
        return True

    return Bound(after, score, together(score, score_batch))
