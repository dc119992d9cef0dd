"""The model as a peer's server loads it: the same arithmetic, or the same file, for all of them.

This module runs in every peer's environment, so it imports only what all of them have.
"""

from __future__ import annotations

from collections.abc import Callable

import joblib
import numpy as np
from numpy.typing import ArrayLike

from benchmarks.peers.assignment import SUM, model_file

__all__ = ["Predict", "load_model"]

Predict = Callable[[ArrayLike], list[float]]
"""(n, d) doubles -> n outputs."""


def load_model() -> Predict:
    """The model that this server was told to serve."""
    file = model_file()
    if file == SUM:
        return _sums
    forest = joblib.load(file)

    def predict(rows: ArrayLike) -> list[float]:
        outputs: list[float] = forest.predict(np.asarray(rows, dtype=np.float64)).tolist()
        return outputs

    return predict


def _sums(rows: ArrayLike) -> list[float]:
    sums: list[float] = np.asarray(rows, dtype=np.float64).sum(axis=1).tolist()
    return sums
