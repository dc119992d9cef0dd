"""How long to wait before a part that died is started again."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["RestartPolicy"]


@dataclass(frozen=True)
class RestartPolicy:
    """Doubling delays, forgotten after a good run: a part that dies now and then is back at once, one that cannot run
    does not burn the machine."""

    first_delay_s: float = 0.1
    longest_delay_s: float = 5.0
    good_run_s: float = 10.0

    def failures_after(self, earlier_failures: int, ran_s: float) -> int:
        """Failures in a row, this one included, of a part that ran so long before it died."""
        return 1 if ran_s >= self.good_run_s else earlier_failures + 1

    def delay_s(self, failures: int) -> float:
        """:param failures: in a row, at least 1."""
        doublings = min(failures - 1, 30)
        return min(self.longest_delay_s, self.first_delay_s * 2.0**doublings)
