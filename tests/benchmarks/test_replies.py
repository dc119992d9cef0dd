"""Every reply is one of the outcomes, and a wrong one is never taken for an answer."""

from __future__ import annotations

import pytest
from benchmarks.replies import Outcome, judge

PREDICTION = b'{"query_id":5,"output":3.5,"default":false}'


def test_the_output_expected_is_a_prediction() -> None:
    outcome, reply = judge(200, PREDICTION, 3.5)
    assert outcome == Outcome.PREDICTED
    assert reply is not None
    assert reply.query_id == 5


def test_any_output_will_do_where_none_is_known() -> None:
    assert judge(200, PREDICTION, None)[0] == Outcome.PREDICTED


def test_the_last_digit_of_a_sum_may_differ() -> None:
    assert judge(200, b'{"query_id":5,"output":0.30000000000000004,"default":false}', 0.3)[0] == Outcome.PREDICTED


@pytest.mark.parametrize("expected", [3.6, "3.5", [3.5]])
def test_another_output_is_wrong(expected: object) -> None:
    assert judge(200, PREDICTION, expected)[0] == Outcome.WRONG


def test_a_default_output_is_told_by_its_reason() -> None:
    body = b'{"query_id":6,"output":-1,"default":true,"default_explanation":"e","default_reason":"overload"}'
    outcome, reply = judge(200, body, 3.5)
    assert outcome == Outcome.DEFAULTED
    assert reply is not None
    assert reply.default_reason == "overload"


def test_another_status_is_an_error_whatever_the_body() -> None:
    assert judge(503, PREDICTION, 3.5) == (Outcome.HTTP_ERROR, None)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'{"output":3.5,"default":false}',
        b'{"query_id":1,"default":false}',
        b'{"query_id":"1"}',
        b"\xff",
    ],
)
def test_what_is_no_answer_is_wrong(body: bytes) -> None:
    assert judge(200, body, None) == (Outcome.WRONG, None)


def test_a_default_output_without_a_reason_is_wrong() -> None:
    assert judge(200, b'{"query_id":6,"output":-1,"default":true}', None)[0] == Outcome.WRONG
