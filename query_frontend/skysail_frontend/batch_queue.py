"""The queue of one scheduler: earliest deadline first, bounded in rows and bytes. Pure state, no clock."""

from bisect import bisect_right
from operator import attrgetter

from skysail_frontend.query import Query

__all__ = ["BatchQueue"]

_deadline = attrgetter("deadline_s")


class BatchQueue:
    """Queries that wait for a batch, by deadline; equal deadlines in order of arrival.

    Invariants: deadlines never decrease from front to back; ``n_rows <= max_rows`` and ``n_bytes <= max_bytes`` count
    the queries that still want an answer; a cancelled query stays as a tombstone for a while (there are never more
    than ``n_rows + 65`` of them) and is never handed out. Pushing is O(1) when deadlines come in order (one SLO),
    O(log n) and a memmove otherwise.
    """

    def __init__(self, max_rows: int, max_bytes: int) -> None:
        self._max_rows = max_rows
        self._max_bytes = max_bytes
        self._queries: list[Query] = []
        self.n_rows = 0
        self.n_bytes = 0

    def push(self, query: Query) -> bool:
        """False when the queue is full in rows or bytes: the query is refused, the queue unchanged."""
        n_bytes = self.n_bytes + query.n_bytes
        if self.n_rows >= self._max_rows or n_bytes > self._max_bytes:
            return False
        queries = self._queries
        if not queries or queries[-1].deadline_s <= query.deadline_s:
            queries.append(query)
        else:
            queries.insert(bisect_right(queries, query.deadline_s, key=_deadline), query)
        self.n_rows += 1
        self.n_bytes = n_bytes
        return True

    def n_ahead(self, deadline_s: float) -> int:
        """How many queries a new one with this deadline would wait behind; tombstones may be among them."""
        queries = self._queries
        if not queries or queries[-1].deadline_s <= deadline_s:
            return self.n_rows
        return min(self.n_rows, bisect_right(queries, deadline_s, key=_deadline))

    def forget(self, query: Query) -> None:
        """Uncounts a query in the queue that no longer wants an answer. Its ``is_done`` must be set already."""
        self.n_rows -= 1
        self.n_bytes -= query.n_bytes
        if len(self._queries) > 2 * self.n_rows + 64:
            self.waiting()

    def waiting(self) -> list[Query]:
        """The queries that still want an answer, earliest deadline first. Drops the tombstones. Do not change it."""
        if len(self._queries) != self.n_rows:
            self._queries = [query for query in self._queries if not query.is_done]
        return self._queries

    def head_deadline_s(self) -> float | None:
        """The earliest deadline of a query that still wants an answer, or None when there is none."""
        queries = self._queries
        if not self.n_rows:
            return None
        if queries[0].is_done:
            queries = self.waiting()
        return queries[0].deadline_s

    def take(self, n_skipped: int, n_taken: int, max_bytes: int | None = None) -> list[Query]:
        """Removes and returns `n_taken` queries behind the first `n_skipped`; fewer when there are not as many, or when
        they are larger than `max_bytes` together, but one at least."""
        queries = self.waiting()
        taken = queries[n_skipped : n_skipped + n_taken]
        n_bytes = sum([query.n_bytes for query in taken])
        while max_bytes is not None and n_bytes > max_bytes and len(taken) > 1:
            n_bytes -= taken.pop().n_bytes
        del queries[n_skipped : n_skipped + len(taken)]
        self.n_rows -= len(taken)
        self.n_bytes -= n_bytes
        return taken

    def take_due(self, now_s: float) -> list[Query]:
        """Removes and returns the queries whose deadline has come."""
        if not self._queries or self._queries[0].deadline_s > now_s:
            return []
        n_due = bisect_right(self.waiting(), now_s, key=_deadline)
        return self.take(0, n_due)

    def take_all(self) -> list[Query]:
        """Removes and returns all queries."""
        return self.take(0, self.n_rows)

    def __repr__(self) -> str:
        return f"BatchQueue(n_rows={self.n_rows}, n_bytes={self.n_bytes}, head={self.head_deadline_s()})"
