"""What the scheduler knows of one replica."""

from skysail_frontend.batch import Batch
from skysail_frontend.replica_health import ReplicaHealth

__all__ = ["MAX_BATCHES", "ReplicaState"]

MAX_BATCHES = 2
"""One running, one staged."""
BACKLOG_STEP, DEVIATION_STEP = 0.2, 0.2
"""Weights of the newest batch in the moving averages of the time a batch waits in the container, and of how far off
that is: the estimate of TCP's retransmission timer (Jacobson 1988, RFC 6298)."""


class ReplicaState:
    """The batches a replica holds, oldest first, and what is known of its speed.

    ``backlog_s`` is how long batches are expected to wait in the container before they run: other frontends send there
    too. Mean and deviation, so that few wait longer.
    """

    __slots__ = ("_deviation_s", "_mean_s", "backlog_s", "batches", "health", "is_draining", "key")

    def __init__(self, key: int, health: ReplicaHealth) -> None:
        self.key = key
        self.batches: list[Batch] = []
        self.health = health
        self.is_draining = False
        self.backlog_s = self._mean_s = self._deviation_s = 0.0

    def waited(self, queued_s: float) -> None:
        """A batch that found the replica free, as this frontend sees it, waited `queued_s` for others' batches."""
        error_s = queued_s - self._mean_s
        self._mean_s += BACKLOG_STEP * error_s
        self._deviation_s += DEVIATION_STEP * (abs(error_s) - self._deviation_s)
        self.backlog_s = self._mean_s + self._deviation_s

    def holds_suspects(self) -> bool:
        """It runs rows that were on a container which died; nothing else is put beside them."""
        return bool(self.batches) and self.batches[0].cause == "suspect"
