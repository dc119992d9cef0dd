"""A batch: queries that travel to one replica together."""

from skysail_frontend.query import Query

__all__ = ["Batch"]


class Batch:
    """Queries sent in one frame, earliest deadline first.

    ``replica`` is the key of the replica it went to; ``starts_s`` is when that one is expected to begin to compute it;
    ``next_due_s`` is a lower bound of the earliest deadline among the queries not done yet.
    """

    __slots__ = ("batch_id", "latest_deadline_s", "n_rows", "next_due_s", "queries", "replica", "sent_s", "starts_s")

    def __init__(self, batch_id: int, replica: int, queries: list[Query], sent_s: float, starts_s: float) -> None:
        self.batch_id = batch_id
        self.replica = replica
        self.queries = queries
        self.n_rows = len(queries)
        self.sent_s = sent_s
        self.starts_s = starts_s
        self.next_due_s = queries[0].deadline_s
        self.latest_deadline_s = queries[-1].deadline_s
        for query in queries:
            query.batch = self
            query.n_attempts += 1

    def take_due(self, now_s: float) -> list[Query]:
        """The queries whose deadline has come and that are not done; moves `next_due_s` on."""
        waiting = [query for query in self.queries if not query.is_done]
        due = [query for query in waiting if query.deadline_s <= now_s]
        later = [query.deadline_s for query in waiting if query.deadline_s > now_s]
        self.next_due_s = min(later) if later else float("inf")
        return due

    def is_abandoned(self) -> bool:
        """Nobody waits for any of its queries. From the back: a request's queries are cancelled from the front."""
        return all(query.is_done for query in reversed(self.queries))
