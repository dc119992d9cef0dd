"""The shortcut for dense batches reads what the strict reader reads, and nothing else."""

import tracemalloc
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skysail_container.errors import MalformedFrameError
from skysail_container.wire import ITEM_BYTES, Dense, Predict, Result, decode_from_client, decode_from_container, encode
from skysail_container.wire.decoding import _FROM_CLIENT, _FROM_CONTAINER, _decode
from skysail_container.wire.dense_messages import read_dense_predict, read_dense_result

PREFIX_BYTES = 4
COUNTS = st.integers(0, 2**63 - 1)


@st.composite
def dense_rows(draw: st.DrawFn) -> Dense:
    dtype = draw(st.sampled_from(sorted(ITEM_BYTES)))
    shape = tuple(draw(st.lists(st.integers(1, 4), min_size=1, max_size=4)))
    n_bytes = ITEM_BYTES[dtype]
    for side in shape:
        n_bytes *= side
    return Dense(dtype, shape, draw(st.binary(min_size=n_bytes, max_size=n_bytes)))


@given(COUNTS, COUNTS, dense_rows())
def test_a_dense_predict_is_read_in_one_pass(batch_id: int, time_left_us: int, rows: Dense) -> None:
    message = Predict(batch_id, time_left_us, rows)
    body = encode(message)[PREFIX_BYTES:]
    assert read_dense_predict(body) == message == _decode(body, _FROM_CLIENT)
    assert read_dense_result(body) is None


@given(COUNTS, COUNTS, COUNTS, dense_rows())
def test_a_dense_result_is_read_in_one_pass(batch_id: int, queued_us: int, computed_us: int, rows: Dense) -> None:
    message = Result(batch_id, queued_us, computed_us, rows, None)
    body = encode(message)[PREFIX_BYTES:]
    assert read_dense_result(body) == message == _decode(body, _FROM_CONTAINER)
    assert read_dense_predict(body) is None


@given(dense_rows(), st.data())
def test_a_body_with_a_changed_byte_is_read_as_the_strict_reader_reads_it(rows: Dense, data: st.DataObject) -> None:
    body = bytearray(encode(Predict(7, 1000, rows))[PREFIX_BYTES:])
    body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    quick = read_dense_predict(bytes(body))
    try:
        strict: Any = _decode(bytes(body), _FROM_CLIENT)
    except MalformedFrameError:
        strict = None
    assert quick is None or quick == strict


FIELDS = [2, 7, 1000, [0, "<f8", [1, 2], bytes(16)]]


@pytest.mark.parametrize(
    "body",
    [
        [2, 7, 1000, [0, "<f8", [2, 2], bytes(16)]],
        [2, 7, 1000, [0, "<f8", [1, 2.0], bytes(16)]],
        [2, 7, 1000, [0, "<f8", [True, 2], bytes(16)]],
        [2, 7, 1000, [0, "<f8", [], b""]],
        [2, 7, 1000, [0, "<f9", [1, 2], bytes(16)]],
        [2, 7, 1000, [0, "<f8", [-1, -2], bytes(16)]],
        [2, 7, 1000, [0, "<f8", [1, 2], "x" * 16]],
        [2, -7, 1000, FIELDS[3]],
        [2, 7, 1000.0, FIELDS[3]],
        [2, 2**63, 1000, FIELDS[3]],
        [True, 7, 1000, FIELDS[3]],
        [2, 7, 1000, [0, "<f8", [65_537, 1], bytes(8 * 65_537)]],
        [*FIELDS, None],
    ],
)
def test_whatever_is_wrong_is_left_to_the_reader_that_names_it(body: list[Any]) -> None:
    packed = msgpack.packb(body)
    assert read_dense_predict(packed) is None
    with pytest.raises(MalformedFrameError):
        decode_from_client(packed)


def test_headers_that_announce_millions_allocate_nothing() -> None:
    hostile = b"\xdd\x00\xff\xff\xff" * 200_000
    tracemalloc.start()
    try:
        assert read_dense_predict(hostile) is None
        assert read_dense_result(b"\xdc\x00\x20" * 300_000) is None
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 2_000_000
    with pytest.raises(MalformedFrameError):
        decode_from_container(hostile)
