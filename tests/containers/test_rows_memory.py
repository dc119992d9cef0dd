"""The queue's bound in bytes holds for rows of any kind."""

import tracemalloc
from collections.abc import Callable

import pytest

from skysail_container.rows_memory import memory_bytes
from skysail_container.wire import (
    ArrayRow,
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

MAKERS: list[Callable[[int], Rows]] = [
    lambda n: Dense("<f8", (n, 10), bytes(80 * n)),
    lambda n: Ragged("<f8", tuple([1000] * n), bytes(8000 * n)),
    lambda n: Arrays(tuple([ArrayRow("|u1", (1000,), bytes(1000))] * n)),
    lambda n: Strings(tuple(["ab"] * n)),
    lambda n: Bytes(tuple([b"ab"] * n)),
    lambda n: Json(tuple([b'{"a": 1}'] * n)),
]


@pytest.mark.parametrize("maker", MAKERS)
def test_the_estimate_is_near_what_decoded_rows_occupy(maker: Callable[[int], Rows]) -> None:
    body = encode(Predict(1, 1, maker(2000)))[4:]
    tracemalloc.start()
    try:
        message = decode_from_client(body)
        occupied_bytes, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert isinstance(message, Predict)
    assert 0.6 * occupied_bytes < memory_bytes(message.rows) < 2 * occupied_bytes
