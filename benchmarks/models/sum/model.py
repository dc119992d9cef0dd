"""The model of the benchmark: the sum of each row. As cheap as a model can be, so that serving is what is measured."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["predict"]


def predict(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n, d) float64 -> (n,) float64."""
    sums: NDArray[np.float64] = rows.sum(axis=1)
    return sums
