"""The prediction cache of one worker: outputs by model version and payload, bounded in bytes and age. Pure, no clock.

Eviction is S3-FIFO (Yang et al., "FIFO queues are all you need for cache eviction", SOSP'23, algorithm 1), because what
asks for predictions does two things: a few inputs come again and again, and now and then somebody sends a whole table
row by row. With LRU such a scan empties the cache of everything that was worth keeping. Here what is new passes through
a small queue and leaves it unless it was asked for again; only what proved itself there, or came back soon after it had
left, gets a place in the main queue. SIEVE (NSDI'24) is simpler, but its authors say that it does not resist scans.
A hit changes one small number, and nothing moves.

A shelf that is asked for nothing twice goes to sleep: to keep and evict what nobody asks for again costs 1.5 µs a
query, most of it for memory that is in no processor cache. Asleep it knows one payload of 16 only, other ones from time
to time, and wakes up as soon as these are asked for again.
"""

import sys
from collections import deque
from typing import Any, Final

__all__ = ["PredictionCache", "PredictionShelf"]

MAX_ENTRY_SHARE: Final = 8
"""An entry may have this part of the cache at most: a few large ones must not push out everything else."""
SMALL_SHARE: Final = 10
"""The small queue gives way from this part of the cache on. A tenth, as in the paper."""
MAX_USES: Final = 3
PROVEN_USES: Final = 2
"""So many hits in the small queue lead to the main one."""
MAX_STEPS: Final = 64
"""Entries that one eviction looks at; then the next one goes, whatever it is worth. Without this, one eviction from a
full cache in which everything was hit would look at all of it."""
ENTRY_BYTES: Final = 540
"""What an entry takes beside its payload and output: itself, its places in dict and queue, and the ghost it may leave.
A test measures it."""
TOMBSTONE_BYTES: Final = 160
"""What a purged entry takes until its turn in the queue comes."""

SLEEP_LOOKUPS: Final = 32_768
"""After so many look-ups of which less than one in `MIN_HIT_SHARE` was a hit, a shelf goes to sleep."""
MIN_HIT_SHARE: Final = 200
SAMPLE_SHARE: Final = 16
"""A power of two: asleep, a shelf knows the payloads of one in so many hashes."""
SAMPLE_LOOKUPS: Final = 1_024
"""For so many look-ups these, then those of another remainder, so that no input is overlooked for long."""
WAKING_HIT_SHARE: Final = 50
"""One hit in so many of the look-ups that count wakes it up, two hits at least."""


class _Entry:
    """One output. ``shelf`` is None once it has been purged; ``n_uses`` are its hits, up to `MAX_USES`."""

    __slots__ = ("expires_s", "is_small", "key", "n_bytes", "n_uses", "output", "payload", "shelf")

    def __init__(
        self, shelf: "PredictionShelf", key: Any, payload: Any, output: bytes, n_bytes: int, expires_s: float
    ) -> None:
        self.shelf: PredictionShelf | None = shelf
        self.key = key
        self.payload = payload
        self.output = output
        self.n_bytes = n_bytes
        self.expires_s = expires_s
        self.n_uses = 0
        self.is_small = True  # in the small queue


class PredictionShelf:
    """The outputs of one model version. Payloads are equal when the model cannot tell them apart: they are bytes, text,
    or a tuple with the dtype and the shape. Each comes with its `payload_key`; of two payloads that share one, the
    second is not kept.

    ``n_bytes`` is what its entries take, ``n_evictions`` how many left for want of room.
    """

    def __init__(self, cache: "PredictionCache") -> None:
        self.entries: dict[Any, _Entry] = {}
        self.n_bytes = 0
        self.n_evictions = 0
        self.is_asleep = False
        self._cache = cache
        self._n_lookups = self._n_sampled = self._n_hits = 0  # since the last decision
        self._remainder = 0  # of the hashes that are known asleep

    def get(self, key: Any, payload: Any, now_s: float) -> bytes | None:
        """The output for `payload`, unless it is unknown, slept through or too old. One look-up."""
        self._n_lookups += 1
        if self.is_asleep:
            if self._n_lookups >= SAMPLE_LOOKUPS:
                self._decide_whether_to_wake()
            if self._sleeps_through(key):
                return None
            self._n_sampled += 1
        elif self._n_lookups >= SLEEP_LOOKUPS:
            self._decide_whether_to_sleep()
        entry = self.entries.get(key)
        if entry is None or entry.expires_s <= now_s or (key is not payload and entry.payload != payload):
            return None
        self._n_hits += 1
        if entry.n_uses < MAX_USES:
            entry.n_uses += 1
        return entry.output

    def put(self, key: Any, payload: Any, output: bytes, now_s: float) -> None:
        """Keeps an output, unless it is too large, and evicts others until it fits: in time in proportion to its bytes,
        for `MAX_STEPS` entries at most are looked at for each one that goes."""
        if not (self.is_asleep and self._sleeps_through(key)):
            self._cache.put(self, key, payload, output, now_s)

    def purge(self) -> None:
        """Forgets everything. Takes time in proportion to its entries, and leaves their empty places to be reused."""
        self._cache.purge(self)

    def _sleeps_through(self, key: Any) -> bool:
        return hash(key) % SAMPLE_SHARE != self._remainder

    def _decide_whether_to_sleep(self) -> None:
        self.is_asleep = self._n_hits * MIN_HIT_SHARE < self._n_lookups
        self._n_lookups = self._n_sampled = self._n_hits = 0

    def _decide_whether_to_wake(self) -> None:
        self.is_asleep = self._n_hits < 2 or self._n_hits * WAKING_HIT_SHARE < self._n_sampled
        self._remainder = (self._remainder + 1) % SAMPLE_SHARE
        self._n_lookups = self._n_sampled = self._n_hits = 0


