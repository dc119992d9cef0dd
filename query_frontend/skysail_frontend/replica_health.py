"""Whether a replica may be given batches: taken out of rotation when it fails, stalls or lags, let back in by a probe.

Pure, clock-injected. The pattern is the circuit breaker's (Nygard, Release It!, 2007): closed, open, half-open.
"""

from collections.abc import Iterable
from statistics import median

__all__ = ["MAX_FAILURES", "SLOW_RATIO", "ReplicaHealth", "is_slow"]

MAX_FAILURES = 5
"""Failures in a row that take a replica out."""
SLOW_RATIO = 3.0
"""A replica this many times slower than the median of its peers goes out."""
N_TRUSTED = 8
"""Batches before a replica's speed is compared."""
FIRST_PAUSE_S, LAST_PAUSE_S = 0.5, 4.0
"""Until the first probe after an ejection, and at most; doubled after every probe that fails."""
N_MEDIAN = 15


class ReplicaHealth:
    """What is known of one replica.

    Invariant: ``is_out`` from `eject` until a probe succeeds (`succeeded`); ``may_probe`` allows one batch at a time.
    """

    __slots__ = ("_ratios", "is_out", "is_probing", "n_failures", "pause_s", "probe_at_s")

    def __init__(self) -> None:
        self.n_failures = 0
        self.is_out = False
        self.is_probing = False
        self.probe_at_s = 0.0
        self.pause_s = FIRST_PAUSE_S
        self._ratios: list[float] = []

    def succeeded(self, ratio: float) -> None:
        """A batch came back after `ratio` times the seconds that the latency model expects."""
        self.n_failures = 0
        self._ratios.append(ratio)
        if len(self._ratios) > N_MEDIAN:
            del self._ratios[0]

    def failed(self) -> bool:
        """A batch was lost, or is long overdue. True: it is one too many."""
        self.n_failures += 1
        return self.n_failures >= MAX_FAILURES

    def eject(self, now_s: float) -> None:
        """Out of rotation until a probe succeeds."""
        self.pause_s = min(LAST_PAUSE_S, 2.0 * self.pause_s) if self.is_out else FIRST_PAUSE_S
        self.is_out = True
        self.is_probing = False
        self.probe_at_s = now_s + self.pause_s

    def may_probe(self, now_s: float) -> bool:
        return self.is_out and not self.is_probing and now_s >= self.probe_at_s

    def readmit(self) -> None:
        """Its probe came back in time: it begins anew."""
        self.is_out = self.is_probing = False
        self.n_failures = 0
        self._ratios.clear()

    def slowness(self) -> float | None:
        """The median ratio; None while too little is known."""
        return median(self._ratios) if len(self._ratios) >= N_TRUSTED else None


def is_slow(slowness: float | None, peers: Iterable[float | None]) -> bool:
    """Whether `slowness` is SLOW_RATIO times that of the peers' median; never without a peer to compare with."""
    known = [peer for peer in peers if peer is not None]
    return slowness is not None and bool(known) and slowness > SLOW_RATIO * max(median(known), 1e-9)
