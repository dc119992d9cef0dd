"""Cutting a byte stream into frames."""

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skysail_container.wire import Drain, FrameDecoder, FrameTooLargeError, Hello, decode_from_client, encode
from skysail_container.wire.frames import frame


@given(bodies=st.lists(st.binary(max_size=50), max_size=20), cuts=st.lists(st.integers(0, 1200)))
def test_bodies_come_out_whole_and_in_order_however_the_stream_is_cut(bodies: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(frame(body) for body in bodies)
    decoder = FrameDecoder()
    received: list[bytes] = []
    start = 0
    for end in [*sorted(cut for cut in cuts if cut < len(stream)), len(stream)]:
        received += decoder.feed(stream[start:end])
        start = end
    assert received == bodies
    assert decoder.n_buffered_bytes == 0


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_every_kind_of_buffer_can_be_fed(kind: type) -> None:
    assert FrameDecoder().feed(kind(frame(b"body") * 2)) == [b"body", b"body"]


def test_bodies_are_independent_of_the_buffer_they_were_fed_from() -> None:
    buffer = bytearray(frame(b"body"))
    (body,) = FrameDecoder().feed(buffer)
    buffer[:] = bytes(len(buffer))
    assert body == b"body"


def test_an_announced_length_over_the_limit_is_refused_before_its_bytes_come() -> None:
    decoder = FrameDecoder(max_frame_bytes=100)
    assert decoder.feed(b"\x00\x00\x00") == []
    with pytest.raises(FrameTooLargeError, match="101 bytes is over the limit of 100") as caught:
        decoder.feed(b"\x65")
    assert (caught.value.n_bytes, caught.value.max_frame_bytes) == (101, 100)


def test_a_frame_of_exactly_the_limit_passes() -> None:
    assert FrameDecoder(max_frame_bytes=4).feed(frame(b"body")) == [b"body"]


def test_an_announced_length_reserves_nothing() -> None:
    decoder = FrameDecoder()
    tracemalloc.start()
    try:
        decoder.feed(b"\x04\x00\x00\x00" + bytes(1000))  # announces the 64 MiB that are allowed
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 100_000
    assert decoder.n_buffered_bytes == 1004


def test_a_message_over_the_limit_is_not_encoded() -> None:
    with pytest.raises(FrameTooLargeError):
        encode(Hello(1, "x" * 100), max_frame_bytes=100)
    assert decode_from_client(encode(Drain(), max_frame_bytes=2)[4:]) == Drain()
