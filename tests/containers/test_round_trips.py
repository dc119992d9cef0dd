"""What is encoded is decoded again, for every message and every kind of rows."""

from math import prod
from typing import Any, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skysail_container.errors import FrameTooLargeError
from skysail_container.wire import (
    ITEM_BYTES,
    MAX_INTEGER,
    ArrayRow,
    Arrays,
    Bytes,
    Cancel,
    ClientMessage,
    ContainerMessage,
    Dense,
    Drain,
    Drained,
    FrameDecoder,
    Health,
    HealthReply,
    Hello,
    Json,
    Message,
    Predict,
    ProtocolError,
    Ragged,
    Refused,
    Result,
    Rows,
    Statistics,
    StatisticsRequest,
    Strings,
    Welcome,
    decode_from_client,
    decode_from_container,
    encode,
    encode_in_parts,
)
from skysail_container.wire.encoding import WIDE_BYTES

_V = TypeVar("_V")

integers = st.integers(0, MAX_INTEGER)
texts = st.text(max_size=20)
dtypes = st.sampled_from(sorted(ITEM_BYTES))


@st.composite
def arrays(draw: st.DrawFn, min_dimensions: int) -> tuple[str, tuple[int, ...], bytes]:
    dtype = draw(dtypes)
    shape = tuple(draw(st.lists(st.integers(0, 4), min_size=min_dimensions, max_size=4)))
    n_bytes = prod(shape) * ITEM_BYTES[dtype]
    return dtype, shape, draw(st.binary(min_size=n_bytes, max_size=n_bytes))


@st.composite
def ragged(draw: st.DrawFn) -> Ragged:
    dtype = draw(dtypes)
    lengths = tuple(draw(st.lists(st.integers(0, 5), max_size=8)))
    n_bytes = sum(lengths) * ITEM_BYTES[dtype]
    return Ragged(dtype, lengths, draw(st.binary(min_size=n_bytes, max_size=n_bytes)))


def tuples(values: st.SearchStrategy[_V]) -> st.SearchStrategy[tuple[_V, ...]]:
    return st.lists(values, max_size=8).map(tuple)


rows: st.SearchStrategy[Rows] = st.one_of(
    arrays(1).map(lambda array: Dense(*array)),
    ragged(),
    tuples(arrays(0).map(lambda array: ArrayRow(*array))).map(Arrays),
    tuples(texts).map(Strings),
    tuples(st.binary(max_size=20)).map(Bytes),
    tuples(st.binary(max_size=20)).map(Json),
)


@st.composite
def results(draw: st.DrawFn) -> Result:
    outputs = draw(rows)
    indices = st.integers(0, outputs.n_rows - 1) if outputs.n_rows else st.nothing()
    errors = draw(st.none() | st.dictionaries(indices, texts))
    return Result(draw(integers), draw(integers), draw(integers), outputs, errors)


client_messages: st.SearchStrategy[ClientMessage] = st.one_of(
    st.builds(Hello, st.just(1), texts),
    st.builds(Predict, integers, integers, rows),
    st.builds(Cancel, integers),
    st.builds(Health, integers),
    st.just(Drain()),
    st.just(StatisticsRequest()),
    st.builds(ProtocolError, texts, texts),
)
numbers: st.SearchStrategy[Any] = integers | st.floats(allow_nan=False)
container_messages: st.SearchStrategy[ContainerMessage] = st.one_of(
    st.builds(Welcome, st.just(1), texts, texts, texts, integers),
    results(),
    st.builds(HealthReply, integers, st.sampled_from(["ok", "draining"])),
    st.just(Drained()),
    st.builds(Statistics, st.dictionaries(texts, numbers, max_size=5)),
    st.builds(
        Refused, integers, st.sampled_from(["expired", "draining", "overloaded", "cancelled", "bad_rows"]), texts
    ),
    st.builds(ProtocolError, texts, texts),
)


def body_of(message: Message) -> bytes:
    (body,) = FrameDecoder().feed(encode(message))
    return body


@given(client_messages)
def test_a_client_message_comes_back_as_it_was(message: ClientMessage) -> None:
    decoded = decode_from_client(body_of(message))
    assert decoded == message
    assert type(decoded) is type(message)
    if isinstance(message, Predict) and isinstance(decoded, Predict):
        assert type(decoded.rows) is type(message.rows)


@given(container_messages)
def test_a_container_message_comes_back_as_it_was(message: ContainerMessage) -> None:
    decoded = decode_from_container(body_of(message))
    assert decoded == message
    assert type(decoded) is type(message)
    if isinstance(message, Result) and isinstance(decoded, Result):
        assert type(decoded.outputs) is type(message.outputs)


@given(rows)
def test_the_number_of_rows_survives(value: Rows) -> None:
    decoded = decode_from_client(body_of(Predict(1, 1, value)))
    assert isinstance(decoded, Predict)
    assert decoded.rows.n_rows == value.n_rows


@given(arrays(1))
def test_bytearrays_and_memoryviews_are_sent_like_bytes(array: tuple[str, tuple[int, ...], bytes]) -> None:
    dtype, shape, data = array
    plain = encode(Predict(1, 1, Dense(dtype, shape, data)))
    assert encode(Predict(1, 1, Dense(dtype, shape, bytearray(data)))) == plain
    assert encode(Predict(1, 1, Dense(dtype, shape, memoryview(data)))) == plain


@pytest.mark.parametrize("n_numbers", [1, 2047, 2048, 8191, 8192, 100_000])
def test_the_parts_of_a_message_are_its_frame(n_numbers: int) -> None:
    message = Predict(7, 123_456, Dense("<f8", (n_numbers, 1), bytes(range(8)) * n_numbers))
    parts = encode_in_parts(message)
    assert b"".join(parts) == encode(message)
    assert len(parts) == (2 if 8 * n_numbers >= WIDE_BYTES else 1)
    with pytest.raises(FrameTooLargeError):
        encode_in_parts(message, 8 * n_numbers)


@given(client_messages)
def test_the_parts_of_any_message_are_its_frame(message: ClientMessage) -> None:
    assert b"".join(encode_in_parts(message)) == encode(message)
