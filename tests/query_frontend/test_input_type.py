"""Input types: one example from JSON to the wire, and what is refused with which words."""

import base64
import json
import struct
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skysail_container.wire import (
    Arrays,
    Bytes,
    Dense,
    Json,
    Predict,
    Ragged,
    Rows,
    Strings,
    decode_from_client,
    encode,
)
from skysail_frontend.input_type import INPUT_TYPES, MAX_JSON_DEPTH, InputError
from skysail_management.records import InputType


def rows_of(name: str, *examples: Any) -> Rows:
    """The wire rows of these examples, as a container decodes them."""
    input_type = INPUT_TYPES[name]
    rows = input_type.rows([input_type.payload(example) for example in examples])
    message = decode_from_client(encode(Predict(1, 1, rows))[4:])
    assert isinstance(message, Predict)
    assert message.rows == rows
    return message.rows


def refusal(name: str, value: Any) -> str:
    with pytest.raises(InputError) as caught:
        INPUT_TYPES[name].payload(value)
    return str(caught.value)


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


def test_every_input_type_of_the_registry_is_served_under_its_name() -> None:
    assert set(INPUT_TYPES) == {str(name) for name in InputType}
    assert all(input_type.name == name for name, input_type in INPUT_TYPES.items())


def test_numbers_travel_as_little_endian_rows() -> None:
    assert rows_of("doubles", [1.0, 2.0], [3.0, 4.5]) == Dense("<f8", (2, 2), struct.pack("<4d", 1, 2, 3, 4.5))
    assert rows_of("integers", [1, -(2**63)]) == Dense("<i8", (1, 2), struct.pack("<2q", 1, -(2**63)))
    assert rows_of("floats", [0.1]) == Dense("<f4", (1, 1), struct.pack("<f", 0.1))


def test_rows_of_different_lengths_travel_ragged() -> None:
    assert rows_of("doubles", [1.0], [2.0, 3.0]) == Ragged("<f8", (1, 2), struct.pack("<3d", 1, 2, 3))


def test_rows_whose_lengths_only_add_up_are_not_taken_for_equal_ones() -> None:
    assert rows_of("doubles", [1.0, 2.0], [3.0], [4.0, 5.0, 6.0]) == Ragged(
        "<f8", (2, 1, 3), struct.pack("<6d", *range(1, 7))
    )


@given(
    st.lists(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=5), min_size=1, max_size=8)
)
def test_any_rows_of_doubles_arrive_bit_by_bit(examples: list[list[float]]) -> None:
    rows = rows_of("doubles", *examples)
    assert isinstance(rows, Dense | Ragged)
    assert bytes(rows.data) == b"".join(struct.pack(f"<{len(row)}d", *row) for row in examples)
    assert rows.n_rows == len(examples)


@pytest.mark.parametrize(
    ("name", "value", "cause"),
    [
        ("doubles", [], "is an empty array; at least one number was expected"),
        ("integers", [2**63], "outside the range of i8 values"),
        ("floats", [1e39], "outside the range of f4 values"),
        ("doubles", [10**400], "outside the range of f8 values"),
        ("bytes", "abc", "is not base64"),
        ("bytes", "ä===", "is not base64"),
        ("bytes", "ab c", "is not base64"),
        ("json", nested(MAX_JSON_DEPTH + 1), f"nests deeper than {MAX_JSON_DEPTH} levels"),
        ("json", nested(500), f"nests deeper than {MAX_JSON_DEPTH} levels"),
        ("tensor", 3, "is a number; nested arrays or an object"),
        ("tensor", None, "is a null; nested arrays"),
        ("tensor", [], "is an empty array"),
        ("tensor", [[], []], "is an empty array"),
        ("tensor", [[1, 2], [3]], "is ragged: arrays at depth 2 differ in length"),
        ("tensor", [[1], 2], "is ragged: arrays at depth 2"),
        ("tensor", [1, [2]], "holds a array where a number was expected"),
        ("tensor", [1, "2"], "holds a string where"),
        ("tensor", [True], "holds a boolean where"),
        ("tensor", [1, None], "holds a null where"),
        ("tensor", [2**63], "outside the range of i8 values"),
        ("tensor", [1.5, 10**400], "outside the range of f8 values"),
        ("tensor", nested(33), "has more than 32 dimensions"),
        ("tensor", {}, "has dtype None; one of |b1"),
        ("tensor", {"dtype": "|O"}, "has dtype '|O'; one of"),
        ("tensor", {"dtype": ["<f8"]}, "has dtype ['<f8']; one of"),
        ("tensor", {"dtype": "<f8", "shape": 3}, "has shape 3; an array of positive integers"),
        ("tensor", {"dtype": "<f8", "shape": [0]}, "has shape [0]; an array of positive"),
        ("tensor", {"dtype": "<f8", "shape": [2**31]}, "has shape [2147483648]; an array of"),
        ("tensor", {"dtype": "<f8", "shape": [True]}, "has shape [True]; an array of"),
        ("tensor", {"dtype": "<f8", "shape": [1] * 33}, "has 33 dimensions; at most 32"),
        ("tensor", {"dtype": "<f8", "shape": [1], "data": 3}, "has data of type number; a base64 string"),
        ("tensor", {"dtype": "<f8", "shape": [2], "data": "AAAAAAAAAAA="}, "has 8 bytes of data; its dtype and shape"),
    ],
)  # fmt: skip
def test_what_is_not_of_the_type_is_refused_in_words(name: str, value: Any, cause: str) -> None:
    assert cause in refusal(name, value)


