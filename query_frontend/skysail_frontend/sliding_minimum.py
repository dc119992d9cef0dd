"""The minimum of a sliding window in constant time per value."""

from collections import deque

__all__ = ["SlidingMinimum"]


class SlidingMinimum:
    """The least of the last `n_window` values.

    Holds only values that can still become the least: in order of arrival and, by that, of size (amortised O(1)).
    """

    def __init__(self, n_window: int) -> None:
        self._n_window = n_window
        self._n_pushed = 0
        self._candidates: deque[tuple[int, float]] = deque()

    def push(self, value: float) -> None:
        candidates = self._candidates
        while candidates and candidates[-1][1] >= value:
            candidates.pop()
        candidates.append((self._n_pushed, value))
        self._n_pushed += 1
        if candidates[0][0] < self._n_pushed - self._n_window:
            candidates.popleft()

    @property
    def value(self) -> float:
        """:raises IndexError: nothing was pushed"""
        return self._candidates[0][1]
