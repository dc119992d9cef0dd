"""An application as one worker serves it: body in, queries out, answers rendered."""

import itertools
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec

from skysail_frontend.checked_input import checked_input_type
from skysail_frontend.errors import RequestRefusedError
from skysail_frontend.input_type import INPUT_TYPES
from skysail_frontend.metrics import ApplicationMetrics
from skysail_frontend.predict_options import PredictOptions
from skysail_frontend.predict_request import PredictRequest, PredictRequestParser
from skysail_frontend.query import EXPLANATIONS, FALLBACK_TAIL, DefaultReason, Query, QuerySink
from skysail_frontend.query_ids import QueryIds
from skysail_frontend.served_version import ServedVersion
from skysail_management.records import Application as ApplicationRecord
from skysail_management.records import InputSchema

__all__ = ["RESERVE_S", "Application", "budget_s", "error_body"]


NO_OPTIONS = PredictOptions()
WEIGHTS = {"high": 4.0, "normal": 1.0, "low": 0.25}
"""What a query counts for, by the priority of its application."""

RESERVE_S, RESERVE_SHARE = 0.0025, 0.1
"""Kept of an objective for the default output's way: a timer of whole milliseconds is up to two late, and the client
waits for the bytes as well. Without it the p99 of an overloaded application was 2 % above its objective."""


def budget_s(objective_s: float) -> float:
    """How long the frontend may take so that the answer is there in time: less than the objective, for the way back."""
    return objective_s - min(RESERVE_S, RESERVE_SHARE * objective_s)


def error_body(error: str, cause: str) -> bytes:
    """Clipper's error object."""
    return msgspec.json.encode({"error": error, "cause": cause})


