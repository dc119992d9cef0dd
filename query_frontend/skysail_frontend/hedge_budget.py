"""How many rows may be sent twice: a twentieth of all, so that hedging never doubles the load of a busy model.

The Tail at Scale (Dean, Barroso, CACM 2013): a second request after the 95th percentile costs a few per cent of load.
"""

__all__ = ["HedgeBudget"]

SHARE = 0.05
MAX_SAVED_ROWS = 64.0
"""What quiet times save up."""


class HedgeBudget:
    """A token bucket of rows. Invariant: ``0 <= rows <= MAX_SAVED_ROWS``."""

    def __init__(self) -> None:
        self.rows = 1.0

    def earn(self, n_rows: int) -> None:
        """`n_rows` were sent for the first time."""
        self.rows = min(MAX_SAVED_ROWS, self.rows + SHARE * n_rows)

    def spend(self, n_rows: int) -> bool:
        """Takes `n_rows` from the budget; False, and nothing taken, when there are not as many."""
        if n_rows > self.rows:
            return False
        self.rows -= n_rows
        return True
