"""The batches that wait for the model, over all connections, by earliest deadline. No clock, no threads, no I/O."""

from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from typing import Protocol

from skysail_container.wire import ContainerMessage, Rows

__all__ = ["Recipient", "Work", "WorkQueue"]


class Recipient(Protocol):
    """Where a batch came from and its reply goes to."""

    def send(self, message: ContainerMessage) -> None:
        """Sends `message`, from any thread; a recipient that is gone drops it."""
        ...


@dataclass(slots=True, eq=False)
class Work:
    """One batch that was taken in. Times are seconds of one monotonic clock."""

    recipient: Recipient
    batch_id: int
    rows: Rows
    n_bytes: int
    taken_in_s: float
    deadline_s: float


class WorkQueue:
    """Earliest deadline first; batches with the same deadline in the order they came.

    Invariants: at most `max_batches` batches and `max_bytes` of rows wait, except that a single batch may always
    wait; a batch leaves exactly once: taken, expired, cancelled or with its recipient. Putting and taking cost
    O(log n), cancelling O(n) with n bounded by `max_batches`.
    """

    def __init__(self, max_batches: int, max_bytes: int) -> None:
        self._max_batches = max_batches
        self._max_bytes = max_bytes
        self._heap: list[tuple[float, int, Work]] = []
        self._n_put = 0
        self.n_bytes = 0

    def __len__(self) -> int:
        return len(self._heap)

    def put(self, work: Work) -> bool:
        """Queues `work`; False when there is no room for it."""
        if self._heap and (len(self._heap) >= self._max_batches or self.n_bytes + work.n_bytes > self._max_bytes):
            return False
        self._n_put += 1
        self.n_bytes += work.n_bytes
        heappush(self._heap, (work.deadline_s, self._n_put, work))
        return True

    def take_expired(self, now_s: float) -> list[Work]:
        """The batches whose deadline is not after `now_s`: nobody waits for them any more."""
        expired: list[Work] = []
        while self._heap and self._heap[0][0] <= now_s:
            expired.append(self._pop())
        return expired

    def take(self) -> Work | None:
        """The batch to run next."""
        return self._pop() if self._heap else None

    def cancel(self, recipient: Recipient, batch_id: int) -> Work | None:
        """Removes the recipient's batch; None when it does not wait here (any more)."""
        for entry in self._heap:
            work = entry[2]
            if work.batch_id == batch_id and work.recipient is recipient:
                self._keep([other for other in self._heap if other[2] is not work])
                return work
        return None

    def forget(self, recipient: Recipient) -> int:
        """Removes every batch of a recipient that is gone; their number."""
        n_before = len(self._heap)
        self._keep([entry for entry in self._heap if entry[2].recipient is not recipient])
        return n_before - len(self._heap)

    def _pop(self) -> Work:
        work = heappop(self._heap)[2]
        self.n_bytes -= work.n_bytes
        return work

    def _keep(self, entries: list[tuple[float, int, Work]]) -> None:
        heapify(entries)
        self._heap = entries
        self.n_bytes = sum(entry[2].n_bytes for entry in entries)
