"""What the scheduler knows of one replica."""

from skysail_frontend.batch import Batch
from skysail_frontend.replica_health import ReplicaHealth

__all__ = ["MAX_BATCHES", "ReplicaState"]

MAX_BATCHES = 2
"""One running, one staged."""
BACKLOG_STEP = 0.2
"""Weight of the newest batch in the moving average of the time a batch waits in the container."""


class ReplicaState:
    """The batches a replica holds, oldest first, and what is known of its speed.

    ``backlog_s`` is how long batches wait in the container before they run: other frontends send there too.
    """

    __slots__ = ("backlog_s", "batches", "health", "is_draining", "key")

    def __init__(self, key: int) -> None:
        self.key = key
        self.batches: list[Batch] = []
        self.health = ReplicaHealth()
        self.is_draining = False
        self.backlog_s = 0.0

    def came_back(self, queued_s: float) -> None:
        """A batch that found the replica free, as this frontend sees it, waited `queued_s` for others' batches."""
        self.backlog_s += BACKLOG_STEP * (queued_s - self.backlog_s)

    def holds_suspects(self) -> bool:
        """It runs rows that were on a container which died; nothing else is put beside them."""
        return bool(self.batches) and self.batches[0].cause == "suspect"
