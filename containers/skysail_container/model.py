"""What the runtime asks of a model."""

from typing import Any, Protocol

import numpy.typing as npt

from skysail_container.input_types import InputType
from skysail_container.wire import Rows

__all__ = ["Model", "ModelInput"]

ModelInput = npt.NDArray[Any] | list[Any]
"""A batch as a model sees it.

Numbers, every row equally long: a two-dimensional array of shape (n rows, width). Tensors of one shape and dtype: one
array whose first axis is the rows. Everything else is a list with one element per row: one-dimensional arrays for
numbers, arrays for tensors, str, bytes, or decoded JSON values. Arrays are the model's own: it may write into them.
"""


class Model(Protocol):
    """One loaded model version. It is called from one thread, one batch at a time."""

    def predict(self, rows: ModelInput) -> object:
        """One output per row, as an array or a list; an element that is an exception is its row's error.

        It may raise anything: the rows of the batch are then tried in smaller groups, so that only those fail that
        the model refuses by themselves.
        """
        ...

    def example_rows(self, input_type: InputType) -> Rows | None:
        """A harmless batch to warm up with, when the model knows one."""
        ...
