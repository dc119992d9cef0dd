"""The two models that all contestants serve."""

from __future__ import annotations

import json
import platform
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import joblib
import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import RandomForestClassifier

from benchmarks.peers.assignment import SUM

__all__ = ["MODELS", "ComparedModel", "Rows"]

Rows = NDArray[np.float64]

FOREST = "forest"
SUM_SOURCE = Path(__file__).parents[1] / "models" / "sum" / "model.py"
N_SUM_ROWS, N_SUM_DOUBLES = 2000, 10
N_TREES = 100
SEED = 1


class ComparedModel(Protocol):
    """A model, and the rows it is asked for."""

    name: str
    title: str
    file: str
    """What a peer's server loads: see `benchmarks.peers.model`."""
    rows: Rows
    leads: list[str]
    """The beginning of each row's first double; ten digits that make the query unlike any other follow."""

    def predict(self, rows: Rows) -> Sequence[object]:
        """The model's own outputs."""
        ...

    def install(self, folder: Path, *, is_accelerated: bool) -> None:
        """Put what a container of Skysail loads into an empty folder."""
        ...


class SumModel:
    """The sum of ten doubles: as cheap as a model can be, so that serving is what is measured."""

    name = SUM
    title = "sum of 10 doubles"
    file = SUM

    def __init__(self, _folder: Path) -> None:
        self.rows: Rows = np.random.default_rng(SEED).random((N_SUM_ROWS, N_SUM_DOUBLES))
        self.leads = ["0."] * N_SUM_ROWS

    def predict(self, rows: Rows) -> Sequence[object]:
        sums: list[object] = rows.sum(axis=1).tolist()
        return sums

    def install(self, folder: Path, *, is_accelerated: bool) -> None:
        assert not is_accelerated
        shutil.copy(SUM_SOURCE, folder / "model.py")


class ForestModel:
    """A random forest of scikit-learn, fitted to its breast-cancer data, whose rows are the queries. The first double
    is the mean radius, of two decimals; what the number adds to it is less than 0.01."""

    name = FOREST
    title = f"random forest of {N_TREES} trees, 30 doubles"

    def __init__(self, folder: Path) -> None:
        rows, labels = load_breast_cancer(return_X_y=True)
        self._forest = RandomForestClassifier(N_TREES, random_state=SEED, n_jobs=None).fit(rows, labels)
        self._path = folder / f"{FOREST}.joblib"
        joblib.dump(self._forest, self._path)
        self.file = str(self._path)
        self.rows: Rows = np.random.default_rng(SEED).permutation(rows)
        self.leads = [f"{radius:.2f}" for radius in self.rows[:, 0]]

    def predict(self, rows: Rows) -> Sequence[object]:
        labels: list[object] = self._forest.predict(rows).tolist()
        return labels

    def install(self, folder: Path, *, is_accelerated: bool) -> None:
        shutil.copy(self._path, folder)
        python = ".".join(platform.python_version_tuple()[:2])
        manifest = {"format": 1, "framework": "sklearn", "file": self._path.name, "python": python}
        (folder / "skysail.json").write_text(json.dumps(manifest | {"accelerate": is_accelerated}))


MODELS: Mapping[str, Callable[[Path], ComparedModel]] = {SUM: SumModel, FOREST: ForestModel}
"""Each is made with a folder for its file."""