class PredictionCache:
    """The shelves of all model versions under one bound.

    Invariants: ``n_bytes <= max_bytes`` counts every entry, its payload and output as Python holds them included;
    ``n_bytes`` is the sum over the entries in both queues; there are no more ghosts than entries, so that their memory
    is counted with the entries'. An entry is in exactly one of the two queues, and on its shelf unless it was purged.

    :param max_bytes: the bound
    :param ttl_s: how long an output is given after it was computed
    """

    def __init__(self, max_bytes: int, ttl_s: float) -> None:
        self.max_bytes = max_bytes
        self.ttl_s = ttl_s
        self.n_bytes = 0
        self._n_small_bytes = 0
        self._small: deque[_Entry] = deque()
        self._main: deque[_Entry] = deque()
        self._ghosts: set[int] = set()
        self._ghost_order: deque[int] = deque()

    def shelf(self) -> PredictionShelf:
        """A shelf for a model version that appears."""
        return PredictionShelf(self)

    def put(self, shelf: PredictionShelf, key: Any, payload: Any, output: bytes, now_s: float) -> None:
        """See `PredictionShelf.put`."""
        n_bytes = _held_bytes(payload) + len(output) + ENTRY_BYTES
        if n_bytes * MAX_ENTRY_SHARE > self.max_bytes:
            self._forget(shelf.entries.get(key))
            return
        while self.n_bytes + n_bytes > self.max_bytes:
            self._evict()
        entry = _Entry(shelf, key, payload, output, n_bytes, now_s + self.ttl_s)
        known = shelf.entries.setdefault(key, entry)
        if known is entry:
            self._take_in(entry)
        elif key is payload or known.payload == payload:
            known.output, known.expires_s = output, entry.expires_s
            self._count(known, n_bytes)

    def purge(self, shelf: PredictionShelf) -> None:
        """See `PredictionShelf.purge`."""
        for entry in list(shelf.entries.values()):
            self._forget(entry)

    def statistics(self) -> dict[str, int]:
        return {"n_bytes": self.n_bytes, "n_small_bytes": self._n_small_bytes, "n_small": len(self._small),
                "n_main": len(self._main), "n_ghosts": len(self._ghosts)}  # fmt: skip

    def _take_in(self, entry: _Entry) -> None:
        n_bytes = entry.n_bytes
        self.n_bytes += n_bytes
        if entry.shelf is not None:
            entry.shelf.n_bytes += n_bytes
        if self._ghosts and hash(entry.key) in self._ghosts:
            self._ghosts.discard(hash(entry.key))
            entry.is_small = False
            self._main.append(entry)
        else:
            self._small.append(entry)
            self._n_small_bytes += n_bytes

    def _evict(self) -> None:
        """Drops one entry, or moves the small queue's last ones to the main queue. Not to be called when both are
        empty."""
        if self._small and (self._n_small_bytes * SMALL_SHARE >= self.max_bytes or not self._main):
            self._evict_small()
        else:
            self._evict_main()

    def _evict_small(self) -> None:
        small = self._small
        for step in range(MAX_STEPS):
            entry = small.popleft()
            self._n_small_bytes -= entry.n_bytes
            if entry.n_uses < PROVEN_USES or step == MAX_STEPS - 1:
                if entry.shelf is not None:
                    self._leave_ghost(hash(entry.key))
                self._drop(entry)
                return
            entry.n_uses = 0
            entry.is_small = False
            self._main.append(entry)
            if not small:
                return

    def _evict_main(self) -> None:
        main = self._main
        for _ in range(MAX_STEPS - 1):
            if main[0].n_uses == 0:
                break
            entry = main.popleft()
            entry.n_uses -= 1
            main.append(entry)
        self._drop(main.popleft())

    def _leave_ghost(self, ghost: int) -> None:
        self._ghosts.add(ghost)
        self._ghost_order.append(ghost)
        while len(self._ghost_order) > len(self._small) + len(self._main):
            self._ghosts.discard(self._ghost_order.popleft())

    def _drop(self, entry: _Entry) -> None:
        """Forgets an entry that has left its queue."""
        self.n_bytes -= entry.n_bytes
        shelf = entry.shelf
        if shelf is not None:
            shelf.n_bytes -= entry.n_bytes
            shelf.n_evictions += 1
            del shelf.entries[entry.key]

    def _forget(self, entry: _Entry | None) -> None:
        """Forgets an entry that is in its queue: its place there stays, with nothing in it."""
        if entry is None or entry.shelf is None:
            return
        del entry.shelf.entries[entry.key]
        self._count(entry, 0)
        entry.shelf = entry.key = entry.payload = None
        entry.output = b""
        entry.n_uses = 0
        self._count(entry, TOMBSTONE_BYTES)

    def _count(self, entry: _Entry, n_bytes: int) -> None:
        """An entry takes another number of bytes from now on."""
        grown = n_bytes - entry.n_bytes
        entry.n_bytes = n_bytes
        self.n_bytes += grown
        if entry.is_small:
            self._n_small_bytes += grown
        if entry.shelf is not None:
            entry.shelf.n_bytes += grown


def _held_bytes(payload: Any) -> int:
    """What Python holds for a payload, but for a few bytes; text can take four times what it has on the wire."""
    if type(payload) is bytes:
        return len(payload)
    if isinstance(payload, tuple):
        dtype, shape, data = payload
        return sys.getsizeof(payload) + sys.getsizeof(dtype) + sys.getsizeof(shape) + 32 * len(shape) + len(data)
    return sys.getsizeof(payload)
