"""How long a batch takes, learnt from those that ran, and how many rows the next one may have. Pure, no clock.

The latency of a batch of b rows is fitted as ``l(b) = alpha + beta * b`` by least squares over a sliding window (the
shape is Clipper's, NSDI'17, section 4.3; the window, the clamps and the residual's quantile are this project's design).
"""

from collections import deque
from collections.abc import Sequence

from skysail_frontend.query import Query
from skysail_frontend.sliding_minimum import SlidingMinimum

__all__ = ["BatchSizer"]

N_WINDOW = 128
"""How many batches the fit remembers: a second or less of a busy model, so that it follows a change quickly."""
N_TRUSTED = 8
"""Batches before the fit is trusted to call another a surprise, and surprises in a row before they are believed."""
SURPRISE_RATIO = 1.6
"""A batch this many times slower than 95 of 100 are, or faster than its prediction, is a stall or a failure, not the
model; it moves the quantile only."""
GROWTH = 2
"""A batch may be this much larger than the largest of the window (scheduling.md: explore 1, 2, 4, 8): the fit knows
nothing of sizes far beyond, least of all when all were of one size."""
QUANTILE_UP, QUANTILE_DOWN = 0.0095, 0.0005
"""Steps of the frugal estimate of the 95th percentile (Ma, Muthukrishnan, Sandler 2013): up/down = .95/.05."""
MIN_SLOPE_S = 1e-9
"""The slope never reaches zero: at low load all batches have one size and an unclamped fit learns a negative one."""
N_PIVOTS = 32
"""How many starting points are tried when the head of the queue cannot be met together with the rest."""
TIGHTNESS = 0.2
"""A query counts for its weight times ``objective ** -TIGHTNESS`` where not all can be met. 0 maximises the rows per
second and starves tight objectives, 1 serves them first and loses a tenth of all (docs/scheduling.md has figures)."""
N_SAMPLES = 8
"""From so many rows the worth of a candidate batch is estimated."""


