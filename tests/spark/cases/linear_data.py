"""Rows and training data for the cases of linear models and classifiers."""

import math
import random
from collections.abc import Iterable
from typing import Any

from pyspark.ml.linalg import SparseVector, Vectors

__all__ = ["N", "dense", "feature_rows", "sparse", "training"]

N = 5
"""Features in most of the cases."""


def dense(values: Iterable[float]) -> Any:
    return Vectors.dense(list(values))


def sparse(size: int, values: dict[int, float]) -> Any:
    return SparseVector(size, sorted(values.items()))


def feature_rows(n: int = N, seed: int = 7, faulty: bool = True) -> list[dict[str, Any]]:
    """Vectors of all kinds, and (each of which costs Spark a job of its own) what is no vector of that size."""
    chance = random.Random(seed)
    rows: list[Any] = [dense(chance.uniform(0.1, 3.0) for _ in range(n)) for _ in range(8)]
    rows += [dense(chance.gauss(0.0, 20.0) for _ in range(n)) for _ in range(3)]
    rows += [dense([1e-9] * n), dense([0.0] * n), dense([-0.0] * n)]
    rows += [sparse(n, {index: chance.gauss(0.0, 2.0) for index in chance.sample(range(n), 2)}) for _ in range(6)]
    rows += [sparse(n, {}), sparse(n, {0: 0.0, 2: -1.5}), sparse(n, {1: math.nan}), sparse(n, {n - 1: math.inf})]
    for odd in (math.nan, math.inf, -math.inf, 1e300, -1e300, 1e5, -1e5):
        rows.append(dense([odd, *[1.0] * (n - 1)]))
    rows.append(dense([math.inf, -math.inf, *[1.0] * (n - 2)]))
    if not faulty:
        return [{"features": row} for row in rows]
    rows += [None, dense([1.0] * (n - 1)), dense([1.0] * (n + 1)), sparse(n + 1, {n: 1.0}), sparse(2, {0: 1.0})]
    return [{"features": row} for row in rows]


def training(spark: Any, n_classes: int = 2, n: int = N, seed: int = 3) -> Any:
    """Classes in `label`, positive numbers in `number`, counts in `count`, zeros and ones in `share`, ..."""
    chance = random.Random(seed)
    rows = []
    for index in range(60):
        label = float(index % n_classes)
        values = [chance.gauss(0.4 * label * (1 if k % 2 else -1), 1.0) for k in range(n)]
        number = math.exp(0.3 * values[0] - 0.2 * values[1] + 0.1 * chance.gauss(0.0, 1.0))
        count, share = float(chance.randrange(5)), float(chance.random() < 0.5)
        rows.append((dense(values), label, number, count, share, 1.0 + index % 3, chance.uniform(-0.5, 0.5)))
    return spark.createDataFrame(rows, ["features", "label", "number", "count", "share", "weight", "offset"])
