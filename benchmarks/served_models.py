"""The models that the load and fault benchmark serves: one of known service time, and a real random forest."""

from __future__ import annotations

import itertools
import json
import math
import platform
import shutil
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Protocol

import joblib
import numpy as np
from sklearn.ensemble import RandomForestRegressor

from benchmarks.pace import Pace

__all__ = ["MODELS", "ForestModel", "PacedModel", "ServedModel"]

PACED_SOURCE = Path(__file__).parent / "models" / "paced" / "model.py"
N_FEATURES = 10
N_ROWS = 500
N_TREES = 300
N_TRAINING_ROWS = 3000


class ServedModel(Protocol):
    """A model and the queries it is asked. No two queries of a process are equal: a cache answers none of them."""

    name: str

    def install(self, folder: Path) -> None:
        """Put what a container loads into an empty folder."""
        ...

    def queries(self, n: int) -> Iterator[tuple[str, object]]:
        """`n` request bodies with the outputs expected."""
        ...


class PacedModel:
    """The sum of each row, at the pace of `Pace()`: 1,780 rows per second when a batch may take 45 ms."""

    name = "paced"

    def __init__(self) -> None:
        random = np.random.default_rng(1)
        self._rows = random.random((N_ROWS, N_FEATURES - 1)).tolist()
        self._numbers = itertools.count()

    def install(self, folder: Path) -> None:
        shutil.copy(PACED_SOURCE, folder / "model.py")
        Pace().write(folder)

    def queries(self, n: int) -> Iterator[tuple[str, object]]:
        for number in itertools.islice(self._numbers, n):
            row = [*self._rows[number % N_ROWS], float(number)]
            yield f'{{"input":{json.dumps(row)}}}', math.fsum(row)


class ForestModel:
    """A forest of scikit-learn. The last feature never varied in training, so that no tree looks at it; it carries the
    query's number."""

    name = "forest"

    def __init__(self) -> None:
        self._rows = np.random.default_rng(2).random((N_ROWS, N_FEATURES - 1)).astype(np.float32).astype(np.float64)
        self._numbers = itertools.count()

    @cached_property
    def _fitted(self) -> RandomForestRegressor:
        random = np.random.default_rng(1)
        rows = random.random((N_TRAINING_ROWS, N_FEATURES))
        rows[:, -1] = 0.0
        targets = rows @ np.arange(N_FEATURES) + random.normal(0.0, 0.1, N_TRAINING_ROWS)
        return RandomForestRegressor(N_TREES, min_samples_leaf=2, random_state=1, n_jobs=None).fit(rows, targets)

    @cached_property
    def _outputs(self) -> list[float]:
        outputs: list[float] = self._fitted.predict(np.column_stack([self._rows, np.zeros(N_ROWS)])).tolist()
        return outputs

    def install(self, folder: Path) -> None:
        joblib.dump(self._fitted, folder / "forest.joblib")
        python = ".".join(platform.python_version_tuple()[:2])
        manifest = {"format": 1, "framework": "sklearn", "file": "forest.joblib", "python": python}
        (folder / "skysail.json").write_text(json.dumps(manifest))

    def queries(self, n: int) -> Iterator[tuple[str, object]]:
        for number in itertools.islice(self._numbers, n):
            row = [*self._rows[number % N_ROWS].tolist(), float(number)]
            yield f'{{"input":{json.dumps(row)}}}', self._outputs[number % N_ROWS]


MODELS: dict[str, type[PacedModel] | type[ForestModel]] = {"paced": PacedModel, "forest": ForestModel}
