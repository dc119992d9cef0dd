"""A faster form of an estimator's method, and what stands in its way."""

from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from skysail_container.errors import SkysailContainerError

__all__ = ["Array", "Compute", "Form", "UnsupportedEstimatorError", "engine_name", "is_finite"]

Array = npt.NDArray[Any]

Compute = Callable[[Array], Array | None]
"""Rows of shape (n, n_features), of the one dtype it was made for, to outputs like the estimator's own.

None: not such rows (numbers that are not finite, mostly). The estimator has to be asked, which refuses them in its own
words. The rows are not written to."""


class Form(NamedTuple):
    compute: Compute
    engine: str
    """The library that computes, with its version."""


class UnsupportedEstimatorError(SkysailContainerError):
    """There is no faster form of this estimator; the text says why."""


def engine_name(distribution: str) -> str:
    """`distribution` with its installed version."""
    try:
        return f"{distribution} {version(distribution)}"
    except PackageNotFoundError:
        return distribution


def is_finite(rows: Array) -> bool:
    """Whether no number of `rows` is NaN or infinite. False as well when only their sum overflows."""
    return rows.dtype.kind != "f" or bool(np.isfinite(rows.sum()))
