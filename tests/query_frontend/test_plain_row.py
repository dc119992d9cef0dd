"""Plain rows: whatever is read without the decoder is what the decoder reads, and everything else is left to it."""

import json
import random
import struct
from collections.abc import Iterator
from fractions import Fraction
from math import nextafter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skysail_frontend import compiled
from skysail_frontend.decimal_powers import MAX_POWER
from skysail_frontend.errors import RequestRefusedError
from skysail_frontend.input_type import INPUT_TYPES
from skysail_frontend.plain_row import MIN_BODY_BYTES, PlainRow, plain_row
from skysail_frontend.predict_request import PredictRequestParser

PADDING = b" " * MIN_BODY_BYTES
NUMBERS = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**63), 2**63 - 1)


def row_of(dtype: str) -> PlainRow:
    """Reads in C where the hot path is compiled, else by simdjson."""
    row = plain_row(dtype)
    assert row is not None
    return row


def may_leave_to_the_decoder() -> bool:
    """The reader in C leaves numbers to it that have many digits or extreme exponents."""
    return compiled.FORM.is_in_use()


@given(st.lists(NUMBERS, min_size=1, max_size=300))
def test_doubles_equal_what_the_decoder_reads(numbers: list[float]) -> None:
    body = json.dumps({"input": numbers}).encode()
    expected = struct.pack(f"<{len(numbers)}d", *numbers)
    assert row_of("<f8").payload(body) in (expected, None if may_leave_to_the_decoder() else expected)
    parser = PredictRequestParser(INPUT_TYPES["doubles"], 10)
    assert parser.parse(body + PADDING).payloads == [expected]
    assert parser.parse_row(body + PADDING) == expected


@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=300))
def test_integers_equal_what_the_decoder_reads(numbers: list[int]) -> None:
    body = json.dumps({"input": numbers}).encode()
    expected = struct.pack(f"<{len(numbers)}q", *numbers)
    assert row_of("<i8").payload(body) in (expected, None if may_leave_to_the_decoder() else expected)
    assert PredictRequestParser(INPUT_TYPES["integers"], 10).parse_row(body) == expected


def decimals(chooser: random.Random) -> Iterator[str]:
    """Numbers of all lengths and sizes, and those next to the middle between two doubles, which are hard to round."""
    for _ in range(20_000):
        yield repr(chooser.uniform(-1, 1) * 10.0 ** chooser.randint(-30, 30))
        yield f"{chooser.randint(0, 10 ** chooser.randint(1, 19) - 1)}e{chooser.randint(-90, 90)}"
        yield f"-{chooser.randint(0, 999)}.{'0' * chooser.randint(0, 5)}{chooser.randint(0, 10**11)}"
    for _ in range(5_000):
        number = chooser.uniform(1, 2) * 2.0 ** chooser.randint(-40, 90)
        middle = (Fraction(number) + Fraction(nextafter(number, 2 * number))) / 2
        exponent = len(str(int(middle))) - 19 if middle >= 1 else -18 - chooser.randint(0, 1)
        digits = int(middle / Fraction(10) ** exponent)
        for near in (digits - 1, digits, digits + 1):
            yield f"{near}E{exponent:+d}"


def test_decimals_are_rounded_as_python_rounds_them() -> None:
    row = row_of("<f8")
    texts = list(decimals(random.Random(7)))
    n_read = 0
    for start in range(0, len(texts), 100):
        some = texts[start : start + 100]
        for part in [some] if row.payload(b'{"input":[%b]}' % ",".join(some).encode()) else [[text] for text in some]:
            payload = row.payload(b'{"input":[%b]}' % ",".join(part).encode())
            if payload is None:
                assert may_leave_to_the_decoder()
                continue
            n_read += len(part)
            assert payload == struct.pack(f"<{len(part)}d", *map(float, part)), part
    assert n_read > 0.95 * len(texts)


