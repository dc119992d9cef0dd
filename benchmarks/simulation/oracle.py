"""An upper bound to measure policies by: a scheduler that knows the future."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Literal

from benchmarks.simulation.ledger import Ledger, VirtualQuery
from benchmarks.simulation.policy import Sent
from benchmarks.simulation.replicas import Replica
from benchmarks.simulation.virtual_time import WIRE_S

__all__ = ["FORESIGHTS", "Foresight", "Oracle"]

SLACK_S = 0.03
"""What waits then is worth something with this much time left."""
HOLDS_S = (0.002, 0.006)
"""How long a free replica may be held back for company, where that turns out better."""
SIZES = (1, 2, 4, 8, 15, 22, 30, 40, 50, 60, 70, 80, 90, 100, 120, 140, 170, 200, 300, 500)
"""Sizes that are tried, besides everything that waits."""

_deadline = attrgetter("deadline_s")
STEADY_SIZES = (15, 20, 30, 40, 60, 80, 100, 120, 150)
Rule = Literal["rate", "head"] | int
RULES: tuple[Rule, ...] = ("rate", "head")
"""For moves after the one that is tried: the most rows per second; the largest batch that loses nobody who waits; a
number is a rule of its own, batches of at most so many rows."""


@dataclass(frozen=True, slots=True)
class Foresight:
    """How it plans: how far a decision is played forward, and what a query that still waits at that moment is worth;
    or, without a search, batches of at most ``steady_rows``."""

    horizon_s: float = 0.0
    waiting_worth: float = 0.0
    steady_rows: int | None = None


FORESIGHTS = (Foresight(0.1, 0.3), Foresight(0.2, 0.5), *(Foresight(steady_rows=size) for size in STEADY_SIZES))
"""None is best everywhere: when an overload lasts, what waits is worth less than when it passes."""


@dataclass(slots=True)
class _Future:
    """A state of the system: deadlines that wait, in order; the next arrival's number; when each replica is free."""

    deadlines_s: list[float]
    next_number: int
    free_s: list[float]


@dataclass(frozen=True, slots=True)
class _Move:
    """Send so many rows to a replica, or (0 rows) hold it back until then. ``end_s``: when the rows are answered."""

    replica: int
    start_s: float
    n_rows: int
    end_s: float


@dataclass(slots=True)
class _Line:
    """Moves and how many queries they serve within the horizon (a batch that ends beyond counts in proportion, and
    what waits then a little), and how many deadlines passed in the meantime."""

    n_served: float = 0.0
    n_lost: int = 0
    moves: list[_Move] = field(default_factory=list)


