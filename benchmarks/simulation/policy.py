"""What a simulated policy is: told what happens and what time it is, it sends batches and answers queries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from benchmarks.simulation.ledger import VirtualQuery

__all__ = ["Policy", "Sent"]


@dataclass(slots=True, eq=False)
class Sent:
    """A batch on its way to a replica. ``own`` is the policy's.

    ``expires_s``: a replica that would begin the batch at this moment or later refuses it instead; None: never.
    """

    replica: int
    queries: Sequence[VirtualQuery]
    expires_s: float | None = None
    own: Any = None


class Policy(Protocol):
    """Answers go to the ledger it was made with. After each call the simulation asks `next_batch` until it is None,
    then `wake_at_s`; `wake` is called at that moment at the latest."""

    def arrive(self, query: VirtualQuery, now_s: float) -> None: ...

    def next_batch(self, now_s: float) -> Sent | None: ...

    def computed(self, sent: Sent, queued_s: float, computed_s: float, now_s: float) -> Sent | None:
        """A batch is back. The policy answers its queries, and names another batch that need not run any more."""
        ...

    def refused(self, sent: Sent, now_s: float) -> None:
        """A replica did not run a batch that had expired or was called off."""
        ...

    def replica_up(self, replica: int, now_s: float) -> None: ...

    def replica_down(self, replica: int, lost: Sequence[Sent], now_s: float) -> None: ...

    def wake_at_s(self) -> float | None: ...

    def wake(self, now_s: float) -> None: ...