@pytest.mark.parametrize("number", ["-0", "-0.0", "0e5", "0.000", "1E5", "1e+5", "1e-5", "9007199254740993", "0.1e1"])
@pytest.mark.parametrize("space", ["", " ", "\r\n\t "])
def test_every_way_to_write_a_number_and_every_space(number: str, space: str) -> None:
    body = space.join(["", "{", '"input"', ":", "[", number, ",", number, "]", "}", ""]).encode()
    parser = PredictRequestParser(INPUT_TYPES["doubles"], 10)
    (expected,) = parser.parse(body).payloads
    assert parser.parse_row(body) == expected
    assert compiled.FORM.is_in_use() is False or row_of("<f8").payload(body) == expected


@pytest.mark.parametrize(
    "body",
    [
        b'{"input":[1,true]}', b'{"input":[1,null]}', b'{"input":[1,"a"]}', b'{"input":[[1]]}', b'{"input":[]}',
        b'{"input":[1,2]} x', b'{"input":[1e999]}', b'{"input":[1],"input":[2]}', b'{"a":{"input":3},"input":[1]}',
        b'{"input":[1],"version":"2"}', b'\xef\xbb\xbf{"input":[1]}', b"[1]", b"3", b"", b"\xff", b'{"input":3}',
        b'{"input_batch":[1]}', b'{"input":[NaN]}', b'{"input":[1,]}', b'{"input":[,1]}', b'{"input":[01]}',
        b'{"input":[1.]}', b'{"input":[.5]}', b'{"input":[+1]}', b'{"input":[-]}', b'{"input":[1e]}',
        b'{"input":[1e+]}', b'{"input":[1 2]}', b'{"input":[1', b'{"input":[1]', b'{"input":[1]}\0', b'{"input":[1\0]}',
        b'{"inpu', b"{",
        b'{"input":[0x1]}', b'{"input":[00]}', b'{"input":[--1]}', b'{"input":[1.5.5]}', b'{"input"[1]}', b'{"input":',
        b'{"Input":[1]}', b'{"input":[1e99999999999999999999]}', b'{"input":[-1e400]}',
    ],
)  # fmt: skip
def test_everything_but_a_plain_row_is_left_to_the_decoder(body: bytes) -> None:
    assert row_of("<f8").payload(body) is None
    assert row_of("<i8").payload(body) is None


@given(st.binary(max_size=60), st.integers(0, 40))
def test_no_bytes_are_too_odd(tail: bytes, n_kept: int) -> None:
    """Whatever is read of them the decoder reads too."""
    body = b'{"input":[1.25,-3e2,123456789.125]}'[:n_kept] + tail
    payload = row_of("<f8").payload(body)
    if payload is not None:
        assert PredictRequestParser(INPUT_TYPES["doubles"], 10).parse(body).payloads == [payload]


@pytest.mark.parametrize("text", ["0." + "0" * 40 + "123456789", "1" * 40, "1." + "1" * 40, f"1e{MAX_POWER + 30}"])
def test_numbers_that_are_left_to_the_decoder_come_out_right(text: str) -> None:
    body = b'{"input":[%b]}' % text.encode()
    assert PredictRequestParser(INPUT_TYPES["doubles"], 10).parse_row(body) == struct.pack("<d", float(text))


def test_integers_take_no_fractions_and_nothing_beyond_64_bits() -> None:
    row = row_of("<i8")
    assert row.payload(b'{"input":[1.5]}') is None
    assert row.payload(b'{"input":[9223372036854775808]}') is None
    assert row.payload(b'{"input":[7,-7,0]}') == struct.pack("<3q", 7, -7, 0)


def test_a_row_of_any_length_is_read() -> None:
    numbers = [number / 8 for number in range(200_000)]
    body = json.dumps({"input": numbers}).encode()
    for _ in range(3):
        assert row_of("<f8").payload(body) == struct.pack(f"<{len(numbers)}d", *numbers)
        assert row_of("<f8").payload(b'{"input":[2]}') == struct.pack("<d", 2.0)


def test_rows_of_other_numbers_have_no_reader() -> None:
    assert plain_row("<f4") is None


def test_a_large_faulty_body_gets_the_decoders_error_with_the_field() -> None:
    parser = PredictRequestParser(INPUT_TYPES["doubles"], 10)
    with pytest.raises(RequestRefusedError, match=r"Expected `float`, got `str` - at `input\[1\]`"):
        parser.parse(b'{"input":[1,"two"]}' + PADDING)
