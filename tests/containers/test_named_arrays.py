"""Rows to named arrays, and named outputs to one output per row."""

import json
from typing import Any

import numpy as np
import pytest

from skysail_container.errors import ModelOutputError, UnusableRowsError
from skysail_container.input_types import InputType
from skysail_container.named_arrays import NamedInput, NamedInputs, one_output_per_row
from skysail_container.wire import Dense, Json, Strings

PIXELS = NamedInputs([NamedInput("pixels", np.dtype("f4"), (2, 2))])
PERSON = NamedInputs(
    [
        NamedInput("age", np.dtype("i8"), (1,)),
        NamedInput("name", np.dtype(object), ()),
        NamedInput("income", np.dtype("f8"), (), is_optional=True),
    ]
)
WORDS = NamedInputs([NamedInput("ids", np.dtype("i4"), (None,))])


def test_objects_are_taken_apart_by_name() -> None:
    arrays = PERSON.arrays([{"age": [7], "name": "Ada", "income": 1.5}, {"age": [8], "name": "Ben\0", "income": 2}])
    assert list(arrays) == ["age", "name", "income"]
    assert arrays["age"].dtype == np.int64
    assert arrays["age"].tolist() == [[7], [8]]
    assert arrays["name"].tolist() == ["Ada", "Ben\0"]
    assert arrays["income"].tolist() == [1.5, 2.0]


def test_a_value_is_a_list_of_one_where_that_is_expected_and_rows_may_differ_in_it() -> None:
    arrays = PERSON.arrays([{"age": 7, "name": "Ada"}, {"age": [8.0], "name": "Ben", "income": None}])
    assert arrays["age"].tolist() == [[7], [8]]
    assert np.isnan(arrays["income"]).all()


@pytest.mark.parametrize(
    "rows",
    [
        np.arange(8.0).reshape(2, 4),
        np.arange(8).reshape(2, 2, 2),
        [np.arange(4.0), np.arange(4.0, 8.0)],
        [[[0, 1], [2, 3]], [[4, 5], [6, 7]]],
        [[0, 1, 2, 3], [4, 5, 6, 7]],
        [{"pixels": [[0, 1], [2, 3]]}, {"pixels": [4, 5, 6, 7]}],
    ],
)
def test_a_sole_input_takes_arrays_lists_and_objects(rows: Any) -> None:
    arrays = PIXELS.arrays(rows)
    assert arrays["pixels"].dtype == np.float32
    assert arrays["pixels"].flags.c_contiguous
    assert arrays["pixels"].tolist() == [[[0, 1], [2, 3]], [[4, 5], [6, 7]]]


def test_texts_and_bytes_are_a_sole_inputs_values() -> None:
    text = NamedInputs([NamedInput("text", np.dtype(object), (1,))])
    assert text.arrays(["a", "bc"])["text"].tolist() == [["a"], ["bc"]]
    image = NamedInputs([NamedInput("image", np.dtype("u1"), (None,))])
    assert image.arrays([b"\x00\xff", b"ab"])["image"].tolist() == [[0, 255], [97, 98]]


@pytest.mark.parametrize(
    ("inputs", "rows", "said"),
    [
        (PERSON, [{"age": 1, "name": "Ada"}, {"age": 2}], "row 1, input 'name' is missing"),
        (PERSON, [{"age": 1, "name": "Ada", "shoe": 43}], "there is no input 'shoe', only 'age', 'income', 'name'"),
        (PERSON, [{"age": 1, "name": "Ada"}, 5], "row 1, an object is expected, this is 5"),
        (PERSON, [[1, 2]], "a row is an object with the inputs 'age', 'income', 'name'"),
        (PERSON, np.zeros((2, 3)), "a row is an object with the inputs"),
        (PERSON, [{"age": 1.5, "name": "Ada"}], "input 'age': a value of type int64 is expected, this is 1.5"),
        (PERSON, [{"age": 2**70, "name": "Ada"}], "input 'age': a value of type int64 is expected, this is too large"),
        (PERSON, [{"age": None, "name": "Ada"}], "input 'age': a number is expected, this is null"),
        (PERSON, [{"age": 1, "name": 3}], "input 'name': a text is expected, this is 3"),
        (PERSON, [{"age": 1, "name": "a", "income": "3"}], "input 'income': a number is expected, this is '3'"),
        (PIXELS, [[1, 2, 3, 4], [1, 2, "x", 4]], "row 1, input 'pixels': a number is expected, this is 'x'"),
        (PIXELS, [[1, 2, 3, 4], [1, 2]], r"row 1, input 'pixels': a list of shape \[2, 2\] is expected, this is a"),
        (PIXELS, np.zeros((1, 5)), r"input 'pixels': a list of shape \[2, 2\] is expected, this is .* \[5\]"),
        (PIXELS, [[[1, 2], [3]]], "input 'pixels': lists of different lengths make no array"),
        (WORDS, [[1, 2], [3]], "input 'ids': lists of different lengths make no array"),
        (WORDS, [[2**40]], "input 'ids': a value of type int32 is expected, this is 1099511627776"),
        (WORDS, [[float("nan")]], "input 'ids': a value of type int32 is expected, this is nan"),
        (WORDS, [3], r"input 'ids': a list of shape \[any\] is expected, this is one value"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_row_and_input(inputs: NamedInputs, rows: Any, said: str) -> None:
    with pytest.raises(UnusableRowsError, match=f"^{said}"):
        inputs.arrays(rows)


def test_rows_of_another_length_can_be_given_by_themselves() -> None:
    assert WORDS.arrays([[1, 2, 3]])["ids"].shape == (1, 3)
    assert WORDS.arrays([[3]])["ids"].shape == (1, 1)


@pytest.mark.parametrize("input_type", ["json", "floats", "doubles", "integers", "tensor"])
def test_a_sole_input_knows_an_example_of_every_type_it_takes(input_type: InputType) -> None:
    rows = PIXELS.example_rows(input_type)
    assert rows is not None
    assert isinstance(rows, Json if input_type == "json" else Dense)


def test_several_inputs_know_an_example_that_they_take() -> None:
    rows = PERSON.example_rows("json")
    assert isinstance(rows, Json)
    assert json.loads(rows.items[0]) == {"age": [0], "name": "", "income": 0.0}
    PERSON.arrays([json.loads(rows.items[0])])
    assert PERSON.example_rows("doubles") is None


def test_a_sole_text_has_an_empty_one_as_its_example() -> None:
    text = NamedInputs([NamedInput("text", np.dtype(object), (1,))])
    assert text.example_rows("strings") == Strings(("",))
    assert text.example_rows("floats") is None


def test_a_sole_output_is_its_value_and_several_are_objects() -> None:
    label, scores = np.array([1, 0]), np.array([[0.25, 0.75], [1.0, 0.0]])
    assert one_output_per_row({"scores": scores}, 2) is scores
    assert one_output_per_row({"label": label, "scores": scores, "map": [{"a": 1}, {"a": 2}]}, 2) == [
        {"label": 1, "scores": [0.25, 0.75], "map": {"a": 1}},
        {"label": 0, "scores": [1.0, 0.0], "map": {"a": 2}},
    ]


@pytest.mark.parametrize("values", [np.zeros(3), np.array(1.0), [1, 2, 3]])
def test_an_output_without_one_element_per_row_is_refused(values: Any) -> None:
    with pytest.raises(ModelOutputError, match=r"output 'scores' has the shape .* for 2 rows"):
        one_output_per_row({"label": np.zeros(2), "scores": values}, 2)
