"""What an application's objective and arrival rate call for, by the fitted latency of its model."""

from __future__ import annotations

import math

from skysail_admin.explaining.figures import Figures, ModelFigures

__all__ = ["objective_called_for_s", "replicas_called_for", "replicas_to_have", "rows_in_time"]

UTILISATION = 0.8
"""The share of the time that a replica should compute at most: what is above it turns bursts into waits."""
GROWTH = 2.0
"""Batches are reckoned with up to so many times the largest seen; the fit knows nothing of larger ones."""


def rows_in_time(figures: Figures) -> int:
    """How large a batch may be so that it and the one before it are computed within the objective; one at least."""
    model = figures.model
    most = GROWTH * max(1.0, model.rows.largest)
    if model.max_batch_rows is not None:
        most = model.max_batch_rows if model.policy == "fixed" else min(most, model.max_batch_rows)
    budget_s = (figures.application.objective_s - model.overhead_s) / 2.0
    if model.row_s <= 0.0:
        return int(most)
    in_time = (budget_s / (1.0 + model.residual) - model.fixed_s) / model.row_s
    return max(1, int(min(most, in_time)))


def replicas_called_for(figures: Figures) -> int | None:
    """The replicas that compute the rows as fast as they come; None when rate or latency is not known."""
    rate, model = figures.rows_per_s, figures.model
    if not rate or not _is_known(model):
        return None
    n_rows = rows_in_time(figures)
    rows_per_replica_s = UTILISATION * n_rows / (model.fixed_s + model.row_s * n_rows)
    return max(1, math.ceil(rate / rows_per_replica_s))


def replicas_to_have(figures: Figures) -> int:
    """What to scale to when more are wanted: one more, or as many as are called for."""
    return max(figures.model.n_wanted + 1, replicas_called_for(figures) or 0)


def objective_called_for_s(figures: Figures) -> float | None:
    """The objective at which a usual batch and the one before it are in time, rounded up to two digits; None when the
    latency is not known."""
    model = figures.model
    if not _is_known(model):
        return None
    needed_s = 2.0 * model.latency_s(max(1.0, model.rows.mean)) + model.overhead_s
    step_s = 10.0 ** (math.floor(math.log10(needed_s)) - 1)
    return math.ceil(needed_s / step_s) * step_s


def _is_known(model: ModelFigures) -> bool:
    return model.fixed_s + model.row_s > 0.0 and model.duration.n > 0
