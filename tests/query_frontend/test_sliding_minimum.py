"""The sliding minimum equals the minimum of the window it stands for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skysail_frontend.sliding_minimum import SlidingMinimum


@given(st.lists(st.integers(-20, 20), min_size=1, max_size=60), st.integers(1, 10))
def test_it_is_the_least_of_the_last_values(values: list[int], n_window: int) -> None:
    minimum = SlidingMinimum(n_window)
    for i, value in enumerate(values):
        minimum.push(value)
        assert minimum.value == min(values[max(0, i + 1 - n_window) : i + 1])


def test_of_nothing_there_is_none() -> None:
    with pytest.raises(IndexError):
        _ = SlidingMinimum(3).value
