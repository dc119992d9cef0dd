"""A row that a model refuses fails alone."""

import struct
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skysail_container.batch_execution import MAX_ATTEMPTS, run_batch
from skysail_container.batch_output import BatchOutput
from skysail_container.errors import RowRefusedError
from skysail_container.function_model import FunctionModel
from skysail_container.wire import Dense, Json, Ragged, Strings


def always() -> bool:
    return True


def column(*numbers: float) -> Dense:
    return Dense("<f8", (len(numbers), 1), struct.pack(f"<{len(numbers)}d", *numbers))


class Recorded:
    """A model that negates its numbers, raises for those it is told to, and remembers its calls."""

    def __init__(self, *guilty: float, error: BaseException | None = None) -> None:
        self._guilty = set(guilty)
        self._error = error or ValueError("guilty")
        self.calls: list[list[float]] = []

    def run(self, *numbers: float, has_time_left: Callable[[], bool] = always) -> BatchOutput:
        return run_batch(FunctionModel(self.predict), column(*numbers), has_time_left)

    def predict(self, rows: Any) -> object:
        values = rows[:, 0].tolist()
        self.calls.append(values)
        if self._guilty & set(values):
            raise self._error
        return -rows[:, 0]


def values(output: BatchOutput) -> list[float]:
    assert isinstance(output.rows, Dense)
    return [float(number) for number in np.frombuffer(output.rows.data, output.rows.dtype)]


def test_a_good_batch_takes_one_call() -> None:
    model = Recorded()
    output = model.run(1, 2, 3)
    assert (values(output), output.errors, len(model.calls)) == ([-1, -2, -3], None, 1)


@given(n_rows=st.integers(1, 100), data=st.data())
def test_exactly_the_guilty_rows_fail(n_rows: int, data: st.DataObject) -> None:
    guilty = data.draw(st.sets(st.integers(0, n_rows - 1), max_size=5))
    model = Recorded(*guilty)
    output = model.run(*range(n_rows))
    assert set(output.errors or {}) == guilty
    if len(guilty) < n_rows:
        assert all(values(output)[row] == -row for row in range(n_rows) if row not in guilty)
    assert len(model.calls) <= MAX_ATTEMPTS


def test_the_reason_of_a_refusal_is_marked_as_meant_for_the_rows_sender() -> None:
    def refusing(rows: Any) -> object:
        if len(rows) == 1:
            raise RowRefusedError("age is null" + "!" * 2000)
        return [RowRefusedError("age is null"), *rows[1:, 0]]

    model = FunctionModel(refusing)
    assert run_batch(model, column(1.0, 2.0), always).errors == {0: "refused: age is null"}
    (text,) = (run_batch(model, column(1.0), always).errors or {}).values()
    assert text.startswith("refused: age is null!!!")
    assert len(text) == 1000


def test_one_guilty_row_among_64_is_found_in_13_calls() -> None:
    model = Recorded(17)
    assert model.run(*range(64)).errors == {17: "ValueError: guilty"}
    assert len(model.calls) == 13


def test_the_search_ends_with_the_batchs_time() -> None:
    time_left = iter([True] * 3 + [False] * 100)
    model = Recorded(17)
    output = model.run(*range(64), has_time_left=lambda: next(time_left))
    assert len(model.calls) == 4
    assert output.errors is not None
    assert set(output.errors) == set(range(16, 64))
    assert output.errors[17] == "ValueError: guilty (raised for several rows together)"


def test_the_search_ends_after_so_many_calls() -> None:
    model = Recorded(*range(1000))
    output = model.run(*range(1000))
    assert len(model.calls) == MAX_ATTEMPTS
    assert output.errors is not None
    assert len(output.errors) == 1000


