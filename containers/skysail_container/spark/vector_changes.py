"""Stages that make one vector of one vector: what scalers, projections and selectors have in common."""

from collections.abc import Callable

from skysail_container.spark.attributes import AttributeGroup
from skysail_container.spark.schema import VECTOR, Column, Schema
from skysail_container.spark.stage import Bound, Row, Stage
from skysail_container.spark.vectors import Vector

__all__ = ["ChangeVector", "bound_vectors"]

ChangeVector = Callable[[Vector], Vector]
"""The new vector.

:raises RowError: Spark would fail on the vector.
"""


def bound_vectors(
    stage: Stage,
    schema: Schema,
    columns: tuple[str, str],
    attributes: AttributeGroup | None,
    change: ChangeVector,
) -> Bound:
    """
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

    return Bound(after, score)