class Oracle:
    """Knows everything in advance: when each query arrives and which deadline it has, and how long every batch will
    compute on every replica whenever it begins (noise, stalls, slowness and deaths included).

    How it decides: for a given start and size the end is known, and the best content is then the earliest deadlines
    that are not before that end (an exchange argument: a later deadline can take an earlier one's place afterwards,
    never the reverse). So only sizes are left to choose. Whenever a replica is free it plays a little of the future
    forward for every size of a grid and for holding the replica back, each followed by two rules for the moves after
    it, for batches of a steady size, and for what it had planned before; it does what serves most. It sends a batch so
    that it comes when the one before ends.

    Since it knows the whole run it goes through it once with each of FORESIGHTS, and the best one counts
    (`scenarios.run`). It is as good a bound as this search: the true optimum is a little higher.
    Where all are late it also picks the moments of a kind noise, so that it exceeds the mean capacity by a few percent:
    nothing that lacks its knowledge can come that far.
    """

    def __init__(self, ledger: Ledger, replicas: Sequence[Replica], foresight: Foresight) -> None:
        self._ledger = ledger
        self._foresight = foresight
        self._replicas = replicas
        self._waiting: list[VirtualQuery] = []
        self._n_arrived = 0
        self._free_s = [0.0] * len(replicas)
        self._plan: list[_Move] = []

    # --- what a policy is told ----------------------------------------------------------------------------------------

    def arrive(self, query: VirtualQuery, now_s: float) -> None:
        insort(self._waiting, query, key=_deadline)
        self._n_arrived = query.number + 1

    def next_batch(self, now_s: float) -> Sent | None:
        while self._waiting and min(self._free_s) <= now_s + WIRE_S:
            move = self._decide(now_s)
            self._free_s[move.replica] = move.end_s - WIRE_S
            if move.n_rows:
                first = bisect_left(self._waiting, move.end_s, key=_deadline)
                taken = self._waiting[first : first + move.n_rows]
                del self._waiting[first : first + move.n_rows]
                return Sent(move.replica, taken)
        return None

    def computed(self, sent: Sent, queued_s: float, computed_s: float, now_s: float) -> Sent | None:
        for query in sent.queries:
            if now_s <= query.deadline_s:
                self._ledger.predict(query, now_s)
            else:
                self._ledger.default(query, query.deadline_s)
        return None

    def refused(self, sent: Sent, now_s: float) -> None:
        raise NotImplementedError("its batches neither expire nor are called off")

    def replica_up(self, replica: int, now_s: float) -> None:
        self._free_s[replica] = max(self._free_s[replica], now_s)

    def replica_down(self, replica: int, lost: Sequence[Sent], now_s: float) -> None:
        self._free_s[replica] = self._replicas[replica].back_s(now_s)
        for sent in lost:
            for query in sent.queries:
                insort(self._waiting, query, key=_deadline)

    def wake_at_s(self) -> float | None:
        if not self._waiting:
            return None
        return min(self._waiting[0].deadline_s, max(0.0, min(self._free_s) - WIRE_S))

    def wake(self, now_s: float) -> None:
        n_expired = bisect_left(self._waiting, now_s, key=_deadline)
        while n_expired < len(self._waiting) and self._waiting[n_expired].deadline_s <= now_s:
            n_expired += 1
        for query in self._waiting[:n_expired]:
            self._ledger.default(query, now_s)
        del self._waiting[:n_expired]

    # --- the search ---------------------------------------------------------------------------------------------------

    def _decide(self, now_s: float) -> _Move:
        future = _Future([query.deadline_s for query in self._waiting], self._n_arrived, list(self._free_s))
        replica = min(range(len(self._free_s)), key=self._free_s.__getitem__)
        start_s = max(now_s + WIRE_S, self._free_s[replica])
        hold = _Move(replica, start_s, 0, start_s + HOLDS_S[-1] + WIRE_S)
        if self._foresight.steady_rows is not None:
            return self._by_rule(future.deadlines_s, replica, start_s, self._foresight.steady_rows) or hold
        until_s = start_s + self._foresight.horizon_s
        best = self._play(future, now_s, self._plan, "rate", until_s)
        if best.n_lost:
            best = self._better(best, future, replica, start_s, until_s)
        if not best.moves or best.moves[0].replica != replica:  # nothing that waits can be served: look again later
            return hold
        self._plan = best.moves[1:]
        return best.moves[0]

    def _better(self, best: _Line, future: _Future, replica: int, start_s: float, until_s: float) -> _Line:
        tries: list[tuple[list[_Move], Rule]] = [([], size) for size in STEADY_SIZES]
        tries += [([first], rule) for first in self._first_moves(future, replica, start_s) for rule in RULES]
        for plan, rule in tries:
            line = self._play(future, start_s - WIRE_S, plan, rule, until_s)
            if line.n_served > best.n_served + 1e-9:
                best = line
        return best

    def _first_moves(self, future: _Future, replica: int, start_s: float) -> list[_Move]:
        holds = [_Move(replica, start_s, 0, start_s + hold_s + WIRE_S) for hold_s in HOLDS_S]
        moves = [self._move(future.deadlines_s, replica, start_s, size) for size in _sizes(len(future.deadlines_s))]
        found = {move.n_rows: move for move in moves if move is not None}
        return [*found.values(), *holds]

    def _play(self, future: _Future, now_s: float, plan: Sequence[_Move], rule: Rule, until_s: float) -> _Line:
        """The line that begins with the plan as far as it is still possible, then follows the rule."""
        state = _Future(list(future.deadlines_s), future.next_number, list(future.free_s))
        line = _Line()
        free_s = state.free_s
        while True:
            replica = min(range(len(free_s)), key=free_s.__getitem__)
            start_s = max(now_s + WIRE_S, free_s[replica])
            line.n_lost += self._pass_time(state, start_s - WIRE_S)
            if not state.deadlines_s:
                if state.next_number >= len(self._ledger.queries):
                    return line
                start_s = free_s[replica] = self._ledger.queries[state.next_number].arrival_s + WIRE_S
                continue
            if start_s >= until_s:
                n_waiting = len(state.deadlines_s) - bisect_left(state.deadlines_s, until_s + SLACK_S)
                line.n_served += self._foresight.waiting_worth * n_waiting
                return line
            move = (
                self._planned(plan[len(line.moves)], state, replica, start_s) if len(line.moves) < len(plan) else None
            )
            if move is None:
                move = self._by_rule(state.deadlines_s, replica, start_s, rule)
            if move is None:
                free_s[replica] = max(start_s + HOLDS_S[-1], self._replicas[replica].back_s(start_s))
                if not line.moves:
                    line.moves.append(_Move(replica, start_s, 0, free_s[replica] + WIRE_S))
                continue
            self._make(move, state, line, until_s)

    def _make(self, move: _Move, state: _Future, line: _Line, until_s: float) -> None:
        line.moves.append(move)
        state.free_s[move.replica] = move.end_s - WIRE_S
        if move.n_rows:
            first = bisect_left(state.deadlines_s, move.end_s)
            del state.deadlines_s[first : first + move.n_rows]
            line.n_served += move.n_rows * min(1.0, (until_s - move.start_s) / (move.end_s - move.start_s))

    def _pass_time(self, state: _Future, until_s: float) -> int:
        """Adds what has arrived, forgets whose deadline is over; how many these are."""
        queries, number = self._ledger.queries, state.next_number
        waiting = state.deadlines_s
        while number < len(queries) and queries[number].arrival_s <= until_s:
            waiting.append(queries[number].deadline_s)
            number += 1
        if number != state.next_number:
            waiting.sort()
            state.next_number = number
        n_over = bisect_left(waiting, until_s)
        del waiting[:n_over]
        return n_over

    def _planned(self, planned: _Move, state: _Future, replica: int, start_s: float) -> _Move | None:
        if planned.replica != replica:
            return None
        if planned.n_rows == 0:
            return planned if planned.start_s == start_s else None
        return self._move(state.deadlines_s, replica, start_s, planned.n_rows)

    def _by_rule(self, deadlines_s: Sequence[float], replica: int, start_s: float, rule: Rule) -> _Move | None:
        if isinstance(rule, int):
            return self._move(deadlines_s, replica, start_s, min(rule, len(deadlines_s)))
        best, best_worth = None, 0.0
        for size in _sizes(len(deadlines_s)):
            move = self._move(deadlines_s, replica, start_s, size)
            if move is None:
                continue
            if rule == "head" and best is not None and move.end_s > deadlines_s[0]:
                break
            worth = move.n_rows / (move.end_s - start_s)
            if worth > best_worth or rule == "head":
                best, best_worth = move, worth
        return best

    def _move(self, deadlines_s: Sequence[float], replica: int, start_s: float, n_rows: int) -> _Move | None:
        """The batch of at most `n_rows` that begins then; None when nobody who waits would be served by it."""
        one = self._replicas[replica]
        n_waiting = len(deadlines_s)
        dies_s = one.dies_s(start_s)
        while n_rows > 0:
            end_s = one.end_s(n_rows, start_s) + WIRE_S
            n_served = min(n_rows, n_waiting - bisect_left(deadlines_s, end_s))
            if end_s >= dies_s:
                return None
            if n_served == n_rows:
                return _Move(replica, start_s, n_rows, end_s)
            n_rows = n_served if n_served else (n_rows - 1) // 2
        return None


def _sizes(n_waiting: int) -> list[int]:
    sizes = [size for size in SIZES if size < n_waiting]
    sizes.append(n_waiting)
    return sizes
