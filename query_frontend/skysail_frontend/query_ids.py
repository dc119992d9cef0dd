"""Query ids: unique across workers, machines and restarts, and integers a JSON client can hold (below 2**53)."""

import itertools
from collections.abc import Callable

__all__ = ["BLOCK_BITS", "QueryIds"]

BLOCK_BITS = 32
"""A block is 2**32 ids: a day at 50,000 queries per second. 2**21 blocks fit below 2**53."""
N_BLOCK_IDS, N_BLOCKS = 1 << BLOCK_BITS, 1 << (53 - BLOCK_BITS)


class QueryIds:
    """Counts through blocks of ids that the registry leases, each to one worker only.

    ``next_id`` costs one call of a C counter. Invariant: an id is given out once.
    """

    def __init__(self, block: int) -> None:
        self.next_id: Callable[[], int]
        self.begin_block(block)

    def begin_block(self, block: int) -> None:
        """Goes on in a newly leased block; what is left of the old one is never used."""
        self._first = (block % N_BLOCKS) << BLOCK_BITS
        self.next_id = itertools.count(self._first).__next__

    def is_half_used(self) -> bool:
        """Time to lease the next block. Looking uses up an id, for a counter can only be read by counting."""
        n_used = self.next_id() - self._first
        return n_used > N_BLOCK_IDS // 2
