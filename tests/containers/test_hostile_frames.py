"""Frames that lie: each is refused with the field named, at once, and without allocating what it announces."""

import tracemalloc
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skysail_container.wire import (
    MAX_ROWS,
    Dense,
    MalformedFrameError,
    Predict,
    Result,
    Strings,
    UnsupportedVersionError,
    WireError,
    decode_from_client,
    decode_from_container,
    encode,
)

ARRAY32_OF_MILLIONS = b"\xdd\x00\xff\xff\xff"
MAP32_OF_MILLIONS = b"\xdf\x00\xff\xff\xff"
BIN32_OF_BILLIONS = b"\xc6\xff\xff\xff\xff"
STR32_OF_BILLIONS = b"\xdb\xff\xff\xff\xff"
EXT32_OF_BILLIONS = b"\xc9\xff\xff\xff\xff\x05"


def predict(*rows: Any, batch_id: Any = 1, time_left_us: Any = 1) -> bytes:
    return bytes(msgpack.packb([2, batch_id, time_left_us, list(rows)]))


def result(outputs: Any, errors: Any = None) -> bytes:
    return bytes(msgpack.packb([3, 1, 0, 0, outputs, errors]))


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"", "frame"),
        (b"\xc0", "frame"),
        (b"\x90", "frame"),
        (msgpack.packb({"type": 2}), "frame"),
        (msgpack.packb(["2"]), "type"),
        (msgpack.packb([True]), "type"),
        (msgpack.packb([-1]), "type"),
        (msgpack.packb([42]), "type"),
        (msgpack.packb([3, 1, 0, 0, [3, []], None]), "type"),  # a container's message, from a client
        (msgpack.packb([4]), "frame"),
        (msgpack.packb([4, 1, 2]), "frame"),
        (msgpack.packb([4, 1]) + b"\x00", "frame"),
        (msgpack.packb([4, None]), "batch_id"),
        (msgpack.packb([4, 2**63]), "batch_id"),
        (msgpack.packb([4, 1.0]), "batch_id"),
        (msgpack.packb([1, "1", "x"]), "protocol_version"),
        (msgpack.packb([1, 1, b"x"]), "client"),
        (b"\x93\x01\x01\xa2\xff\xff", "client"),
        (predict(0, "<f8", [1], bytes(8), time_left_us=-5), "time_left_us"),
        (msgpack.packb([2, 1, 1, {}]), "rows"),
        (predict(), "rows.kind"),
        (predict(6, []), "rows.kind"),
        (predict("0", []), "rows.kind"),
        (predict(0, "<f8", [1]), "rows"),
        (predict(3, [], []), "rows"),
        (predict(0, "<f8", [1], bytes(8), 1), "rows"),
        (predict(0, ">f8", [1], bytes(8)), "rows.dtype"),
        (predict(0, "O", [1], bytes(8)), "rows.dtype"),
        (predict(0, 8, [1], bytes(8)), "rows.dtype"),
        (predict(0, "<f8", [], bytes(8)), "rows.shape"),
        (predict(0, "<f8", 1, bytes(8)), "rows.shape"),
        (predict(0, "<f8", [-1], b""), "rows.shape"),
        (predict(0, "<f8", [1.0], bytes(8)), "rows.shape"),
        (predict(0, "<f8", [1] * 33, bytes(8)), "rows.shape"),
        (predict(0, "|u1", [MAX_ROWS + 1, 0], b""), "rows.shape"),
        (predict(0, "<f8", [0, 2**31, 2**31, 2**31], b""), "rows.shape"),
        (predict(0, "<f8", [1], bytes(7)), "rows.data"),
        (predict(0, "<f8", [2**62, 2**62], bytes(8)), "rows.data"),
        (predict(0, "<f8", [1, 2**62], bytes(8)), "rows.data"),
        (predict(0, "<f8", [1], "12345678"), "rows.data"),
        (predict(1, "<f8", [1, 1], bytes(8)), "rows.data"),
        (predict(1, "<f8", [1, -1], bytes(0)), "rows.lengths"),
        (predict(1, "<f8", [1, True], bytes(16)), "rows.lengths"),
        (predict(1, "<f8", [2**63], bytes(8)), "rows.lengths"),
        (predict(1, "|u1", [0] * (MAX_ROWS + 1), b""), "rows.lengths"),
        (predict(2, ["|u1"]), "rows.items"),
        (predict(2, [["|u1", [1]]]), "rows.items"),
        (predict(2, [["|u1", [1], b""]]), "rows.data"),
        (predict(3, ["a", b"b"]), "rows.items"),
        (predict(3, ["a", None]), "rows.items"),
        (predict(3, [["a"]]), "rows.items"),
        (predict(4, ["a"]), "rows.items"),
        (predict(5, [{}]), "rows.items"),
        (predict(3, [""] * (MAX_ROWS + 1)), "rows.items"),
    ],
)
def test_a_wrong_client_message_is_refused_with_its_field(body: bytes, field: str) -> None:
    with pytest.raises(MalformedFrameError) as caught:
        decode_from_client(body)
    assert caught.value.field == field
    assert str(caught.value).startswith(f"{field}: ")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (msgpack.packb([2, 1, 1, [3, []]]), "type"),  # a client's message, from a container
        (msgpack.packb([1, 1, "m", "1", "doubles"]), "frame"),
        (msgpack.packb([1, 1, "m", 1, "doubles", 1]), "version"),
        (msgpack.packb([5, 1, "fine"]), "state"),
        (msgpack.packb([8, 1, "bored", ""]), "code"),
        (msgpack.packb([7, {"a": "b"}]), "statistics"),
        (msgpack.packb([7, {"a": [1]}]), "statistics"),
        (msgpack.packb([7, [1]]), "statistics"),
        (msgpack.packb([7, {str(n): n for n in range(257)}]), "statistics"),
        (result([3, ["a"]], []), "errors"),
        (result([3, ["a"]], {"0": "x"}), "errors"),
        (result([3, ["a"]], {1: "x"}), "errors"),
        (result([3, []], {0: "x"}), "errors"),
        (result([3, ["a"]], {0: 1}), "errors"),
        (result([3, ["a"]], False), "errors"),
        (result([3, ["a", "b"]])[:-1] + b"\x82\x00\xa1x\x00\xa1y", "errors"),
    ],
)
def test_a_wrong_container_message_is_refused_with_its_field(body: bytes, field: str) -> None:
    with pytest.raises(MalformedFrameError) as caught:
        decode_from_container(body)
    assert caught.value.field == field