def test_rows_are_told_apart_by_their_width_first() -> None:
    widths: list[Any] = []

    def only_width_2(rows: Any) -> object:
        widths.append(rows.shape if isinstance(rows, np.ndarray) else "list")
        if not isinstance(rows, np.ndarray) or rows.shape[1] != 2:
            raise ValueError("2 features are expected")
        return rows.sum(axis=1)

    rows = Ragged("|u1", (2, 3, 2, 2), bytes(range(9)))
    output = run_batch(FunctionModel(only_width_2), rows, always)
    assert output.errors == {1: "ValueError: 2 features are expected"}
    assert isinstance(output.rows, Dense)
    assert widths[0] == "list"
    assert sorted(widths[1:]) == [(1, 3), (3, 2)]


def test_many_widths_do_not_make_more_calls_than_are_allowed() -> None:
    calls: list[int] = []

    def refuse(rows: Any) -> object:
        calls.append(len(rows))
        raise ValueError

    lengths = tuple(range(600))
    output = run_batch(FunctionModel(refuse), Ragged("|u1", lengths, bytes(sum(lengths))), always)
    assert len(calls) == MAX_ATTEMPTS
    assert output.errors is not None
    assert len(output.errors) == 600


@pytest.mark.parametrize(
    "error", [SystemExit(3), KeyboardInterrupt(), MemoryError(), GeneratorExit(), RecursionError()]
)
def test_whatever_a_model_raises_is_a_row_error(error: BaseException) -> None:
    output = Recorded(1, error=error).run(0, 1)
    assert output.errors is not None
    assert list(output.errors) == [1]
    assert output.errors[1].startswith(type(error).__name__)


def test_a_wrong_count_fails_the_part_that_gave_it_and_is_not_searched() -> None:
    calls: list[int] = []

    def short(rows: Any) -> object:
        calls.append(len(rows))
        return rows[:-1]

    output = run_batch(FunctionModel(short), Strings(("a", "b", "c")), always)
    assert output.errors == dict.fromkeys(range(3), "model returned 2 outputs for 3 rows")
    assert calls == [3]


def test_errors_in_a_lazy_output_are_found_like_any_other() -> None:
    def lazy(rows: Any) -> object:
        return (1 / int(row) for row in rows)

    output = run_batch(FunctionModel(lazy), Strings(("1", "0", "2")), always)
    assert output.errors == {1: "ZeroDivisionError: division by zero"}


def test_rows_that_cannot_be_decoded_do_not_reach_the_model() -> None:
    seen: list[Any] = []

    def remember(rows: Any) -> object:
        seen.extend(rows)
        return rows

    output = run_batch(FunctionModel(remember), Json((b"{", b"[1]")), always)
    assert seen == [[1]]
    assert output.rows == Json((b"null", b"[1]"))
    assert list(output.errors or {}) == [0]
    run_batch(FunctionModel(remember), Json((b"{",)), always)
    assert seen == [[1]]


def test_an_empty_batch_has_no_outputs() -> None:
    assert run_batch(FunctionModel(len), Strings(()), always) == BatchOutput(Json(()), None)


def test_an_error_whose_text_raises_still_has_a_text() -> None:
    class RudeError(Exception):
        def __str__(self) -> str:
            raise ValueError

    output = Recorded(1, error=RudeError()).run(1)
    assert output.errors == {0: "RudeError: its text cannot be had: ValueError"}


def test_long_error_texts_are_shortened_and_encodable() -> None:
    (text,) = (Recorded(1, error=ValueError("\ud800" + "x" * 5000)).run(1).errors or {}).values()
    assert len(text) == 1000
    assert text.startswith("ValueError: ?xxx")
    assert text.endswith("...")


def test_outputs_with_rude_methods_fail_their_batch_and_nothing_else() -> None:
    class Rude:
        def __array__(self, dtype: object = None, copy: object = None) -> object:
            raise SystemExit(1)

    output = run_batch(FunctionModel(lambda rows: Rude()), Strings(("a",)), always)
    assert output.errors == {0: "SystemExit: 1"}
