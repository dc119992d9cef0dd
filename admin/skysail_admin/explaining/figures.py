"""Everything the explanation of an application's latency rests on, as frozen values in seconds and rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from skysail_admin.explaining.distribution import Distribution
from skysail_admin.explaining.metrics_window import MetricsWindow
from skysail_admin.records import Application, Model, Version

__all__ = ["ApplicationFigures", "Figures", "ModelFigures", "application_figures", "model_figures"]

REFUSALS = ("overload", "no_time", "poison", "no_replica", "no_link")
"""Reasons of defaults that were given without a batch."""
_LEAST_SLOPE_S = 2e-9
"""The frontend's fit has no slope below half of this: then it saw no cost per row, or batches of one size only."""


@dataclass(frozen=True)
class ApplicationFigures:
    """`requests` are all answers, default outputs included, each from arrival to answer in the frontend."""

    name: str
    objective_s: float
    priority: str = "normal"
    cache: bool = True
    fallback: str | None = None
    requests: Distribution = field(default_factory=Distribution)
    defaults: Mapping[str, float] = field(default_factory=dict)
    fallbacks: float = 0.0

    @property
    def n_defaults(self) -> float:
        return sum(self.defaults.values())

    @property
    def n_refused(self) -> float:
        """Answered with the default output at once, without a batch."""
        return sum(self.defaults.get(reason, 0.0) for reason in REFUSALS)

    @property
    def attained(self) -> float:
        """The share of answers that were predictions, and so in time: at the objective the default output goes out."""
        return 1.0 - min(1.0, self.n_defaults / self.requests.n) if self.requests.n else 1.0


@dataclass(frozen=True)
class ModelFigures:
    """One model version, over all applications that ask it. `rows`, `queue`, `rpc` and `duration` count batches;
    `queue` is the wait of a batch's oldest query. `n_wanted` replicas are asked for, `n_replicas` connected,
    `n_in_rotation` get batches as usual."""

    name: str
    version: str
    policy: str = "deadline"
    max_batch_rows: int | None = None
    batch_delay_s: float = 0.0
    n_wanted: int = 1
    n_replicas: int = 1
    n_in_rotation: int = 1
    rows: Distribution = field(default_factory=Distribution)
    queue: Distribution = field(default_factory=Distribution)
    rpc: Distribution = field(default_factory=Distribution)
    duration: Distribution = field(default_factory=Distribution)
    causes: Mapping[str, float] = field(default_factory=dict)
    ejections: float = 0.0
    poison_rows: float = 0.0
    fixed_s: float = 0.0
    row_s: float = 0.0
    residual: float = 0.0
    overhead_s: float = 0.0
    hits: float = 0.0
    misses: float = 0.0
    followers: float = 0.0
    evictions: float = 0.0

    @property
    def key(self) -> str:
        return f"{self.name}:{self.version}"

    @property
    def is_fitted(self) -> bool:
        """Whether fixed cost and cost per row are known apart: batches were of different sizes."""
        return self.row_s > _LEAST_SLOPE_S or (self.fixed_s > 0.0 and self.rows.n_used_buckets > 1)

    @property
    def hit_ratio(self) -> float | None:
        """None without look-ups."""
        lookups = self.hits + self.misses
        return self.hits / lookups if lookups else None

    @property
    def duration_of_row_s(self) -> float:
        """What the model takes, as a row sees it: more than the mean batch, since most rows are in the larger ones."""
        longer_s = self.row_s * (self.rows.mean_by_size - self.rows.mean) if self.is_fitted else 0.0
        return self.duration.mean + longer_s

    def latency_s(self, n_rows: float) -> float:
        """What a batch takes, by the frontend's fit; 95 of 100 are below."""
        return (1.0 + self.residual) * (self.fixed_s + self.row_s * n_rows)


@dataclass(frozen=True)
class Figures:
    """`window_s`: None when unknown (all since the start). `n_asking` are the queries that were the model's to answer,
    of all applications; `others` are those applications, this one aside. `round_trips` are requests that ask nothing of
    a model, as this client sees them."""

    application: ApplicationFigures
    model: ModelFigures
    fallback: ModelFigures | None = None
    window_s: float | None = None
    is_reset: bool = False
    n_asking: float = 0.0
    n_cached_asking: float = 0.0
    others: Sequence[str] = ()
    round_trips: Distribution = field(default_factory=Distribution)

    @property
    def hits(self) -> float:
        """This application's answers from the cache; its share of them where several applications ask the model."""
        if not self.application.cache or not self.n_cached_asking:
            return 0.0
        return self.model.hits * min(1.0, self.application.requests.n / self.n_cached_asking)

    @property
    def rows_per_s(self) -> float | None:
        """The rows that would have to be computed each second for every query to get its prediction."""
        if not self.window_s:
            return None
        asked = self.n_asking - self.model.hits - self.model.followers
        return max(asked, self.model.rows.total) / self.window_s

    @property
    def busy(self) -> float | None:
        """The share of the time that the replicas compute."""
        if not self.window_s or not self.model.n_replicas:
            return None
        return min(1.0, self.model.duration.total / (self.window_s * self.model.n_replicas))


def application_figures(window: MetricsWindow, record: Application) -> ApplicationFigures:
    return ApplicationFigures(
        name=record.name,
        objective_s=record.latency_slo_ms / 1000.0,
        priority=record.priority,
        cache=record.cache,
        fallback=record.fallback_model,
        requests=window.histogram("skysail_request_duration_seconds", app=record.name),
        defaults=window.counters("skysail_defaults", "reason", app=record.name),
        fallbacks=window.counter("skysail_fallbacks", app=record.name),
    )


def model_figures(window: MetricsWindow, record: Model, version: Version) -> ModelFigures:
    labels = {"model": version.model, "version": version.version}
    return ModelFigures(
        name=version.model,
        version=version.version,
        policy=record.batch_policy,
        max_batch_rows=record.max_batch_rows,
        batch_delay_s=record.batch_delay_micros / 1e6,
        n_wanted=version.n_replicas,
        n_replicas=int(window.gauge("skysail_replicas", **labels)),
        n_in_rotation=int(window.gauge("skysail_replicas_in_rotation", **labels)),
        rows=window.histogram("skysail_batch_rows", **labels),
        queue=window.histogram("skysail_queue_duration_seconds", **labels),
        rpc=window.histogram("skysail_rpc_duration_seconds", **labels),
        duration=window.histogram("skysail_model_duration_seconds", **labels),
        causes=window.counters("skysail_batches", "cause", **labels),
        ejections=window.counter("skysail_ejections", **labels),
        poison_rows=window.counter("skysail_poison_rows", **labels),
        fixed_s=window.gauge("skysail_fit_fixed_seconds", **labels),
        row_s=window.gauge("skysail_fit_row_seconds", **labels),
        residual=window.gauge("skysail_fit_residual_ratio", **labels),
        overhead_s=window.gauge("skysail_overhead_seconds", **labels),
        hits=window.counter("skysail_cache_hits", **labels),
        misses=window.counter("skysail_cache_misses", **labels),
        followers=window.counter("skysail_cache_followers", **labels),
        evictions=window.counter("skysail_cache_evictions", **labels),
    )
