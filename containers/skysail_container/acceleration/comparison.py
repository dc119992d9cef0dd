"""Whether a faster form gives what the estimator gives, and whether it is faster."""

import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from skysail_container.acceleration.form import Array, Compute, UnsupportedEstimatorError

__all__ = ["Agreement", "Speed", "agreement", "speed"]

BATCH_SIZES = (1, 7)
"""Rows are given to the form all together, and the first of them so many at a time."""
N_SPLIT_ROWS = 64
TIMED_ROWS = (1, 64)
TIMED_CALLS = 5
TIME_LIMIT_S = 0.3


class Agreement(NamedTuple):
    n_rows: int
    greatest_difference: float
    """Over all outputs, relative to the expected one where that is greater than 1; 0 for labels."""
    are_labels: bool


class Speed(NamedTuple):
    """Seconds per call of `n_rows` rows: the least of a few calls."""

    n_rows: int
    original_s: float
    form_s: float


def agreement(original: Callable[[Array], object], form: Compute, rows: Array, tolerance: float) -> Agreement:
    """Labels must be equal; numbers within `tolerance`, relative and absolute, and in rows of probabilities or scores
    the greatest must be the same. dtype and shape as well.

    :raises UnsupportedEstimatorError: they differ; the text says where.
    """
    expected = original(rows)
    if not isinstance(expected, np.ndarray) or expected.dtype.kind not in "biufUO":
        raise UnsupportedEstimatorError("its outputs are not one array of numbers or labels")
    greatest = _difference(expected, form(rows), rows, tolerance)
    for n_rows in BATCH_SIZES:
        for start in range(0, min(N_SPLIT_ROWS, len(rows)) - n_rows + 1, n_rows):
            part = slice(start, start + n_rows)
            greatest = max(greatest, _difference(expected[part], form(rows[part]), rows[part], tolerance))
    return Agreement(len(rows), greatest, expected.dtype.kind != "f")


def speed(original: Callable[[Array], object], form: Compute, rows: Array) -> list[Speed]:
    """For each of `TIMED_ROWS`."""
    speeds = []
    for n_rows in TIMED_ROWS:
        part = rows[:n_rows]
        form(part)
        speeds.append(Speed(n_rows, _least_s(original, part), _least_s(form, part)))
    return speeds


def _difference(expected: Array, given: Array | None, rows: Array, tolerance: float) -> float:
    """The greatest difference, as `Agreement` has it."""
    if given is None:
        raise UnsupportedEstimatorError("the faster form takes fewer rows than the estimator")
    if given.shape != expected.shape or given.dtype != expected.dtype:
        raise UnsupportedEstimatorError(
            f"outputs of {given.dtype} with shape {given.shape} instead of {expected.dtype} with {expected.shape}"
        )
    if expected.dtype.kind != "f":
        if not np.array_equal(given, expected):
            raise UnsupportedEstimatorError(f"{_count(_rows_that(given != expected))} of {len(rows)} labels differ")
        return 0.0
    differences = np.where(expected == given, 0.0, np.abs(given - expected) / np.maximum(np.abs(expected), 1.0))
    greatest = float(np.nanmax(differences, initial=0.0))
    is_close = np.isclose(given, expected, rtol=tolerance, atol=tolerance, equal_nan=True)
    if not is_close.all():
        n_wrong = _count(_rows_that(~is_close))
        raise UnsupportedEstimatorError(
            f"{n_wrong} of {len(rows)} outputs differ by more than {tolerance:g}, by {greatest:.2g} at most"
        )
    if expected.ndim == 2 and (other := given.argmax(axis=1) != expected.argmax(axis=1)).any():
        raise UnsupportedEstimatorError(f"{_count(other)} of {len(rows)} outputs have their greatest number elsewhere")
    return greatest


def _rows_that(differ: Array) -> Array:
    return np.asarray(differ.reshape(len(differ), -1).any(axis=1))


def _count(rows: Array) -> int:
    return int(np.count_nonzero(rows))


def _least_s(call: Callable[[Array], object], rows: Array) -> float:
    least_s = np.inf
    begun_s = time.perf_counter()
    for _ in range(TIMED_CALLS):
        started_s = time.perf_counter()
        call(rows)
        ended_s = time.perf_counter()
        least_s = min(least_s, ended_s - started_s)
        if ended_s - begun_s > TIME_LIMIT_S:
            break
    return float(least_s)