def test_a_hello_of_another_version_is_told_from_a_malformed_one() -> None:
    with pytest.raises(UnsupportedVersionError) as caught:
        decode_from_client(msgpack.packb([1, 2, {"fields": "of the future"}, 3, 4]))
    assert (caught.value.asked, caught.value.spoken) == (2, 1)


def test_every_truncation_of_a_message_is_refused() -> None:
    predict_body = encode(Predict(1, 2, Dense("<f8", (2, 1), bytes(16))))[4:]
    result_body = encode(Result(1, 2, 3, Strings(("a", "b")), {1: "x"}))[4:]
    for end in range(len(predict_body)):
        with pytest.raises(MalformedFrameError):
            decode_from_client(predict_body[:end])
    for end in range(len(result_body)):
        with pytest.raises(MalformedFrameError):
            decode_from_container(result_body[:end])


@pytest.mark.parametrize(
    "announcement",
    [ARRAY32_OF_MILLIONS, MAP32_OF_MILLIONS, BIN32_OF_BILLIONS, STR32_OF_BILLIONS, EXT32_OF_BILLIONS],
    ids=["array", "map", "bin", "str", "ext"],
)
@pytest.mark.parametrize("repeat", [1, 100_000], ids=["once", "nested"])
@pytest.mark.parametrize(
    "before",
    [
        b"",
        b"\x94",
        b"\x94\x02\x01\x01",
        b"\x94\x02\x01\x01\x94\x00",
        b"\x94\x02\x01\x01\x94\x00\xa3<f8",
        b"\x94\x02\x01\x01\x94\x01\xa3<f8",
        b"\x94\x02\x01\x01\x94\x00\xa3<f8\x91\x01",
        b"\x94\x02\x01\x01\x92\x02\xdc\xff\xff",
        b"\x94\x02\x01\x01\x92\x03\xdc\xff\xff",
        b"\x94\x02\x01\x01\x92\x05\xdc\xff\xff",
    ],
    ids=["frame", "type", "rows", "dtype", "shape", "lengths", "data", "arrays", "strings", "json"],
)
def test_nothing_is_allocated_on_an_announcements_word(before: bytes, repeat: int, announcement: bytes) -> None:
    body = before + announcement * repeat
    # msgpack copies the body once; everything else must stay small however much is announced.
    assert peak_allocation_bytes(decode_from_client, body) < len(body) + 100_000


@pytest.mark.parametrize("before", [b"", b"\x94", b"\x94\x02\x01\x01\x92\x03\x91"], ids=["frame", "type", "strings"])
def test_arrays_that_could_fit_into_the_body_are_not_allocated_one_inside_the_other(before: bytes) -> None:
    headers = 20_000
    body = before + (b"\xdd" + headers.to_bytes(4, "big")) * headers  # each announces fewer elements than bytes follow
    assert peak_allocation_bytes(decode_from_client, body) < len(body) + 100_000


def peak_allocation_bytes(decode: Callable[[bytes], object], body: bytes) -> int:
    """Most bytes that Python held while `body` was refused."""
    tracemalloc.start()
    try:
        with pytest.raises(MalformedFrameError):
            decode(body)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("opening", [b"\x91", b"\x81\x01", b"\xdc\x00\x01", b"\x94\x02\x01\x01\x91"])
def test_deep_nesting_is_refused_without_recursion(opening: bytes) -> None:
    with pytest.raises(MalformedFrameError):
        decode_from_client(opening * 1_000_000)


@given(st.binary(max_size=200))
def test_random_bytes_never_raise_anything_but_wire_errors(body: bytes) -> None:
    for decode in (decode_from_client, decode_from_container):
        with suppress(WireError):
            decode(body)


@given(st.data())
def test_a_valid_message_with_bytes_changed_never_raises_anything_but_wire_errors(data: st.DataObject) -> None:
    body = bytearray(encode(Result(7, 8, 9, Dense("<f4", (2, 3), bytes(24)), {1: "x"}))[4:])
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    with suppress(WireError):
        decode_from_container(bytes(body))
