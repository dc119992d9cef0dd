"""Predict requests: bodies to payloads, and causes that name the field, what was expected and what came."""

import contextlib
import json
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skysail_frontend.errors import RequestRefusedError
from skysail_frontend.input_type import INPUT_TYPES
from skysail_frontend.predict_request import PredictRequest, PredictRequestParser

PARSERS = {name: PredictRequestParser(input_type, 100) for name, input_type in INPUT_TYPES.items()}


def parsed(name: str, body: Any) -> PredictRequest:
    return PARSERS[name].parse(body if isinstance(body, bytes) else json.dumps(body).encode())


def cause(name: str, body: Any) -> str:
    with pytest.raises(RequestRefusedError) as caught:
        parsed(name, body)
    assert (caught.value.status, caught.value.error) == (400, "Json error")
    return caught.value.cause


def doubles(*numbers: float) -> bytes:
    return struct.pack(f"<{len(numbers)}d", *numbers)


def test_one_example_has_the_single_form() -> None:
    request = parsed("doubles", {"input": [1.5, 2]})
    assert (request.payloads, request.is_batch, request.version) == ([doubles(1.5, 2)], False, None)


def test_a_batch_keeps_its_order_and_a_batch_of_one_collapses() -> None:
    request = parsed("doubles", {"input_batch": [[1], [2], [3]], "version": "7"})
    assert (request.payloads, request.is_batch, request.version) == ([doubles(n) for n in (1, 2, 3)], True, "7")
    assert parsed("doubles", {"input_batch": [[1]]}).is_batch is False


def test_an_empty_batch_is_a_batch_of_nothing() -> None:
    request = parsed("doubles", {"input_batch": []})
    assert (request.payloads, request.is_batch) == ([], True)


def test_input_wins_over_input_batch_even_when_that_is_faulty() -> None:
    assert parsed("doubles", {"input": [1], "input_batch": [[2], [3]]}).payloads == [doubles(1)]
    request = parsed("doubles", {"input": [1], "input_batch": "nonsense", "version": "2"})
    assert (request.payloads, request.is_batch, request.version) == ([doubles(1)], False, "2")


def test_unknown_keys_are_ignored_and_version_may_be_null() -> None:
    request = parsed("strings", {"uid": 3, "input": "x", "version": None})
    assert (request.payloads, request.version) == (["x"], None)


@pytest.mark.parametrize(
    ("name", "value"),
    [("integers", [1]), ("floats", [1, 2.5]), ("doubles", [1]), ("strings", ""), ("bytes", "AAA="), ("json", None),
     ("json", {"a": [1]}), ("tensor", [[1]])],
)  # fmt: skip
def test_every_type_takes_its_example(name: str, value: Any) -> None:
    assert len(parsed(name, {"input": value}).payloads) == 1
    assert len(parsed(name, {"input_batch": [value, value]}).payloads) == 2


@pytest.mark.parametrize(
    ("name", "body", "text"),
    [
        ("doubles", b"", "Input data was truncated"),
        ("doubles", b"{", "Input data was truncated"),
        ("doubles", b"nonsense", "JSON is malformed"),
        ("doubles", b'{"input":[1]} x', "trailing characters"),
        ("doubles", b'{"input":[NaN]}', "which is not JSON"),
        ("doubles", b'{"input":[Infinity]}', "which is not JSON"),
        ("doubles", b'{"input":[1e999]}', "Number out of range - at `input[0]`"),
        ("strings", b'{"input":"\xff"}', "JSON is not valid UTF-8"),
        ("strings", b'{"input":"\\ud800xxxxxxxx"}', "lone surrogate"),
        ("json", b'{"input":' + b"[" * 100_000, "JSON is nested too deeply"),
        ("json", b'{"input":' + b"[" * 65 + b"]" * 65 + b"}", "`input` nests deeper than 64 levels"),
        ("doubles", [], "Expected `object`, got `array`"),
        ("doubles", 3, "Expected `object`, got `int`"),
        ("doubles", None, "Expected `object`, got `null`"),
        ("doubles", {}, "Object missing required field `input` (or `input_batch`)"),
        ("json", {}, "Object missing required field `input` (or `input_batch`)"),
        ("doubles", {"input": 1}, "Expected `array`, got `int` - at `input`"),
        ("doubles", {"input": None}, "Expected `array`, got `null` - at `input`"),
        ("doubles", {"input": [1, "2"]}, "Expected `float`, got `str` - at `input[1]`"),
        ("doubles", {"input": [True]}, "Expected `float`, got `bool` - at `input[0]`"),
        ("integers", {"input": [1.5]}, "Expected `int`, got `float` - at `input[0]`"),
        ("doubles", {"input": []}, "`input` is an empty array; at least one number was expected"),
        ("doubles", {"input_batch": [[1], []]}, "`input_batch[1]` is an empty array"),
        ("doubles", {"input_batch": [[1], [None]]}, "Expected `float`, got `null` - at `input_batch[1][0]`"),
        ("doubles", {"input_batch": {}}, "Expected `array`, got `object` - at `input_batch`"),
        ("doubles", {"input_batch": [[1]] * 101}, "`input_batch` holds 101 examples; at most 100 are accepted"),
        ("doubles", {"input": [1], "version": 2}, "Expected `str | null`, got `int` - at `version`"),
        ("strings", {"input": ["x"]}, "Expected `str`, got `array` - at `input`"),
        ("bytes", {"input": "?"}, "`input` is not base64"),
        ("floats", {"input": [1e300]}, "`input` holds a number outside the range of f4 values"),
        ("tensor", {"input_batch": [[1], [[1], [1, 2]]]}, "`input_batch[1]` is ragged"),
    ],
)  # fmt: skip
def test_a_faulty_body_is_refused_with_the_field(name: str, body: Any, text: str) -> None:
    assert text in cause(name, body)


