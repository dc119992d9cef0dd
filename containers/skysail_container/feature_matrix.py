"""Rows to the matrix of features that a model of trees takes."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from skysail_container.errors import UnusableRowsError
from skysail_container.input_types import InputType
from skysail_container.model import ModelInput
from skysail_container.named_arrays import NamedInput, NamedInputs
from skysail_container.wire import Json, Rows

__all__ = ["FeatureMatrix"]


class FeatureMatrix:
    """What a model with `n_features` features takes: lists of numbers, or objects of numbers by the features' names.

    A null, or a name that an object leaves out, is a missing value: NaN.
    """

    def __init__(self, n_features: int, names: Sequence[str] | None) -> None:
        float64 = np.dtype(np.float64)
        self._n_features = n_features
        self._row = NamedInputs([NamedInput("features", float64, (n_features,), is_optional=True)])
        self._fields = NamedInputs([NamedInput(name, float64, (), is_optional=True) for name in names or ()])

    def of(self, rows: ModelInput) -> npt.NDArray[Any]:
        """A two-dimensional array with a row per row; arrays that are one keep their dtype.

        :raises UnusableRowsError: a row has another number of features, or a feature that is none.
        """
        if isinstance(rows, np.ndarray) and rows.ndim == 2 and rows.shape[1] == self._n_features:
            return rows
        if isinstance(rows, list) and rows and isinstance(rows[0], dict):
            if not self._fields.inputs:
                raise UnusableRowsError(f"the features have no names: a row is a list of {self._n_features} numbers")
            return np.column_stack(list(self._fields.arrays(rows).values()))
        return self._row.arrays(rows)["features"]

    def example_rows(self, input_type: InputType) -> Rows | None:
        """A row of zeros, if a row of `input_type` can have one."""
        if input_type == "json" and not self._fields.inputs:
            return Json((json.dumps([0.0] * self._n_features).encode(),))
        return (self._fields if input_type == "json" else self._row).example_rows(input_type)