class Application:
    """One registered application.

    ``served`` is where its queries go now (None without a linked model that has a current version), ``fallback`` where
    those go that are not taken in there, ``versions`` what a request may pin. Everything a query needs is prepared
    here, once per registration.

    Invariant: a query for a version that has a schema is of that schema; so `check_by` follows whatever sets the above.
    """

    def __init__(
        self, record: ApplicationRecord, metrics: ApplicationMetrics, query_ids: QueryIds, max_batch_rows: int
    ) -> None:
        self.name = record.name
        self.metrics = metrics
        self.served: ServedVersion | None = None
        self.fallback: ServedVersion | None = None
        self.model: str | None = None
        self.versions: dict[str, ServedVersion] = {}
        self._query_ids = query_ids
        self._n_bytes = INPUT_TYPES[record.input_type].n_bytes
        self._input_type = record.input_type.value
        self._max_batch_rows = max_batch_rows
        self._schemas: dict[str, InputSchema] = {}
        self._checked_version = ""
        self._parsers: dict[str, PredictRequestParser] = {}
        self._parse_row = self._parser(None).parse_row
        self.observe_prediction = metrics.request_duration.observe
        self.amend(record)

    def amend(self, record: ApplicationRecord) -> None:
        """Takes over what may change after registration: all but the name and the input type."""
        self.record = record
        self._budget_s = budget_s(record.latency_slo_micros * 1e-6)
        self._weight = WEIGHTS[record.priority]
        self._is_cached = record.cache
        self._default_output = msgspec.json.encode(record.default_output)
        self._default_tails = {reason: self._default_tail(reason, text) for reason, text in EXPLANATIONS.items()}

    def check_by(self, schemas: dict[str, InputSchema], version: str) -> None:
        """From now on queries are checked by the schema of the version they are for.

        :param schemas: of the linked model, by version; one without a schema takes any row of the input type
        :param version: what queries are for that pin none
        """
        if schemas == self._schemas and version == self._checked_version:
            return
        self._schemas, self._checked_version, self._parsers = schemas, version, {}
        of_version = self._parser_of if schemas else None
        self._parse_row = self._parser(schemas.get(version), of_version).parse_row

    def ask(
        self, body: bytes, sink: QuerySink, position: int, now_s: float, options: PredictOptions | None = None
    ) -> Sequence[Query]:
        """Takes in one predict request; `sink` gets the response's body at `position`, now or later.

        :param options: what the request's head asks for
        :returns: the queries, each to be cancelled when the client goes
        :raises RequestRefusedError: nothing was taken in
        """
        payload = self._parse_row(body)
        if options is not None or type(payload) is PredictRequest:
            return self._ask_for(payload, options or NO_OPTIONS, sink, position, now_s)
        deadline_s = now_s + self._budget_s
        query_id = self._query_ids.next_id()
        n_bytes = self._n_bytes(payload)
        query = Query(payload, n_bytes, now_s, deadline_s, query_id, self, sink, position, self._weight)
        self._submit(query, self.served, self._is_cached, now_s)
        return (query,)

    def refused(self, query: Query, reason: str, now_s: float) -> None:
        """A query that its model version does not take in: the fallback model answers it, or the default output."""
        self._refused(query, reason, self._is_cached, now_s)

    def count_fallback(self) -> None:
        self.metrics.fallbacks.add(1.0)

    def default_answer(self, query_id: int, reason: str, seconds: float, explanation: str | None = None) -> bytes:
        """The answer of a query that gets the default output after `seconds`; counts it."""
        self.metrics.request_duration.observe(seconds)
        self.metrics.defaults[reason].add(1.0)
        tail = self._default_tails[reason] if explanation is None else self._default_tail(reason, explanation)
        return b'{"query_id":%d%b' % (query_id, tail)

    def _default_tail(self, reason: str, explanation: str) -> bytes:
        return b',"output":%b,"default":true,"default_explanation":%b,"default_reason":%b}' % (
            self._default_output,
            msgspec.json.encode(explanation),
            msgspec.json.encode(reason),
        )

    def _ask_for(
        self, asked: Any, options: PredictOptions, sink: QuerySink, position: int, now_s: float
    ) -> Sequence[Query]:
        """A request that is not the common one: a batch, a pinned version, a deadline of its own, or no cache.

        :param asked: the payload of a body that says nothing but one example, or what any other body says
        """
        request: PredictRequest = asked if type(asked) is PredictRequest else PredictRequest([asked], False)
        if options.fault is not None:
            raise RequestRefusedError.processing(options.fault)
        served = self.served if request.version is None else self._pinned(request.version)
        timeout_s = options.timeout_s if request.timeout_s is None else request.timeout_s
        deadline_s = now_s + (self._budget_s if timeout_s is None else min(self._budget_s, budget_s(timeout_s)))
        uses_cache = self._is_cached and (options.cache if request.cache is None else request.cache) is not False
        positions: Iterable[int] = (position,)
        if request.is_batch:
            sink, positions = BatchAnswer(sink, position, len(request.payloads)), itertools.count()
        next_id, n_bytes, weight = self._query_ids.next_id, self._n_bytes, self._weight
        queries = [
            Query(payload, n_bytes(payload), now_s, deadline_s, next_id(), self, sink, place, weight)
            for payload, place in zip(request.payloads, positions, strict=False)
        ]
        for query in queries:
            query.may_fall_back = request.version is None
            self._submit(query, served, uses_cache, now_s)
        return queries

    def _submit(self, query: Query, served: ServedVersion | None, uses_cache: bool, now_s: float) -> None:
        reason = DefaultReason.NO_LINK if served is None else served.ask(query, uses_cache, now_s)
        if reason is not None:
            self._refused(query, reason, uses_cache, now_s)

    def _refused(self, query: Query, reason: str, uses_cache: bool, now_s: float) -> None:
        fallback = self.fallback
        if fallback is not None and query.may_fall_back:
            query.may_fall_back = False
            query.tail = FALLBACK_TAIL
            if fallback.ask(query, uses_cache, now_s) is None:
                return
        query.default(reason, now_s)

    def _parser(
        self, schema: InputSchema | None, of_version: Callable[[str], PredictRequestParser] | None = None
    ) -> PredictRequestParser:
        plain = INPUT_TYPES[self._input_type]
        input_type = plain if schema is None else checked_input_type(self._input_type, schema)
        return PredictRequestParser(input_type, self._max_batch_rows, of_version)

    def _parser_of(self, version: str) -> PredictRequestParser:
        """For bodies that pin the version; made for the first of them. Whatever is not registered has no schema."""
        schema = self._schemas.get(version)
        key = "" if schema is None else version
        if key not in self._parsers:
            self._parsers[key] = self._parser(schema)
        return self._parsers[key]

    def _pinned(self, version: str) -> ServedVersion:
        served = self.versions.get(version)
        if served is None:
            if self.model is None:
                raise RequestRefusedError.processing(
                    f"`version` {version!r} was asked for, but application {self.name!r} has no linked model"
                )
            raise RequestRefusedError.processing(f"`version` {version!r} of model {self.model!r} is not registered")
        return served


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
