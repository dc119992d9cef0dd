"""Queries in virtual time and what became of them: each is answered exactly once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Answer", "Ledger", "LedgerError", "VirtualQuery"]


class LedgerError(AssertionError):
    """A policy answered a query twice, too late with a prediction, or never: the policy or the simulation is wrong."""


@dataclass(frozen=True, slots=True)
class VirtualQuery:
    """One query. ``number`` counts the queries of a run in order of arrival; ``slo`` is the index of its SLO class."""

    number: int
    arrival_s: float
    deadline_s: float
    slo: int


@dataclass(frozen=True, slots=True)
class Answer:
    """``at_s`` is when the client had it."""

    at_s: float
    is_prediction: bool


class Ledger:
    """The answers of one run.

    Invariants: a query has at most one answer; a prediction is never later than the query's deadline. `close` demands
    the rest: no query without an answer.
    """

    def __init__(self, queries: Sequence[VirtualQuery]) -> None:
        self.queries = queries
        self._answers: list[Answer | None] = [None] * len(queries)

    def is_open(self, query: VirtualQuery) -> bool:
        return self._answers[query.number] is None

    def predict(self, query: VirtualQuery, now_s: float) -> None:
        """:raises LedgerError: the query has its answer already, or its deadline is over"""
        if now_s > query.deadline_s:
            raise LedgerError(f"{query} was predicted at {now_s}, after its deadline")
        self._put(query, Answer(now_s, is_prediction=True))

    def default(self, query: VirtualQuery, now_s: float) -> None:
        """:raises LedgerError: the query has its answer already"""
        self._put(query, Answer(now_s, is_prediction=False))

    def close(self) -> list[Answer]:
        """The answers in order of the queries' numbers.

        :raises LedgerError: a query was never answered
        """
        answers = [answer for answer in self._answers if answer is not None]
        if len(answers) != len(self.queries):
            raise LedgerError(f"{len(self.queries) - len(answers)} of {len(self.queries)} queries were never answered")
        return answers

    def _put(self, query: VirtualQuery, answer: Answer) -> None:
        if self._answers[query.number] is not None:
            raise LedgerError(f"{query} was answered twice")
        self._answers[query.number] = answer
