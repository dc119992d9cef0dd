"""Rows of every type of column: plain ones to train with, and ones with all that goes wrong in production."""

import math
import random
from collections.abc import Callable
from typing import Any

from pyspark.ml.linalg import DenseVector, SparseVector

__all__ = ["LABELS", "SCHEMA", "training_rows", "unruly_rows"]

SCHEMA = {
    "i": "int", "l": "bigint", "f": "float", "x": "double", "y": "double", "city": "string", "kind": "string",
    "text": "string", "flag": "boolean", "tags": "array<string>", "v": "vector",
}  # fmt: skip
LABELS = {"label": "double", "target": "double"}

WORDS = ["the", "spark", "Of", "a", "day", "new", "Über", "cat", "dog", "running", "12", "x-ray", "straße", "été"]
CITIES = ["Bonn", "Ulm", "Köln", "a b", "Zürich"]


def _vector(chance: random.Random) -> Any:
    values = [round(chance.gauss(0.0, 2.0), 3) if chance.random() < 0.7 else 0.0 for _ in range(4)]
    if chance.random() < 0.5:
        return DenseVector(values)
    return SparseVector(4, [(number, value) for number, value in enumerate(values) if value])


_PLAIN: dict[str, Callable[[random.Random], Any]] = {
    "i": lambda chance: chance.randint(0, 5),
    "l": lambda chance: chance.randint(-1000, 10**10),
    "f": lambda chance: chance.choice([0.5, 1.25, -3.0, 0.75]),
    "x": lambda chance: chance.gauss(1.0, 3.0),
    "y": lambda chance: chance.choice([0.0, 1.5, -2.5, chance.uniform(0.0, 100.0)]),
    "city": lambda chance: chance.choice(CITIES),
    "kind": lambda chance: chance.choice("abc"),
    "text": lambda chance: " ".join(chance.choice(WORDS) for _ in range(chance.randint(1, 7))),
    "flag": lambda chance: chance.random() < 0.5,
    "tags": lambda chance: [chance.choice(WORDS) for _ in range(chance.randint(0, 4))],
    "v": _vector,
}

_UNRULY: dict[str, list[Any]] = {
    "i": [None, -1, 2**31 - 1],
    "l": [None, -(2**63), 0],
    "f": [None, math.nan, math.inf],
    "x": [None, math.nan, math.inf, -math.inf, -0.0, 1e300],
    "y": [None, math.nan, 1e-320, 99.0],
    "city": [None, "", "unseen", "bonn", "日本"],
    "kind": [None, "", "z"],
    "text": [None, "", " ", "  two  blanks", "\uff26\uff35\uff2c\uff2c\twidth İ", "\U0001d518nicode 😀 A"],
    "flag": [None],
    "tags": [None, [], ["😀", ""], ["unseen"]],
    "v": [None, DenseVector([0.0] * 4), SparseVector(4, [], []), DenseVector([math.nan, 1.0, math.inf, -0.0])],
}


def _plain(chance: random.Random) -> dict[str, Any]:
    return {name: make(chance) for name, make in _PLAIN.items()}


def training_rows(chance: random.Random, count: int = 60) -> list[dict[str, Any]]:
    """Rows with labels (three classes) and targets that depend on their columns, and every city and kind."""
    rows = []
    for number in range(count):
        row = _plain(chance)
        row["city"] = CITIES[number % len(CITIES)]
        row["kind"] = "abc"[number % 3]
        label = float((row["x"] > 1.0) + (row["kind"] == "a"))
        rows.append({**row, "label": label, "target": abs(row["x"]) + row["i"] + 0.5})
    return rows


def unruly_rows(chance: random.Random, count: int) -> list[dict[str, Any]]:
    """Rows of which half are plain, and the others have one or two values that are not."""
    rows = []
    for number in range(count):
        row = _plain(chance)
        for name in chance.sample(list(_UNRULY), chance.choice((1, 2)) if number % 2 else 0):
            row[name] = chance.choice(_UNRULY[name])
        rows.append(row)
    return rows
