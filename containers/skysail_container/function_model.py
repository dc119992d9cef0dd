"""A function as a model."""

from collections.abc import Callable

from skysail_container.input_types import InputType
from skysail_container.model import ModelInput
from skysail_container.wire import Rows

__all__ = ["FunctionModel"]


class FunctionModel:
    """A function from a batch to its outputs; it knows no example of its own."""

    def __init__(self, function: Callable[[ModelInput], object]) -> None:
        self.predict = function

    def example_rows(self, input_type: InputType) -> Rows | None:
        return None
