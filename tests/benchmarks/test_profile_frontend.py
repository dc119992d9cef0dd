"""Samples become own and inclusive times per function."""

from __future__ import annotations

from benchmarks.profile_frontend import time_by_function


def test_own_time_is_the_innermost_functions_and_inclusive_time_everyones() -> None:
    own, inclusive = time_by_function(["main (a.py);run (b.py) 3", "main (a.py);run (b.py);write (c.py) 5"])
    assert own == {"run (b.py)": 3, "write (c.py)": 5}
    assert inclusive == {"main (a.py)": 8, "run (b.py)": 8, "write (c.py)": 5}


def test_a_recursive_function_counts_once_per_sample() -> None:
    _, inclusive = time_by_function(["walk (a.py);walk (a.py);walk (a.py) 4"])
    assert inclusive == {"walk (a.py)": 4}
