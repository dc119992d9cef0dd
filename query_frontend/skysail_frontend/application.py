"""An application as one worker serves it: body in, queries out, answers rendered."""

import itertools
from collections.abc import Iterable, Sequence

import msgspec

from skysail_frontend.dispatcher import Dispatcher
from skysail_frontend.errors import RequestRefusedError
from skysail_frontend.input_type import INPUT_TYPES
from skysail_frontend.metrics import ApplicationMetrics
from skysail_frontend.predict_request import PredictRequest, PredictRequestParser
from skysail_frontend.query import EXPLANATIONS, DefaultReason, Query, QuerySink
from skysail_frontend.query_ids import QueryIds
from skysail_management.records import Application as ApplicationRecord

__all__ = ["Application", "error_body"]


def error_body(error: str, cause: str) -> bytes:
    """Clipper's error object."""
    return msgspec.json.encode({"error": error, "cause": cause})


class Application:
    """One registered application.

    ``dispatcher`` is where its queries go now (None without a linked model that has a current version), ``versions``
    what a request may pin. Everything a query needs is prepared here, once per registration.
    """

    def __init__(
        self, record: ApplicationRecord, metrics: ApplicationMetrics, query_ids: QueryIds, max_batch_rows: int
    ) -> None:
        self.name = record.name
        self.metrics = metrics
        self.dispatcher: Dispatcher | None = None
        self.model: str | None = None
        self.versions: dict[str, Dispatcher] = {}
        self._query_ids = query_ids
        input_type = INPUT_TYPES[record.input_type]
        self._n_bytes = input_type.n_bytes
        self._parse_row = PredictRequestParser(input_type, max_batch_rows).parse_row
        self.observe_prediction = metrics.request_duration.observe
        self.amend(record)

    def amend(self, record: ApplicationRecord) -> None:
        """Takes over what may change after registration: the objective and the default output."""
        self.record = record
        self._slo_s = record.latency_slo_micros * 1e-6
        output = msgspec.json.encode(record.default_output)
        self._default_tails = {
            reason: b',"output":%b,"default":true,"default_explanation":%b,"default_reason":%b}'
            % (output, msgspec.json.encode(text), msgspec.json.encode(reason))
            for reason, text in EXPLANATIONS.items()
        }

    def ask(self, body: bytes, sink: QuerySink, position: int, now_s: float) -> Sequence[Query]:
        """Takes in one predict request; `sink` gets the response's body at `position`, now or later.

        :returns: the queries, each to be cancelled when the client goes
        :raises RequestRefusedError: nothing was taken in
        """
        payload = self._parse_row(body)
        if type(payload) is PredictRequest:
            return self._ask_for(payload, sink, position, now_s)
        deadline_s = now_s + self._slo_s
        query = Query(payload, self._n_bytes(payload), now_s, deadline_s, self._query_ids.next_id(), self, sink, position)
        reason = DefaultReason.NO_LINK if self.dispatcher is None else self.dispatcher.submit(query)
        if reason is not None:
            query.default(reason, now_s)
        return (query,)

    def default_answer(self, query_id: int, reason: str, seconds: float) -> bytes:
        """The answer of a query that gets the default output after `seconds`; counts it."""
        self.metrics.request_duration.observe(seconds)
        self.metrics.defaults[reason].add(1.0)
        return b'{"query_id":%d%b' % (query_id, self._default_tails[reason])

    def _ask_for(self, request: PredictRequest, sink: QuerySink, position: int, now_s: float) -> Sequence[Query]:
        """A request that is not the common one: a batch, or a pinned version."""
        dispatcher = self.dispatcher if request.version is None else self._pinned(request.version)
        deadline_s = now_s + self._slo_s
        positions: Iterable[int] = (position,)
        if request.is_batch:
            sink, positions = BatchAnswer(sink, position, len(request.payloads)), itertools.count()
        next_id, n_bytes = self._query_ids.next_id, self._n_bytes
        queries = [
            Query(payload, n_bytes(payload), now_s, deadline_s, next_id(), self, sink, place)
            for payload, place in zip(request.payloads, positions, strict=False)
        ]
        for query in queries:
            reason = DefaultReason.NO_LINK if dispatcher is None else dispatcher.submit(query)
            if reason is not None:
                query.default(reason, now_s)
        return queries

    def _pinned(self, version: str) -> Dispatcher:
        dispatcher = self.versions.get(version)
        if dispatcher is None:
            if self.model is None:
                raise RequestRefusedError.processing(
                    f"`version` {version!r} was asked for, but application {self.name!r} has no linked model"
                )
            raise RequestRefusedError.processing(f"`version` {version!r} of model {self.model!r} is not registered")
        return dispatcher


class BatchAnswer:
    """Collects the answers of one batch request and passes them on together, in input order."""

    def __init__(self, sink: QuerySink, position: int, n_rows: int) -> None:
        self._sink = sink
        self._position = position
        self._answers: list[bytes] = [b""] * n_rows
        self._n_open = n_rows
        if n_rows == 0:
            self._finish()

    def answered(self, position: int, answer: bytes) -> None:
        self._answers[position] = answer
        self._n_open -= 1
        if self._n_open == 0:
            self._finish()

    def _finish(self) -> None:
        self._sink.answered(self._position, b'{"batch_predictions":[' + b",".join(self._answers) + b"]}")
