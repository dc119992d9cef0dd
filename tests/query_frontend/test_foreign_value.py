"""What is wrong with a body that only looks like JSON."""

import pytest

from skysail_frontend.errors import RequestRefusedError
from skysail_frontend.foreign_value import MAX_BODY_BYTES, foreign_value
from skysail_frontend.input_type import INPUT_TYPES
from skysail_frontend.predict_request import PredictRequestParser


@pytest.mark.parametrize(
    ("body", "cause"),
    [
        (b'{"input":[1,NaN]}', "`input[1]` is NaN, which is not JSON"),
        (b'{"input":[1,-Infinity]}', "`input[1]` is -Infinity, which is not JSON"),
        (b'{"input_batch":[[1],[2,Infinity]]}', "`input_batch[1][1]` is Infinity, which is not JSON"),
        (b"NaN", "`body` is NaN, which is not JSON"),
        (b'{"input":"\\ud800"}', "`input` holds a lone surrogate, which is not text"),
        (b'{"input":[1],"version":"\\udfff"}', "`version` holds a lone surrogate, which is not text"),
    ],
)
def test_the_field_is_named(body: bytes, cause: str) -> None:
    assert foreign_value(body) == cause
    with pytest.raises(RequestRefusedError) as refused:
        PredictRequestParser(INPUT_TYPES["doubles"], 10).parse(body)
    assert refused.value.cause == cause
    assert refused.value.status == 400


@pytest.mark.parametrize("body", [b"", b"{", b'{"input":[1]}', b'{"input":"text"}', b"\xff", b"[" * 60_000])
def test_what_is_wrong_otherwise_is_left_to_the_decoder(body: bytes) -> None:
    assert foreign_value(body) is None


def test_large_bodies_are_not_looked_at_twice() -> None:
    assert foreign_value(b'{"input":[NaN]}' + b" " * MAX_BODY_BYTES) is None
