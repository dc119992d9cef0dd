"""What a model is given."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skysail_container.batch_input import batch_input
from skysail_container.wire import ITEM_BYTES, ArrayRow, Arrays, Bytes, Dense, Json, Ragged, Strings

THREE_SHORTS = np.array([1, 2, 3], "<i2").tobytes()


@pytest.mark.parametrize("dtype", [dtype for dtype in ITEM_BYTES if dtype != "|b1"])
def test_numbers_of_every_dtype_arrive_as_a_matrix_of_that_dtype(dtype: str) -> None:
    numbers = np.array([[0, 1, 2], [3, 4, 5]]).astype(dtype)
    given_rows = batch_input(Dense(dtype, (2, 3), numbers.tobytes())).select(range(2))
    assert isinstance(given_rows, np.ndarray)
    assert given_rows.dtype == np.dtype(dtype)
    assert given_rows.dtype.isnative
    assert np.array_equal(given_rows, numbers)


def test_every_byte_but_zero_is_a_true_boolean() -> None:
    given_rows = batch_input(Dense("|b1", (1, 4), b"\x00\x01\x02\xff")).select([0])
    assert isinstance(given_rows, np.ndarray)
    assert given_rows.tolist() == [[False, True, True, True]]


def test_a_model_may_write_into_its_rows_without_spoiling_a_later_attempt() -> None:
    batch = batch_input(Dense("<i2", (3, 1), THREE_SHORTS))
    for _ in range(2):
        rows = batch.select(range(3))
        assert isinstance(rows, np.ndarray)
        assert rows.tolist() == [[1], [2], [3]]
        rows[:] = 0
    assert np.asarray(batch.select([1])).tolist() == [[2]]


def test_ragged_rows_are_a_list_of_vectors_and_a_matrix_where_they_are_equally_long() -> None:
    batch = batch_input(Ragged("<i2", (1, 2), THREE_SHORTS))
    vectors = batch.select(range(2))
    assert isinstance(vectors, list)
    assert [vector.tolist() for vector in vectors] == [[1], [2, 3]]
    matrix = batch.select([1])
    assert isinstance(matrix, np.ndarray)
    assert matrix.tolist() == [[2, 3]]


def test_equally_long_ragged_rows_are_a_matrix() -> None:
    rows = batch_input(Ragged("|u1", (2, 2), b"\x01\x02\x03\x04")).select(range(2))
    assert isinstance(rows, np.ndarray)
    assert rows.tolist() == [[1, 2], [3, 4]]


@given(lengths=st.lists(st.integers(0, 3), min_size=1, max_size=10))
def test_groups_hold_every_row_once_and_only_rows_of_one_length(lengths: list[int]) -> None:
    batch = batch_input(Ragged("|u1", tuple(lengths), bytes(sum(lengths))))
    groups = batch.groups(range(len(lengths)))
    assert sorted(index for group in groups for index in group) == list(range(len(lengths)))
    assert [len({lengths[index] for index in group}) for group in groups] == [1] * len(set(lengths))


def test_tensors_are_a_list_of_arrays_and_one_array_where_they_are_alike() -> None:
    rows = Arrays(
        (ArrayRow("|u1", (2,), b"\x01\x02"), ArrayRow("<i2", (), b"\x05\x00"), ArrayRow("|u1", (2,), b"\x03\x04"))
    )
    batch = batch_input(rows)
    mixed = batch.select(range(3))
    assert isinstance(mixed, list)
    assert [array.shape for array in mixed] == [(2,), (), (2,)]
    assert batch.groups(range(3)) == [[0, 2], [1]]
    alike = batch.select([0, 2])
    assert isinstance(alike, np.ndarray)
    assert alike.tolist() == [[1, 2], [3, 4]]


def test_texts_and_bytes_are_passed_on_as_they_are() -> None:
    assert batch_input(Strings(("a", "b"))).select([1]) == ["b"]
    assert batch_input(Bytes((b"a", b"b"))).select(range(2)) == [b"a", b"b"]


def test_json_is_decoded_anew_for_every_attempt() -> None:
    batch = batch_input(Json((b'{"a": [1]}',)))
    first = batch.select([0])
    first[0]["a"].append(2)
    assert batch.select([0]) == [{"a": [1]}]
    assert batch.select([0]) == [{"a": [1]}]


@pytest.mark.parametrize("text", [b"", b"{", b"\xff", b"[" * 200_000, b"1" * 5_000])
def test_a_row_that_is_not_json_is_an_error_and_no_model_sees_it(text: bytes) -> None:
    batch = batch_input(Json((b"1", text, b"2")))
    assert list(batch.errors) == [1]
    assert list(batch.usable_indices()) == [0, 2]
