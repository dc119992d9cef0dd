"""Of the named outputs of a model folder's model, those that the manifest's `outputs` chooses."""

from collections.abc import Mapping, Sequence
from typing import Any

from skysail_container.errors import ModelOutputError

__all__ = ["chosen_columns", "chosen_fields"]


def chosen_columns(outputs: Mapping[str, Any], names: Sequence[str]) -> Mapping[str, Any]:
    """The arrays called `names`, in this order; all of them when none is named.

    :raises ModelOutputError: there is no such output.
    """
    _check(outputs, names)
    return {name: outputs[name] for name in names} if names else outputs


def chosen_fields(outputs: object, names: Sequence[str]) -> list[object]:
    """Each row's output with the fields called `names` alone; a sole one is the row's output itself.

    A row that lacks one of them fails alone, as does one whose output is an exception.

    :raises ModelOutputError: the outputs are no list with one element per row, so they have no names.
    """
    if not isinstance(outputs, list | tuple):
        raise ModelOutputError(f"outputs: the model returned type {type(outputs).__name__}; {_EXPECTED}")
    return [_of_row(output, names) for output in outputs]


_EXPECTED = "to choose outputs by name, every row's output has to be an object"


def _of_row(output: object, names: Sequence[str]) -> object:
    if isinstance(output, BaseException):
        return output
    if not isinstance(output, Mapping):
        return ModelOutputError(f"outputs: the model answers with type {type(output).__name__}; {_EXPECTED}")
    try:
        _check(output, names)
    except ModelOutputError as error:
        return error
    return output[names[0]] if len(names) == 1 else {name: output[name] for name in names}


def _check(outputs: Mapping[str, Any], names: Sequence[str]) -> None:
    for name in names:
        if name not in outputs:
            known = ", ".join(repr(str(key)) for key in outputs)
            raise ModelOutputError(f"outputs: {name!r} is not one of the model's: {known}")
