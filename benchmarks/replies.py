"""What came back for a request: read, checked against the expected output, told apart. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from enum import IntEnum
from typing import Any, Literal

import msgspec

__all__ = ["TOLERANCE_S", "Form", "Outcome", "Reply", "judge"]

Form = Literal["predict", "rows", "v2"]
"""Skysail's predict answer; a list with one output; the V2 inference protocol with one output of one element."""

TOLERANCE_S = 0.005
"""An answer is in time until so long after the SLO: the objective bounds the server; this is for the way there and
back, and for the client's own clock."""

RELATIVE_TOLERANCE = 1e-9
"""Sums of doubles depend on the order of adding up."""


class Outcome(IntEnum):
    """What became of a request. Every request has exactly one."""

    NONE = 0
    """No answer: the connection was lost, or nothing had come when the run was given up."""
    PREDICTED = 1
    """The model's output, as expected, in time."""
    DEFAULTED = 2
    """A default output, in time."""
    LATE = 3
    """A right answer, prediction or default output, after the SLO and TOLERANCE_S."""
    HTTP_ERROR = 4
    """Another status than 200."""
    WRONG = 5
    """Status 200 with something that is no answer, or with another output than the model gives."""
    CANCELLED = 6
    """The client itself closed the connection before an answer came."""


class Reply(msgspec.Struct, frozen=True, gc=False):
    """The answer to one query. `default_reason` is empty for a prediction."""

    query_id: int
    output: Any
    default: bool
    default_reason: str = ""


class _Tensor(msgspec.Struct, gc=False):
    data: tuple[Any]


class _V2Reply(msgspec.Struct, gc=False):
    outputs: tuple[_Tensor]


NO_ID = -1
_decode_rows = msgspec.json.Decoder(tuple[Any]).decode
_decode_v2 = msgspec.json.Decoder(_V2Reply).decode


def _read_rows(body: bytes) -> Reply:
    return Reply(NO_ID, _decode_rows(body)[0], False)


def _read_v2(body: bytes) -> Reply:
    return Reply(NO_ID, _decode_v2(body).outputs[0].data[0], False)


READERS: Mapping[Form, Callable[[bytes], Reply]] = {
    "predict": msgspec.json.Decoder(Reply).decode,
    "rows": _read_rows,
    "v2": _read_v2,
}


def judge(status: int, body: bytes, expected: object, form: Form = "predict") -> tuple[Outcome, Reply | None]:
    """What `body` is, its time left aside; the reply if it can be read. `expected` None is any output."""
    if status != 200:
        return Outcome.HTTP_ERROR, None
    try:
        reply = READERS[form](body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return Outcome.WRONG, None
    if reply.default:
        return (Outcome.DEFAULTED if reply.default_reason else Outcome.WRONG), reply
    if expected is not None and not _is_same(reply.output, expected):
        return Outcome.WRONG, reply
    return Outcome.PREDICTED, reply


def _is_same(output: object, expected: object) -> bool:
    if isinstance(output, float) and isinstance(expected, int | float):
        return math.isclose(output, expected, rel_tol=RELATIVE_TOLERANCE)
    return output == expected
