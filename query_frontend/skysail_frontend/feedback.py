"""Feedback: the true label of an earlier query, joined with the prediction it got."""

import asyncio
from typing import Any

import msgspec

from skysail_frontend.application import Application
from skysail_frontend.errors import RequestRefusedError
from skysail_frontend.metrics import FrontendMetrics
from skysail_frontend.prediction_recorder import FLUSH_INTERVAL_S
from skysail_management.store import OutcomeKind, PredictionRecord, Registry

__all__ = ["Feedback", "FeedbackBook", "outcome"]


class Feedback(msgspec.Struct):
    """The body of ``POST /<app>/update``: ours (`query_id`) or Clipper's (`uid` and `input`)."""

    label: Any
    query_id: int | msgspec.UnsetType = msgspec.UNSET
    uid: int | msgspec.UnsetType = msgspec.UNSET
    input: Any = msgspec.UNSET


_decode = msgspec.json.Decoder(Feedback).decode


def parse_feedback(body: bytes) -> Feedback:
    """:raises RequestRefusedError: status 400, naming the field"""
    try:
        feedback = _decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise RequestRefusedError.json(str(error).replace("`$.", "`")) from error
    if feedback.query_id is msgspec.UNSET and (feedback.uid is msgspec.UNSET or feedback.input is msgspec.UNSET):
        raise RequestRefusedError.json("Object missing required field `query_id` (or Clipper's `uid` and `input`)")
    return feedback


def outcome(output: Any, label: Any) -> tuple[float, OutcomeKind]:
    """How good an output was: 1.0 or 0.0 for classes, the absolute error for a floating-point output.

    The output's type decides: a model that answers 3 or "cat" names a class, one that answers 3.0 measures.

    :raises RequestRefusedError: status 400, the label is a number beyond all floats
    """
    is_measure = isinstance(output, float) and isinstance(label, int | float) and not isinstance(label, bool)
    if is_measure:
        try:
            return abs(output - label), "absolute_error"
        except OverflowError as error:
            raise RequestRefusedError.json("`label` is larger than a float64 can be") from error
    return float(output == label and isinstance(output, bool) == isinstance(label, bool)), "accuracy"


class FeedbackBook:
    """Joins feedback through Redis and keeps score."""

    def __init__(self, registry: Registry, metrics: FrontendMetrics) -> None:
        self._registry = registry
        self._metrics = metrics

    async def join(self, application: Application, query_id: int, label: Any) -> PredictionRecord:
        """Joins `label` with the prediction of `query_id`. Each prediction takes one feedback.

        :raises RequestRefusedError: status 404, there is no such prediction on record
        :raises RegistryUnavailableError: Redis is away
        """
        record = await self._take(application, query_id)
        if record is None:
            application.metrics.feedback_unmatched.add(1.0)
            raise RequestRefusedError.processing(
                f"`query_id` {query_id} has no prediction on record: it is unknown, was answered with the default "
                "output, is too old, or has had its feedback",
                status=404,
            )
        await self.score(application, record.model, record.version, msgspec.json.decode(record.output_json), label)
        return record

    async def _take(self, application: Application, query_id: int) -> PredictionRecord | None:
        """The prediction on record, now or after the next flush: feedback may be faster than the recorder."""
        if not 0 <= query_id < 2**53:
            return None
        record = await self._registry.take_prediction(application.name, query_id)
        if record is None:
            await asyncio.sleep(2 * FLUSH_INTERVAL_S)
            record = await self._registry.take_prediction(application.name, query_id)
        return record

    async def score(self, application: Application, model: str, version: str, output: Any, label: Any) -> None:
        """Adds one outcome to the rolling window of (application, model, version)."""
        value, kind = outcome(output, label)
        await self._registry.record_outcome(application.name, model, version, value, kind)
        self._metrics.feedback(application.name, model, version).add(1.0)
