"""What a model may return, and what goes over the wire for it."""

import datetime
import enum
import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from skysail_container.batch_output import RowFailure, check_outputs, to_batch_output
from skysail_container.errors import ModelOutputError
from skysail_container.wire import (
    ArrayRow,
    Arrays,
    Bytes,
    Dense,
    Json,
    Result,
    Rows,
    Strings,
    decode_from_container,
    encode,
)


def converted(outputs: Any) -> Rows:
    """The wire's rows for outputs of which none failed; they must pass the wire's own checks."""
    rows, errors = to_batch_output(outputs)
    assert errors is None
    message = Result(1, 0, 0, rows, None)
    assert decode_from_container(encode(message)[4:]) == message
    return rows


def numbers(rows: Rows) -> Any:
    assert isinstance(rows, Dense)
    return np.frombuffer(rows.data, rows.dtype).reshape(rows.shape)


NUMERIC = st.one_of(
    hnp.integer_dtypes(endianness="?"),
    hnp.unsigned_integer_dtypes(endianness="?"),
    hnp.floating_dtypes(endianness="?", sizes=(16, 32, 64)),
    hnp.complex_number_dtypes(endianness="?", sizes=(64, 128)),
    hnp.boolean_dtypes(),
)


@given(hnp.arrays(NUMERIC, hnp.array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=4)), st.booleans())
def test_numeric_arrays_of_any_dtype_byte_order_and_layout_arrive_equal(array: Any, is_reversed: bool) -> None:
    if is_reversed:
        array = array[::-1].T if array.ndim == 2 else array[::-1]
    rows = converted(array)
    assert isinstance(rows, Dense)
    assert rows.shape == array.shape
    assert np.array_equal(numbers(rows), array, equal_nan=array.dtype.kind in "fc")


def test_long_doubles_become_doubles() -> None:
    assert converted(np.array([0.5], np.longdouble)) == converted(np.array([0.5]))
    assert converted(np.array([0.5j], np.clongdouble)) == converted(np.array([0.5j]))


@pytest.mark.parametrize(
    ("outputs", "dtype"),
    [
        ([1, 2], "<i8"),
        ([1.0, 2.5], "<f8"),
        ([np.float32(1), np.float32(2.5)], "<f4"),
        ([np.int16(1), np.int16(-2)], "<i2"),
        ([2**63], "<u8"),
        ([True, False], "|b1"),
        ([np.True_, np.False_], "|b1"),
        ([1j, 2.0], "<c16"),
        ([float("nan"), float("inf")], "<f8"),
    ],
)
def test_lists_of_numbers_are_dense(outputs: list[Any], dtype: str) -> None:
    rows = converted(outputs)
    assert isinstance(rows, Dense)
    assert rows.dtype == dtype
    assert np.array_equal(numbers(rows), np.asarray(outputs), equal_nan=True)


@pytest.mark.parametrize("outputs", [[2**64, 1], [2**53 + 1, 0.5], [10**400, 0.5], [1, 2**63]])
def test_integers_that_no_dtype_can_hold_keep_every_digit_as_json(outputs: list[Any]) -> None:
    rows = converted(outputs)
    assert isinstance(rows, Json)
    assert [json.loads(text) for text in rows.items] == outputs


@pytest.mark.parametrize(
    ("outputs", "rows"),
    [
        (["yes", ""], Strings(("yes", ""))),
        (np.array(["yes", "déjà"]), Strings(("yes", "déjà"))),
        (np.array(["yes", "no"], object), Strings(("yes", "no"))),
        ([np.str_("yes")], Strings(("yes",))),
        (["lone \ud800 surrogate"], Strings(("lone ? surrogate",))),
        ([b"a", bytearray(b"b"), memoryview(b"c")], Bytes((b"a", b"b", b"c"))),
        (np.array([b"a", b"bc"]), Bytes((b"a", b"bc"))),
        (np.array(["2024-02-29"], "datetime64[D]"), Strings(("2024-02-29",))),
        ([np.array([1], "|i1"), np.array([2], "|i1")], Dense("|i1", (2, 1), b"\x01\x02")),
        (
            [np.array([1], "|i1"), np.array([[2, 3]], "|u1"), np.array(4, "|i1")],
            Arrays(
                (ArrayRow("|i1", (1,), b"\x01"), ArrayRow("|u1", (1, 2), b"\x02\x03"), ArrayRow("|i1", (), b"\x04"))
            ),
        ),
        ([{"a": 1}, [2.5, None]], Json((b'{"a":1}', b"[2.5,null]"))),
        ([1, "a"], Json((b"1", b'"a"'))),
        ([3, 3.0], Json((b"3", b"3.0"))),
        ([True, 1], Json((b"true", b"1"))),
        ([None, None], Json((b"null", b"null"))),
        ([[0.5, 0.5], (1, 2)], Json((b"[0.5,0.5]", b"[1,2]"))),
        ([{"a": float("nan"), "b": [np.float32("inf"), np.int8(3)]}], Json((b'{"a":null,"b":[null,3]}',))),
        ([{"a": np.array([[1.5, np.nan]])}, 0], Json((b'{"a":[[1.5,null]]}', b"0"))),
        ([{"a": b"\x00"}], Json((b'{"a":"AA=="}',))),
        ([{"a": datetime.date(2024, 2, 29)}], Json((b'{"a":"2024-02-29"}',))),
        ([{"é": "\ud800"}], Json(('{"é":"?"}'.encode(),))),
        (np.array([{"a": 1}, None], object), Json((b'{"a":1}', b"null"))),
        (np.array([["a", "b"], ["c", "d"]]), Json((b'["a","b"]', b'["c","d"]'))),
        ([], Json(())),
    ],
)
def test_outputs_become_rows_of_the_kind_they_are(outputs: Any, rows: Rows) -> None:
    assert converted(outputs) == rows


