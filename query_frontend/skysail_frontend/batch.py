"""A batch: queries that travel to one replica together."""

from typing import Literal

from skysail_frontend.query import Query

__all__ = ["CAUSES", "Batch", "Cause"]

Cause = Literal["full", "deadline", "idle", "probe", "hedge", "suspect"]
"""Why a batch left when it did, and no larger: as large as batches may be; the deadlines allowed no more; a replica was
free and nothing more waited; nothing looked feasible, or a replica is on trial; another replica is late with the same
rows; its rows were on a container that died."""
CAUSES: tuple[Cause, ...] = ("full", "deadline", "idle", "probe", "hedge", "suspect")


class Batch:
    """Queries sent in one frame, earliest deadline first.

    ``replica`` is the key of the replica it went to; ``starts_s`` is when that one is expected to begin to compute it;
    ``found_idle``: the replica held nothing else of this frontend; ``next_due_s`` is a lower bound of the earliest
    deadline among the queries not done yet; ``late_at_s`` is when a second copy is worth sending (infinity once that
    has been looked at); ``twin`` is that copy, or its original, while both are on their way.
    """

    __slots__ = ("batch_id", "cause", "found_idle", "late_at_s", "latest_deadline_s", "n_rows", "next_due_s", "queries",
                 "replica", "sent_s", "starts_s", "twin")  # fmt: skip

    def __init__(
        self, batch_id: int, replica: int, queries: list[Query], sent_s: float, starts_s: float, cause: Cause = "idle"
    ) -> None:
        self.batch_id = batch_id
        self.replica = replica
        self.queries = queries
        self.cause = cause
        self.n_rows = len(queries)
        self.sent_s = sent_s
        self.starts_s = starts_s
        self.next_due_s = queries[0].deadline_s
        self.latest_deadline_s = queries[-1].deadline_s
        self.late_at_s = float("inf")
        self.found_idle = False
        self.twin: Batch | None = None
        for query in queries:
            query.batch = self
            query.n_attempts += 1

    def open_queries(self) -> list[Query]:
        """Those that are not done."""
        return [query for query in self.queries if not query.is_done]

    def take_due(self, now_s: float) -> list[Query]:
        """The queries whose deadline has come and that are not done; moves `next_due_s` on."""
        waiting = self.open_queries()
        due = [query for query in waiting if query.deadline_s <= now_s]
        later = [query.deadline_s for query in waiting if query.deadline_s > now_s]
        self.next_due_s = min(later) if later else float("inf")
        return due

    def is_abandoned(self) -> bool:
        """Nobody waits for any of its queries. From the back: a request's queries are cancelled from the front."""
        return all(query.is_done for query in reversed(self.queries))

    def separate(self) -> "Batch | None":
        """Its twin, from which it parts: only one of the two is needed any more."""
        twin = self.twin
        if twin is not None:
            self.twin = twin.twin = None
        return twin
