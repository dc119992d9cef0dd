"""How long a batch takes, learnt from those that ran, and how many rows the next one may have. Pure, no clock.

The latency of a batch of b rows is fitted as ``l(b) = alpha + beta * b`` by least squares over a sliding window (the
shape is Clipper's, NSDI'17, section 4.3; the window, the clamps and the residual's quantile are this project's design).
"""

from collections import deque
from collections.abc import Sequence

from skysail_frontend.query import Query

__all__ = ["BatchSizer"]

N_WINDOW = 128
"""How many batches the fit remembers: a second or less of a busy model, so that it follows a change quickly."""
N_TRUSTED = 8
"""Batches before the fit is trusted; until then sizes double from 1 (scheduling.md: explore 1, 2, 4, 8)."""
OUTLIER_RATIO = 1.6
"""A batch slower than this multiple of its prediction is a stall, not the model; it moves the quantile only."""
QUANTILE_UP, QUANTILE_DOWN = 0.0095, 0.0005
"""Steps of the frugal estimate of the 95th percentile (Ma, Muthukrishnan, Sandler 2013): up/down = .95/.05."""
MIN_SLOPE_S = 1e-9
"""The slope never reaches zero: at low load all batches have one size and an unclamped fit learns a negative one."""
N_PIVOTS = 32
"""How many starting points are tried when the head of the queue cannot be met together with the rest."""


class BatchSizer:
    """The latency model of one model version and the sizes that follow from it.

    Invariants: ``0 <= alpha_s <= min(window)``; ``beta_s >= MIN_SLOPE_S``; ``1 <= size <= max_rows``.
    """

    def __init__(self, max_rows: int) -> None:
        self._max_rows = max_rows
        self._window: deque[tuple[int, float]] = deque()
        self._sum_n = self._sum_s = self._sum_nn = self._sum_ns = 0.0
        self._n_observed = 0
        self._n_outliers_in_a_row = 0
        self._largest = 1
        self.alpha_s = 0.0
        self.beta_s = MIN_SLOPE_S
        self.residual_p95 = 0.0

    def observe(self, n_rows: int, seconds: float) -> None:
        """A batch of `n_rows` computed for `seconds`."""
        self._n_observed += 1
        self._largest = max(self._largest, n_rows)
        if self._n_observed > N_TRUSTED and self._is_outlier(n_rows, seconds):
            return
        self._window.append((n_rows, seconds))
        self._weigh(n_rows, seconds, 1.0)
        if len(self._window) > N_WINDOW:
            self._weigh(*self._window.popleft(), -1.0)
        self._fit()

    def latency_s(self, n_rows: int) -> float:
        """The expected seconds of a batch of `n_rows`."""
        return self.alpha_s + self.beta_s * n_rows

    def upper_latency_s(self, n_rows: int) -> float:
        """Seconds that 95 of 100 batches of `n_rows` stay below."""
        return (1.0 + self.residual_p95) * self.latency_s(n_rows)

    def choose(self, waiting: Sequence[Query], now_s: float, overhead_s: float) -> tuple[int, int]:
        """How many of the earliest deadlines to skip, and how many rows to send from there on.

        `waiting` is sorted by deadline and not empty; `overhead_s` is what a batch spends outside the model. The head
        leads when the batch it allows clears the queue; else the start that gives the most rows per second leads, and
        what is skipped stays queued until its own deadline. Sizing from the head's remaining time alone becomes
        metastable after one stall: single-row batches for ever.
        """
        n_waiting = len(waiting)
        cap = self._cap()
        n_head = self._n_feasible(waiting[0].deadline_s - now_s - overhead_s, cap)
        if n_head >= min(n_waiting, cap):
            return 0, min(n_waiting, cap)
        best = (0, n_head) if n_head else (n_waiting - 1, 1)  # nothing fits: one row, the youngest, goes as a probe
        best_rate = n_head / self.latency_s(n_head) if n_head else 0.0
        step = max(1, n_waiting // N_PIVOTS)
        for i in range(step, n_waiting, step):
            n_rows = min(self._n_feasible(waiting[i].deadline_s - now_s - overhead_s, cap), n_waiting - i)
            if n_rows and n_rows / self.latency_s(n_rows) > best_rate * 1.000001:
                best, best_rate = (i, n_rows), n_rows / self.latency_s(n_rows)
        return best

    def statistics(self) -> dict[str, float]:
        return {"alpha_s": self.alpha_s, "beta_s": self.beta_s, "residual_p95": self.residual_p95, "cap": self._cap()}

    def _cap(self) -> int:
        """The most rows now: twice the largest batch seen until the fit is trusted, so that sizes are explored."""
        return self._max_rows if self._n_observed >= N_TRUSTED else min(self._max_rows, 2 * self._largest)

    def _n_feasible(self, budget_s: float, cap: int) -> int:
        """max{ b <= cap : U(b) <= budget_s }, 0 when not even one row fits."""
        n_rows = (budget_s / (1.0 + self.residual_p95) - self.alpha_s) / self.beta_s
        return cap if n_rows >= cap else max(0, int(n_rows))

    def _is_outlier(self, n_rows: int, seconds: float) -> bool:
        """Moves the quantile; tells stalls from a model that became slower for good (a run of them is believed)."""
        expected_s = self.latency_s(n_rows)
        residual = seconds / expected_s - 1.0 if expected_s > 0 else 0.0
        self.residual_p95 = max(
            0.0, self.residual_p95 + (QUANTILE_UP if residual > self.residual_p95 else -QUANTILE_DOWN)
        )
        if seconds <= OUTLIER_RATIO * expected_s:
            self._n_outliers_in_a_row = 0
            return False
        self._n_outliers_in_a_row += 1
        return self._n_outliers_in_a_row <= N_TRUSTED

    def _weigh(self, n_rows: int, seconds: float, sign: float) -> None:
        self._sum_n += sign * n_rows
        self._sum_s += sign * seconds
        self._sum_nn += sign * n_rows * n_rows
        self._sum_ns += sign * n_rows * seconds

    def _fit(self) -> None:
        n = len(self._window)
        variance = n * self._sum_nn - self._sum_n * self._sum_n
        fastest_s = min([seconds for _, seconds in self._window])
        slope = (n * self._sum_ns - self._sum_n * self._sum_s) / variance if variance > 0.5 else 0.0
        # Sizes that never vary, or noise: all the time is taken for fixed cost, the kindest guess for other sizes.
        intercept = (self._sum_s - slope * self._sum_n) / n if slope > 0.0 else self._sum_s / n
        self.beta_s = max(MIN_SLOPE_S, slope)
        self.alpha_s = min(max(0.0, intercept), fastest_s)