def test_enums_of_integers_are_numbers() -> None:
    class Label(enum.IntEnum):
        CAT = 1

    assert numbers(converted([Label.CAT])).tolist() == [1]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(st.lists(json_values, max_size=5))
def test_any_json_like_outputs_become_valid_rows(outputs: list[Any]) -> None:
    rows = converted(outputs)
    assert rows.n_rows == len(outputs)
    if isinstance(rows, Json):
        for text in rows.items:
            json.loads(text, parse_constant=pytest.fail)


def circular() -> list[Any]:
    outer: list[Any] = []
    outer.append(outer)
    return outer


@pytest.mark.parametrize(
    ("bad", "error"),
    [
        (object(), "TypeError: a object has no form in JSON"),
        ({1, 2}, "TypeError: a set has no form in JSON"),
        ({(1, 2): 3}, "TypeError"),
        (circular(), "RecursionError"),
    ],
)
def test_an_output_that_has_no_form_on_the_wire_is_its_rows_error(bad: object, error: str) -> None:
    rows, errors = to_batch_output([{"a": 1}, bad])
    assert rows == Json((b'{"a":1}', b"null"))
    assert errors is not None
    assert list(errors) == [1]
    assert errors[1].startswith(error)


@pytest.mark.parametrize(
    ("good", "filled"),
    [
        (1.5, Dense("<f8", (3,), np.array([0, 1.5, 0]).tobytes())),
        (np.array([1, 2], "|i1"), Dense("|i1", (3, 2), b"\x00\x00\x01\x02\x00\x00")),
        ("a", Strings(("", "a", ""))),
        (b"a", Bytes((b"", b"a", b""))),
        ({"a": 1}, Json((b"null", b'{"a":1}', b"null"))),
    ],
)
def test_failed_rows_have_fillers_of_the_good_rows_kind(good: object, filled: Rows) -> None:
    outputs = [RowFailure("bad"), good, ValueError("odd")]
    assert to_batch_output(outputs) == (filled, {0: "bad", 2: "ValueError: odd"})


def test_failed_rows_among_arrays_of_their_own_shapes_are_empty_arrays() -> None:
    rows, _ = to_batch_output([np.zeros(1), KeyError("k"), np.zeros(2)])
    assert isinstance(rows, Arrays)
    assert rows.items[1] == ArrayRow("|u1", (0,), b"")


def test_errors_found_late_keep_their_rows() -> None:
    rows, errors = to_batch_output([RowFailure("early"), {"a": 1}, object()])
    assert rows == Json((b"null", b'{"a":1}', b"null"))
    assert errors == {0: "early", 2: "TypeError: a object has no form in JSON"}


def test_a_batch_of_failures_has_nulls() -> None:
    assert to_batch_output([RowFailure("a")] * 2) == (Json((b"null",) * 2), {0: "a", 1: "a"})


class WithArray:
    """Like a pandas Series or a tensor of another framework."""

    def __array__(self, dtype: object = None, copy: object = None) -> Any:
        return np.array([1.0, 2.0])


def endless() -> Iterator[int]:
    while True:
        yield 1


@pytest.mark.parametrize(
    "outputs", [[1, 2], (1, 2), np.zeros(2), iter([1, 2]), range(2), WithArray(), {1: 2, 3: 4}.values()]
)
def test_anything_with_one_output_per_row_is_taken(outputs: object) -> None:
    assert len(check_outputs(outputs, 2)) == 2


@pytest.mark.parametrize(
    ("outputs", "text"),
    [
        ([1, 2, 3], "model returned 3 outputs for 4 rows"),
        (np.zeros((5, 4)), "model returned 5 outputs for 4 rows"),
        (endless(), "model returned 5 outputs for 4 rows"),
        (np.float64(1.0), "model returned one value for 4 rows"),
        (1.0, "model returned a float, not an array"),
        (None, "model returned a NoneType, not an array"),
        ("abcd", "model returned a str, not an array"),
        (b"abcd", "model returned a bytes, not an array"),
        ({"a": 1, "b": 2, "c": 3, "d": 4}, "model returned a dict, not an array"),
        ({1, 2, 3, 4}, "model returned a set, not an array"),
    ],
)
def test_anything_else_is_refused_with_what_it_was(outputs: object, text: str) -> None:
    with pytest.raises(ModelOutputError, match=text):
        check_outputs(outputs, 4)
