"""Stands for a user's own module: importable here, not in a model's container."""

from collections.abc import Iterable

__all__ = ["FACTOR", "Scaler", "scaled"]

FACTOR = 3.0


def scaled(row: Iterable[float]) -> float:
    return FACTOR * sum(row)


class Scaler:
    def __init__(self, factor: float) -> None:
        self.factor = factor

    def __call__(self, rows: Iterable[Iterable[float]]) -> list[float]:
        return [self.factor * sum(row) for row in rows]