class BatchSizer:
    """The latency model of one model version and the sizes that follow from it: the policy ``deadline``.

    Invariants: ``0 <= alpha_s <= min(window)``; ``beta_s >= MIN_SLOPE_S``; a size is at least 1, at most `max_rows`
    and at most GROWTH times ``largest_rows``, the largest of the window. `observe` takes a few microseconds, whatever
    the window holds.
    """

    def __init__(self, max_rows: int) -> None:
        self.max_rows = max_rows
        self._surprises: list[tuple[int, float]] = []
        self.alpha_s = 0.0
        self.beta_s = MIN_SLOPE_S
        self.residual_p95 = 0.0
        self._begin_window()

    def limit(self, max_rows: int) -> None:
        """At most so many rows from now on."""
        self.max_rows = max_rows

    def observe(self, n_rows: int, seconds: float) -> None:
        """A batch of `n_rows` computed for `seconds`."""
        if len(self._window) < N_TRUSTED:
            self._learn(n_rows, seconds)
            return
        self._learn_residual(n_rows, seconds)
        if not self._is_surprise(n_rows, seconds):
            self._surprises.clear()
            self._learn(n_rows, seconds)
            return
        self._surprises.append((n_rows, seconds))
        if len(self._surprises) == N_TRUSTED:  # the model has changed for good: what was learnt before misleads
            self._begin_window()
            for surprise in self._surprises:
                self._learn(*surprise)
            self._surprises.clear()

    def latency_s(self, n_rows: int) -> float:
        """The expected seconds of a batch of `n_rows`."""
        return self.alpha_s + self.beta_s * n_rows

    def upper_latency_s(self, n_rows: int) -> float:
        """Seconds that 95 of 100 batches of `n_rows` stay below."""
        return (1.0 + self.residual_p95) * self.latency_s(n_rows)

    def choose(self, waiting: Sequence[Query], now_s: float, overhead_s: float) -> tuple[int, int]:
        """How many of the earliest deadlines to skip, and how many rows to send from there on; 0 when nothing fits.

        `waiting` is sorted by deadline and not empty; `overhead_s` is what a batch spends outside the model. The head
        leads when the batch it allows clears the queue; else the start that gives the most worth per second leads, and
        what is skipped stays queued until its own deadline. Sizing from the head's remaining time alone becomes
        metastable after one stall: single-row batches for ever.
        """
        n_waiting = len(waiting)
        cap = self._cap()
        n_head = self._n_feasible(waiting[0].deadline_s - now_s - overhead_s, cap)
        if n_head >= min(n_waiting, cap):
            return 0, min(n_waiting, cap)
        best = (0, n_head)
        best_rate = _worth(waiting, 0, n_head) / self.latency_s(n_head) if n_head else 0.0
        step = max(1, n_waiting // N_PIVOTS)
        for i in range(step, n_waiting, step):
            n_rows = min(self._n_feasible(waiting[i].deadline_s - now_s - overhead_s, cap), n_waiting - i)
            if n_rows:
                rate = _worth(waiting, i, n_rows) / self.latency_s(n_rows)
                if rate > best_rate * 1.000001:
                    best, best_rate = (i, n_rows), rate
        return best

    def feasible_rows(self, budget_s: float) -> int:
        """The most rows that are computed within `budget_s`, as far as is known; one at least."""
        return max(1, self._n_feasible(budget_s, self._cap()))

    @property
    def is_trusted(self) -> bool:
        """Enough batches were seen for a prediction to mean something."""
        return len(self._window) >= N_TRUSTED

    def statistics(self) -> dict[str, float]:
        return {"alpha_s": self.alpha_s, "beta_s": self.beta_s, "residual_p95": self.residual_p95, "cap": self._cap()}

    def _cap(self) -> int:
        """The most rows now."""
        return min(self.max_rows, GROWTH * self.largest_rows) if self._window else 1

    def _n_feasible(self, budget_s: float, cap: int) -> int:
        """max{ b <= cap : U(b) <= budget_s }, 0 when not even one row fits."""
        n_rows = (budget_s / (1.0 + self.residual_p95) - self.alpha_s) / self.beta_s
        return cap if n_rows >= cap else max(0, int(n_rows))

    def _is_surprise(self, n_rows: int, seconds: float) -> bool:
        """Outside the window's sizes anything between "all cost is fixed" and "all cost is per row" is expected."""
        nearest = min(max(n_rows, self._least_rows.value), self.largest_rows)
        nearest_s = self.latency_s(int(nearest))
        expected_s = (self.latency_s(n_rows), nearest_s, nearest_s * n_rows / nearest)
        slowest_s = (1.0 + self.residual_p95) * max(expected_s)
        return seconds > SURPRISE_RATIO * slowest_s or seconds * SURPRISE_RATIO < min(expected_s)

    def _learn_residual(self, n_rows: int, seconds: float) -> None:
        """Moves the quantile."""
        is_above = seconds > self.upper_latency_s(n_rows)
        self.residual_p95 = max(0.0, self.residual_p95 + (QUANTILE_UP if is_above else -QUANTILE_DOWN))

    def _begin_window(self) -> None:
        self._window: deque[tuple[int, float]] = deque()
        self._sum_n = self._sum_s = self._sum_nn = self._sum_ns = 0.0
        self._least_seconds = SlidingMinimum(N_WINDOW)
        self._least_rows = SlidingMinimum(N_WINDOW)
        self._least_negative_rows = SlidingMinimum(N_WINDOW)
        self.largest_rows = 0

    def _learn(self, n_rows: int, seconds: float) -> None:
        self._window.append((n_rows, seconds))
        self._weigh(n_rows, seconds, 1.0)
        if len(self._window) > N_WINDOW:
            self._weigh(*self._window.popleft(), -1.0)
        self._least_seconds.push(seconds)
        self._least_rows.push(n_rows)
        self._least_negative_rows.push(-n_rows)
        self.largest_rows = -int(self._least_negative_rows.value)
        self._fit()

    def _weigh(self, n_rows: int, seconds: float, sign: float) -> None:
        self._sum_n += sign * n_rows
        self._sum_s += sign * seconds
        self._sum_nn += sign * n_rows * n_rows
        self._sum_ns += sign * n_rows * seconds

    def _fit(self) -> None:
        n = len(self._window)
        variance = n * self._sum_nn - self._sum_n * self._sum_n
        slope = (n * self._sum_ns - self._sum_n * self._sum_s) / variance if variance > 0.5 else 0.0
        if slope > 0.0:
            intercept = (self._sum_s - slope * self._sum_n) / n
            if intercept < 0.0:  # the best line through the origin instead
                slope, intercept = self._sum_ns / self._sum_nn, 0.0
        else:  # sizes that never vary, or noise: all the time counts as fixed cost, the kindest guess for other sizes
            slope, intercept = 0.0, self._sum_s / n
        self.beta_s = max(MIN_SLOPE_S, slope)
        self.alpha_s = min(intercept, self._least_seconds.value)


def _worth(waiting: Sequence[Query], start: int, n_rows: int) -> float:
    """What `n_rows` queries from `start` on count for, reckoned from a few of them when there are many."""
    step = max(1, n_rows // N_SAMPLES)
    total = 0.0
    n_seen = 0
    for i in range(start, start + n_rows, step):
        query = waiting[i]
        total += query.weight * max(query.deadline_s - query.arrival_s, 1e-6) ** -TIGHTNESS
        n_seen += 1
    return total * n_rows / n_seen
