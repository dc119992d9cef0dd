"""Runs one batch through a model so that a row which the model refuses fails alone."""

from collections.abc import Callable, Sequence

from skysail_container.batch_input import BatchInput, batch_input
from skysail_container.batch_output import (
    BatchOutput,
    Outputs,
    RowFailure,
    check_outputs,
    failed_batch,
    to_batch_output,
)
from skysail_container.errors import ModelOutputError
from skysail_container.exception_text import exception_text, row_error_text
from skysail_container.model import Model
from skysail_container.wire import Rows

__all__ = ["MAX_ATTEMPTS", "run_batch"]

MAX_ATTEMPTS = 256
"""Calls of the model for one batch: finds every guilty row among 64, and about 20 among 1,000."""


def run_batch(model: Model, rows: Rows, has_time_left: Callable[[], bool]) -> BatchOutput:
    """One output or error for each of `rows`, which must be valid. Raises nothing, whatever the model does.

    A batch that raises is split, by shape first and then into halves, and its parts are tried again while
    `has_time_left` says so; rows that are not told apart by then fail with the text of their part.
    """
    batch = batch_input(rows)
    indices = batch.usable_indices()
    try:
        outputs = check_outputs(model.predict(batch.select(indices)), len(indices)) if indices else []
    except ModelOutputError as error:
        return failed_batch(batch.n_rows, str(error))
    except BaseException as error:  # SystemExit and KeyboardInterrupt of the model's own code are row errors as well
        if len(indices) == 1:
            outputs = [RowFailure(row_error_text(error))]
        else:
            outputs = _Search(model, batch, has_time_left).outputs(indices, error)
    return _converted(batch, indices, outputs)


def _converted(batch: BatchInput, indices: Sequence[int], outputs: Outputs) -> BatchOutput:
    if batch.errors:
        every: list[object] = [RowFailure(batch.errors.get(index, "")) for index in range(batch.n_rows)]
        for index, output in zip(indices, outputs, strict=True):
            every[index] = output
        outputs = every
    try:
        return to_batch_output(outputs)
    except Exception as error:  # outputs are the model's own objects: their methods may raise anything
        return failed_batch(batch.n_rows, exception_text(error))


class _Search:
    """Looks for the rows that make a batch raise.

    Invariant: every row is in exactly one pending part, or has its outcome. At most MAX_ATTEMPTS calls of the model.
    """

    def __init__(self, model: Model, batch: BatchInput, has_time_left: Callable[[], bool]) -> None:
        self._model = model
        self._batch = batch
        self._has_time_left = has_time_left
        self._n_attempts = 1
        self._outcomes: dict[int, object] = {}

    def outputs(self, indices: Sequence[int], error: BaseException) -> list[object]:
        """The outcomes of the rows at `indices`, which raised `error` together."""
        groups = self._batch.groups(indices)
        parts = groups if len(groups) > 1 else _halves(indices)
        pending = [(part, row_error_text(error)) for part in parts]
        while pending:
            part, text = pending.pop()
            if self._n_attempts >= MAX_ATTEMPTS or not self._has_time_left():
                self._fail(part, f"{text} (raised for several rows together)")
                continue
            text_again = self._attempt(part)
            if text_again is not None and len(part) > 1:
                pending += [(half, text_again) for half in _halves(part)]
            elif text_again is not None:
                self._fail(part, text_again)
        return [self._outcomes[index] for index in indices]

    def _attempt(self, part: Sequence[int]) -> str | None:
        """Runs `part`; what it raised, or None when its rows have their outcomes."""
        self._n_attempts += 1
        try:
            outputs = check_outputs(self._model.predict(self._batch.select(part)), len(part))
        except ModelOutputError as wrong:
            self._fail(part, str(wrong))
        except BaseException as error:  # as in run_batch
            return row_error_text(error)
        else:
            self._outcomes.update(zip(part, outputs, strict=True))
        return None

    def _fail(self, part: Sequence[int], text: str) -> None:
        self._outcomes.update(dict.fromkeys(part, RowFailure(text)))


def _halves(indices: Sequence[int]) -> list[Sequence[int]]:
    middle = len(indices) // 2
    return [indices[middle:], indices[:middle]]