def test_of_two_faulty_fields_the_one_that_counts_is_told() -> None:
    assert "`input[0]`" in cause("doubles", b'{"input_batch":"x","input":["x"]}') or "`input_batch`" in cause(
        "doubles", b'{"input_batch":"x","input":["x"]}'
    )


def test_a_deadline_and_the_cache_are_options_of_any_body() -> None:
    for body in ({"input": [1]}, {"input_batch": [[1], [2]]}, {"input": [1], "input_batch": "nonsense"}):
        request = parsed("doubles", {**body, "timeout_ms": 12.5, "cache": False})
        assert (request.timeout_s, request.cache) == (0.0125, False)
    request = parsed("json", {"input": {"timeout_ms": -1, "cache": 1}, "timeout_ms": 5})
    assert (request.timeout_s, request.cache) == (0.005, None)
    request = parsed("doubles", {"input": [1], "timeout_ms": None, "cache": None})
    assert (request.timeout_s, request.cache) == (None, None)


@pytest.mark.parametrize("n", [1, 2000])
@pytest.mark.parametrize("options", [{"timeout_ms": 5}, {"cache": False}, {"cache": True}, {"version": "1"}])
def test_whoever_asks_for_more_than_one_example_gets_more_than_a_payload(n: int, options: dict[str, Any]) -> None:
    """Wide rows, which are read in another way, too."""
    numbers = [0.5] * n
    for body in ({"input": numbers, **options}, {**options, "input": numbers}):
        request = PARSERS["doubles"].parse_row(json.dumps(body).encode())
        assert isinstance(request, PredictRequest)
        assert request.payloads == [doubles(*numbers)]
    assert PARSERS["doubles"].parse_row(json.dumps({"input": numbers, "uid": 1}).encode()) == doubles(*numbers)


TIMEOUT_TEXT = "a number of milliseconds above 0, and at most 3600000, was expected"


@pytest.mark.parametrize(
    ("field", "text", "cause_text"),
    [
        ("timeout_ms", "0", f"`timeout_ms` is 0; {TIMEOUT_TEXT}"),
        ("timeout_ms", "-0.0", f"`timeout_ms` is -0; {TIMEOUT_TEXT}"),
        ("timeout_ms", "-5", f"`timeout_ms` is -5; {TIMEOUT_TEXT}"),
        ("timeout_ms", "3600000.5", TIMEOUT_TEXT),
        ("timeout_ms", "1e308", f"`timeout_ms` is 1e+308; {TIMEOUT_TEXT}"),
        ("timeout_ms", "1e999", "Number out of range - at `timeout_ms`"),
        ("timeout_ms", "9" * 50, TIMEOUT_TEXT),
        ("timeout_ms", "NaN", "`timeout_ms` is NaN"),
        ("timeout_ms", "-Infinity", "`timeout_ms` is -Infinity"),
        ("timeout_ms", '"5"', "Expected `float | null`, got `str` - at `timeout_ms`"),
        ("timeout_ms", "true", "got `bool` - at `timeout_ms`"),
        ("timeout_ms", "[5]", "got `array` - at `timeout_ms`"),
        ("cache", "0", "Expected `bool | null`, got `int` - at `cache`"),
        ("cache", '"no"', "got `str` - at `cache`"),
        ("cache", "{}", "got `object` - at `cache`"),
        ("timeout_ms", '5,"timeout_ms":5', "`timeout_ms` is there more than once"),
        ("timeout_ms", 'null,"timeout_ms":5', "`timeout_ms` is there more than once"),
        ("timeout_ms", '5, "timeout_ms" : null', "`timeout_ms` is there more than once"),
        ("cache", 'false,"cache":true', "`cache` is there more than once"),
    ],
)
def test_a_faulty_option_is_refused_with_its_name(field: str, text: str, cause_text: str) -> None:
    option = f'"{field}":{text}'
    for body in (f'{{"input":[1],{option}}}', f'{{{option},"input":[1]}}', f'{{{option},"input_batch":[[1],[2]]}}'):
        assert cause_text in cause("doubles", body.encode())
        with pytest.raises(RequestRefusedError):
            PARSERS["doubles"].parse_row(body.encode())


def test_a_key_that_stands_twice_in_different_objects_is_there_once() -> None:
    body = {"cache": True, "timeout_ms": 5, "input": {"cache": 1, "timeout_ms": [{"cache": 2}]}, "x": "timeout_ms"}
    assert parsed("json", body).cache is True


def test_what_cannot_be_looked_at_twice_counts_as_given_twice() -> None:
    body = b'{"cache":true,"input":{"cache":%b1%b}}' % (b"[" * 60, b"]" * 60)
    assert parsed("json", body).cache is True
    assert "more than once" in cause("doubles", b'{"cache":true,"input":[1],"x":{"cache":%b}}' % (b"9" * 5000))


@given(st.binary(max_size=60) | st.text(alphabet='{}[]":,input_batch0123456789eE.- \\u', max_size=60).map(str.encode))
def test_no_body_does_anything_but_parse_or_be_refused(body: bytes) -> None:
    for parser in PARSERS.values():
        with contextlib.suppress(RequestRefusedError):
            request = parser.parse(body)
            assert request.is_batch is (len(request.payloads) != 1)
