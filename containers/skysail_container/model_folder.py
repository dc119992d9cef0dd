"""The classes that a model folder's `model.py` derives from:
`from skysail_container.model_folder import DataFrameModel, TensorModel`.
"""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:  # pandas is there when a model needs it
    import pandas as pd

__all__ = ["DataFrameModel", "TensorModel"]


class DataFrameModel(ABC):
    """A model over tables. Override `__init__` to load what it needs, and `predict`."""

    def __init__(self, folder: Path) -> None:
        """Loads the model from `folder`, where its files are; called once, before any query."""
        self.folder = folder

    @abstractmethod
    def predict(self, frame: "pd.DataFrame") -> "pd.DataFrame | pd.Series | npt.NDArray[Any] | list[Any]":
        """One output per row of `frame`, in its order.

        With an input schema the frame has its columns, in its order, always with the same dtypes: integer int64, number
        float64, boolean bool, string str; a column whose field is optional has Int64, float64 with NaN, boolean or str,
        so that a missing value is never mistaken for one. Lists and values of any type are objects. Without a schema
        the columns and dtypes are what pandas makes of the rows.

        A row of a DataFrame that is returned becomes one object with its columns. What is raised fails the rows that
        cause it, and no others.
        """


class TensorModel(ABC):
    """A model over named arrays. Override `__init__` to load what it needs, and `predict`."""

    def __init__(self, folder: Path) -> None:
        """Loads the model from `folder`, where its files are; called once, before any query."""
        self.folder = folder

    @abstractmethod
    def predict(self, inputs: dict[str, npt.NDArray[np.generic]]) -> dict[str, npt.NDArray[np.generic]]:
        """Outputs by name, each with the rows of `inputs` on its first axis.

        With an input schema there is one array per field: integer int64, number float64, boolean bool, string objects;
        optional numbers, integers and booleans are float64 with NaN; optional strings and lists are objects or None.
        Rows that are not objects come as the one input `input`. A sole output becomes the row's output itself, several
        become an object with their names.
        """
