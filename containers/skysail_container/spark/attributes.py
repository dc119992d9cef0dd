"""What stages say of the values in the columns they write: Spark's ML attributes, which no saved model holds.

Source: org.apache.spark.ml.attribute. VectorSlicer by names, Interaction, RFormula, IndexToString without labels and
others read them from the stages before, so that they are passed on while stages are bound.
"""

from dataclasses import dataclass, replace
from typing import Final, Literal, Self

__all__ = ["FIRST_ROWS", "MAX_DESCRIBED", "UNKNOWN", "Attribute", "AttributeGroup", "nominal", "numeric"]

MAX_DESCRIBED: Final = 1 << 16
"""Of longer vectors only the size is passed on: features made by hashing are many, and nobody calls them by name."""

UNKNOWN: Final = -1
"""The size of vectors that no stage has stated."""

FIRST_ROWS: Final = -2
"""The size of vectors that Spark takes from the first row of its table. A single row does not tell it beforehand."""

Kind = Literal["numeric", "nominal", "binary"]


@dataclass(frozen=True, slots=True)
class Attribute:
    """Of one number: a feature of a vector, or a scalar column."""

    kind: Kind = "numeric"
    name: str | None = None
    values: tuple[str, ...] | None = None
    n_values: int | None = None
    is_ordinal: bool | None = None

    @property
    def cardinality(self) -> int | None:
        """The number of categories of a nominal attribute, if it is known; 2 for a binary one."""
        if self.kind == "binary":
            return 2
        if self.values is not None:
            return len(self.values)
        return self.n_values

    def named(self, name: str) -> Self:
        return replace(self, name=name)


@dataclass(frozen=True, slots=True)
class AttributeGroup:
    """Of all features of a vector, or the one of a scalar column (`size` 1).

    Without `attributes` only the size is known, and where that is negative (`UNKNOWN`, `FIRST_ROWS`) nothing.
    """

    size: int
    attributes: tuple[Attribute, ...] | None = None


def numeric(name: str | None = None) -> Attribute:
    return Attribute("numeric", name)


def nominal(values: tuple[str, ...] | None = None, name: str | None = None, n_values: int | None = None) -> Attribute:
    return Attribute("nominal", name, values, n_values)
