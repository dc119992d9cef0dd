"""Model outputs as JSON: equal to what NumPy would write, whatever the dtype and shape, and never a hostile size."""

import base64
import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skysail_container.wire import ITEM_BYTES, ArrayRow, Arrays, Bytes, Dense, Json, Ragged, Rows, Strings
from skysail_frontend.output import json_fragments


def decoded(outputs: Rows) -> list[Any]:
    fragments = json_fragments(outputs)
    assert len(fragments) == outputs.n_rows
    return [None if fragment is None else json.loads(fragment) for fragment in fragments]


def expected_json(array: Any) -> Any:
    """What a row of a NumPy array is in JSON: no NaN, complex numbers as pairs, nothing without elements."""
    if isinstance(array, list):
        return [expected_json(item) for item in array]
    if isinstance(array, complex):
        return [expected_json(array.real), expected_json(array.imag)]
    if isinstance(array, float) and not math.isfinite(array):
        return None
    return array


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(sorted(ITEM_BYTES)),
    st.lists(st.integers(1, 3), min_size=1, max_size=4),
    st.integers(0, 2**32 - 1),
)
def test_dense_outputs_of_every_dtype_equal_numpys_lists(dtype: str, shape: list[int], seed: int) -> None:
    random = np.random.default_rng(seed)
    raw = random.integers(0, 2 if dtype == "|b1" else 256, int(np.prod(shape)) * ITEM_BYTES[dtype], dtype=np.uint8)
    array = np.frombuffer(raw.tobytes(), dtype).reshape(shape)
    assert decoded(Dense(dtype, tuple(shape), array.tobytes())) == expected_json(array.tolist())


def test_numbers_keep_their_kind() -> None:
    assert json_fragments(Dense("<i8", (2,), np.array([1, -2], "<i8").tobytes())) == [b"1", b"-2"]
    assert json_fragments(Dense("<f8", (2,), np.array([1.0, 0.5], "<f8").tobytes())) == [b"1.0", b"0.5"]
    assert json_fragments(Dense("|b1", (2,), b"\1\0")) == [b"true", b"false"]
    assert json_fragments(Dense("<u8", (1,), b"\xff" * 8)) == [b"18446744073709551615"]


def test_what_json_has_no_word_for_is_null() -> None:
    array = np.array([[np.nan, 1.0], [np.inf, -np.inf]], "<f8")
    assert json_fragments(Dense("<f8", (2, 2), array.tobytes())) == [b"[null,1.0]", b"[null,null]"]


def test_no_rows_give_no_fragments() -> None:
    for outputs in (Dense("<f8", (0,), b""), Dense("<c8", (0, 2), b""), Ragged("<f8", (), b""), Strings(())):
        assert json_fragments(outputs) == []


@pytest.mark.parametrize("shape", [(2, 0), (2, 0, 3), (2, 3, 0), (2, 10**9, 0), (2, 3, 0, 10**9)])
def test_rows_without_elements_are_empty_lists_however_long_their_other_axes(shape: tuple[int, ...]) -> None:
    assert json_fragments(Dense("<f8", shape, b"")) == [b"[]", b"[]"]
    assert json_fragments(Arrays((ArrayRow("<f8", shape[1:], b""),))) == [b"[]"]


def test_ragged_rows_are_cut_at_their_lengths() -> None:
    data = np.arange(4, dtype="<i4").tobytes()
    assert json_fragments(Ragged("<i4", (1, 0, 3), data)) == [b"[0]", b"[]", b"[1,2,3]"]


def test_ragged_complex_rows_are_pairs() -> None:
    data = np.array([1 + 2j, 3 - 1j], "<c16").tobytes()
    assert decoded(Ragged("<c16", (1, 1), data)) == [[[1.0, 2.0]], [[3.0, -1.0]]]


def test_arrays_have_each_their_own_shape() -> None:
    rows = Arrays(
        (
            ArrayRow("<i8", (), np.array(5, "<i8").tobytes()),
            ArrayRow("<f4", (2, 2), np.array([[1, 2], [3, 4]], "<f4").tobytes()),
            ArrayRow("<f2", (1,), np.array([0.5], "<f2").tobytes()),
            ArrayRow("<c8", (), np.array(1j, "<c8").tobytes()),
        )
    )
    assert decoded(rows) == [5, [[1.0, 2.0], [3.0, 4.0]], [0.5], [0.0, 1.0]]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": 1}', {"a": 1}), ("1", 1), ("-1.5", -1.5), ("true", True), ("null", None), ('"x"', "x"),
        ("[1, 2]", [1, 2]),
        ("cat", "cat"), ("", ""), ("nan", "nan"), ("NaN", "NaN"), ("Infinity", "Infinity"), ("007", "007"),
        ("1 2", "1 2"),
        ("-", "-"), ("1e999", "1e999"), ("{", "{"), (" 1", " 1"), ("t", "t"), ('{"a": NaN}', '{"a": NaN}'),
        ("[" * 5000, "[" * 5000), ("grüß", "grüß"), ('"\\ud800"', '"\\ud800"'),
    ],
)  # fmt: skip
def test_text_that_is_json_is_passed_on_as_json_and_any_other_as_a_string(text: str, value: Any) -> None:
    assert decoded(Strings((text,))) == [value]


@given(st.text())
def test_any_text_is_one_json_value(text: str) -> None:
    (fragment,) = json_fragments(Strings((text,)))
    assert fragment is not None
    value = json.loads(fragment)
    assert value == text or json.loads(text) == value


def test_bytes_are_base64() -> None:
    assert decoded(Bytes((b"", b"\x00\xff"))) == ["", base64.b64encode(b"\x00\xff").decode()]


@pytest.mark.parametrize("text", [b"{", b"", b"\xff", b"NaN", b"1 2", b"[" * 100_000, b'"\xff"', b"1e999"])
def test_a_row_that_claims_to_be_json_and_is_not_has_no_fragment(text: bytes) -> None:
    assert json_fragments(Json((text, b'{"a":1}'))) == [None, b'{"a":1}']


@pytest.mark.parametrize("memory", [bytes, bytearray, memoryview])
def test_outputs_may_stand_in_any_memory(memory: Any) -> None:
    data = memory(np.arange(4, dtype="<f8").tobytes())
    assert decoded(Dense("<f8", (2, 2), data)) == [[0.0, 1.0], [2.0, 3.0]]
    assert decoded(Dense("<f2", (2,), memory(np.array([1, 2], "<f2").tobytes()))) == [1.0, 2.0]
