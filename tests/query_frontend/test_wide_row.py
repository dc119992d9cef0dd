"""Wide rows: whatever simdjson reads is what the decoder reads, and everything else is left to the decoder."""

import json
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skysail_frontend.errors import RequestRefusedError
from skysail_frontend.input_type import INPUT_TYPES
from skysail_frontend.predict_request import PredictRequestParser
from skysail_frontend.wide_row import MIN_BODY_BYTES, WideRow

PADDING = b" " * MIN_BODY_BYTES
NUMBERS = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**63), 2**63 - 1)


@given(st.lists(NUMBERS, min_size=1, max_size=300))
def test_doubles_equal_what_the_decoder_reads(numbers: list[float]) -> None:
    body = json.dumps({"input": numbers}).encode()
    expected = struct.pack(f"<{len(numbers)}d", *numbers)
    assert WideRow("<f8").payload(body) == expected
    assert PredictRequestParser(INPUT_TYPES["doubles"], 10).parse(body + PADDING).payloads == [expected]


@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=300))
def test_integers_equal_what_the_decoder_reads(numbers: list[int]) -> None:
    body = json.dumps({"input": numbers}).encode()
    assert WideRow("<i8").payload(body) == struct.pack(f"<{len(numbers)}q", *numbers)


@pytest.mark.parametrize(
    "body",
    [
        b'{"input":[1,true]}', b'{"input":[1,null]}', b'{"input":[1,"a"]}', b'{"input":[[1]]}', b'{"input":[]}',
        b'{"input":[1,2]} x', b'{"input":[1e999]}', b'{"input":[1],"input":[2]}', b'{"a":{"input":3},"input":[1]}',
        b'{"input":[1],"version":"2"}', b'\xef\xbb\xbf{"input":[1]}', b"[1]", b"3", b"", b"\xff", b'{"input":3}',
        b'{"input_batch":[1]}', b'{"input":[NaN]}',
    ],
)  # fmt: skip
def test_everything_but_a_plain_row_is_left_to_the_decoder(body: bytes) -> None:
    assert WideRow("<f8").payload(body) is None


def test_integers_take_no_fractions_and_nothing_beyond_64_bits() -> None:
    row = WideRow("<i8")
    assert row.payload(b'{"input":[1.5]}') is None
    assert row.payload(b'{"input":[9223372036854775808]}') is None
    assert row.payload(b'{"input":[7]}') == struct.pack("<q", 7)


def test_a_large_faulty_body_gets_the_decoders_error_with_the_field() -> None:
    parser = PredictRequestParser(INPUT_TYPES["doubles"], 10)
    with pytest.raises(RequestRefusedError, match=r"Expected `float`, got `str` - at `input\[1\]`"):
        parser.parse(b'{"input":[1,"two"]}' + PADDING)
