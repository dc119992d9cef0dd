"""The parts of an answer's mean latency, from the client and back."""

from __future__ import annotations

from dataclasses import dataclass

from skysail_admin.explaining.distribution import Distribution
from skysail_admin.explaining.figures import Figures

__all__ = ["LatencyPart", "largest_part", "latency_parts"]

NETWORK, WAITING, RPC, MODEL = "network and HTTP", "waiting", "RPC", "model"


@dataclass(frozen=True)
class LatencyPart:
    """`mean_ms` is what a mean answer owes to this part, `share` its share of the whole; the quantiles are those of
    what was measured, not spread over answers that passed by this part. None: nothing was measured."""

    part: str
    mean_ms: float
    share: float
    p50_ms: float | None
    p99_ms: float | None


def latency_parts(figures: Figures) -> tuple[LatencyPart, ...]:
    """The parts of the mean answer; their shares add up to 1. Empty when there was none.

    The frontend measures each answer as a whole, and model and RPC by the batch. An answer from the cache or a refusal
    owes nothing to either; what remains of the mean answer is waiting: in the queue, for company, for a free replica.
    """
    requests = figures.application.requests
    if not requests.n:
        return ()
    model_s, rpc_s = _batch_means_s(figures)
    in_batches_s = model_s + rpc_s
    if in_batches_s > requests.mean:  # batches outlived the answers, which went out at the deadline
        model_s, rpc_s = (value * requests.mean / in_batches_s for value in (model_s, rpc_s))
    waiting_s = max(0.0, requests.mean - model_s - rpc_s)
    model, trips = figures.model, figures.round_trips
    total_s = trips.mean + requests.mean
    return (
        _part(NETWORK, trips.mean, total_s, trips),
        _part(WAITING, waiting_s, total_s, model.queue),
        _part(RPC, rpc_s, total_s, model.rpc),
        _part(MODEL, model_s, total_s, model.duration),
    )


def largest_part(parts: tuple[LatencyPart, ...]) -> LatencyPart:
    return max(parts, key=lambda part: part.share)


def _batch_means_s(figures: Figures) -> tuple[float, float]:
    """What the mean answer owes to the model and to the RPC, over all answers of the application."""
    application, model, fallback = figures.application, figures.model, figures.fallback
    n = application.requests.n
    to_fallback = application.fallbacks / n
    to_model = max(0.0, n - figures.hits - application.n_refused - application.fallbacks) / n
    model_s = to_model * model.duration_of_row_s
    rpc_s = to_model * model.rpc.mean
    if fallback is not None:
        model_s += to_fallback * fallback.duration_of_row_s
        rpc_s += to_fallback * fallback.rpc.mean
    return model_s, rpc_s


def _part(name: str, mean_s: float, total_s: float, measured: Distribution) -> LatencyPart:
    share = mean_s / total_s if total_s else 0.0
    return LatencyPart(name, mean_s * 1000.0, share, _ms(measured.quantile(0.5)), _ms(measured.quantile(0.99)))


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else seconds * 1000.0
