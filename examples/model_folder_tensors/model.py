"""A model over named arrays: which of some points is nearest to the query's, and how far away it is."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from skysail_container.model_folder import TensorModel


class Nearest(TensorModel):
    """The points stand in the file beside this one, one per line."""

    def __init__(self, folder: Path) -> None:
        self.points = np.loadtxt(folder / "points.csv", delimiter=",")

    def predict(self, inputs: dict[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
        """`position` is (n, 2); each output has n elements."""
        distances = np.linalg.norm(inputs["position"][:, None, :] - self.points[None, :, :], axis=2)
        return {"nearest": distances.argmin(axis=1), "distance": distances.min(axis=1)}