def test_text_and_bytes_pass_as_they_are_empty_ones_too() -> None:
    assert rows_of("strings", "", "grüß") == Strings(("", "grüß"))
    raw = bytes(range(256))
    assert rows_of("bytes", "", base64.b64encode(raw).decode()) == Bytes((b"", raw))


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(), children, max_size=3),
    max_leaves=10,
)


@given(json_values)
def test_any_json_value_passes_unchanged(value: Any) -> None:
    decoded = msgspec.json.decode(json.dumps(value))
    rows = rows_of("json", decoded)
    assert isinstance(rows, Json)
    assert json.loads(rows.items[0]) == value


def test_json_may_nest_as_deep_as_the_limit() -> None:
    assert rows_of("json", nested(MAX_JSON_DEPTH)) == Json((json.dumps(nested(MAX_JSON_DEPTH)).encode(),))


@given(st.lists(st.integers(1, 3), min_size=1, max_size=4), st.booleans())
def test_nested_arrays_are_the_array_that_numpy_makes_of_them(shape: list[int], is_float: bool) -> None:
    array = np.arange(np.prod(shape)).reshape(shape).astype("<f8" if is_float else "<i8")
    rows = rows_of("tensor", array.tolist(), array.tolist())
    assert rows == Dense(array.dtype.str, (2, *shape), array.tobytes() * 2)


def test_packed_tensors_travel_as_they_are() -> None:
    array = np.arange(6, dtype="<u2").reshape(2, 3)
    packed = {"dtype": "<u2", "shape": [2, 3], "data": base64.b64encode(array.tobytes()).decode()}
    assert rows_of("tensor", packed) == Dense("<u2", (1, 2, 3), array.tobytes())
    scalar = {"dtype": "|b1", "shape": [], "data": "AQ=="}
    assert rows_of("tensor", scalar, scalar) == Dense("|b1", (2,), b"\1\1")


def test_tensors_of_different_shapes_or_dtypes_travel_one_by_one() -> None:
    rows = rows_of("tensor", [1, 2], [[1]], [1.5, 2])
    assert isinstance(rows, Arrays)
    assert [(item.dtype, item.shape) for item in rows.items] == [("<i8", (2,)), ("<i8", (1, 1)), ("<f8", (2,))]


@pytest.mark.parametrize(
    ("name", "value", "n_bytes"),
    [("doubles", [1.0] * 10, 80), ("floats", [1.0], 4), ("strings", "", 5), ("strings", "abc", 8), ("strings", "äö", 9),
     ("bytes", "", 5), ("bytes", "AAAA", 8), ("json", 1, 1), ("tensor", [[1, 2]], 16)],
)  # fmt: skip
def test_a_payload_counts_about_what_it_takes_in_a_frame_and_one_byte_at_least(
    name: str, value: Any, n_bytes: int
) -> None:
    input_type = INPUT_TYPES[name]
    assert input_type.n_bytes(input_type.payload(value)) == n_bytes
