"""Every metric of management. Names in base units, labels bounded by configuration."""

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from skysail_management.prediction_log import OutcomeSummary
from skysail_management.reconciler import RegistryCopy
from skysail_management.records import Replica
from skysail_management.user_metrics import UserMetrics

__all__ = ["Metrics"]

disable_created_metrics()  # type: ignore[no-untyped-call]  # when each series was made interests nobody

_REPLICA_STATES = ("starting", "ready", "backoff", "stopping")
_QUALITY_LABELS = ("app", "model", "version")

Outcomes = dict[tuple[str, str, str], OutcomeSummary]


class Metrics:
    """Counted as things happen, or read from the registry's last known copy when scraped."""

    def __init__(
        self, copy: RegistryCopy, artifact_bytes: Callable[[], int], user_metrics_directory: Path | None = None
    ) -> None:
        """:param user_metrics_directory: where the containers of this machine write the metrics of their models."""
        self._registry = CollectorRegistry()
        self.requests = Counter(
            "skysail_management_requests",
            "Requests answered, by route template and status",
            ("method", "route", "status"),
            registry=self._registry,
        )
        self.reconcile_duration = Histogram(
            "skysail_reconcile_duration_seconds",
            "One round of the reconciler: decide, start, write",
            buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
            registry=self._registry,
        )
        revision = Gauge(
            "skysail_registry_revision", "Revision of the last known copy of the registry", registry=self._registry
        )
        revision.set_function(lambda: copy.snapshot.revision if copy.snapshot is not None else 0)
        connected = Gauge("skysail_registry_connected", "1 while the registry is in sight", registry=self._registry)
        connected.set_function(lambda: float(copy.lost is None))
        stored = Gauge("skysail_artifact_bytes", "Size of all stored model archives", registry=self._registry)
        stored.set_function(artifact_bytes)
        replicas = Gauge("skysail_replicas", "Replicas by state", ("state",), registry=self._registry)
        for state in _REPLICA_STATES:
            replicas.labels(state).set_function(partial(_n_replicas, copy, state))
        self._quality = _QualityCollector()
        self._registry.register(self._quality)
        if user_metrics_directory is not None:
            self._registry.register(UserMetrics(user_metrics_directory, partial(_replicas, copy)))

    def exposition(self, outcomes: Outcomes) -> bytes:
        """Everything as Prometheus text; `outcomes` are the rolling qualities at this moment."""
        self._quality.outcomes = outcomes
        return generate_latest(self._registry)


def _n_replicas(copy: RegistryCopy, state: str) -> float:
    return sum(replica.state == state for replica in _replicas(copy))


def _replicas(copy: RegistryCopy) -> Iterable[Replica]:
    return copy.snapshot.replicas.values() if copy.snapshot is not None else ()


class _QualityCollector(Collector):
    """What feedback says of the models."""

    def __init__(self) -> None:
        self.outcomes: Outcomes = {}

    def collect(self) -> Iterable[Metric]:
        accuracy = GaugeMetricFamily(
            "skysail_model_accuracy_ratio", "Right predictions among the newest with feedback", labels=_QUALITY_LABELS
        )
        error = GaugeMetricFamily(
            "skysail_model_absolute_error", "Mean absolute error of the newest with feedback", labels=_QUALITY_LABELS
        )
        count = GaugeMetricFamily(
            "skysail_feedback_window_count", "Outcomes in the rolling windows", labels=_QUALITY_LABELS
        )
        for key, summary in sorted(self.outcomes.items()):
            if summary.accuracy is not None:
                accuracy.add_metric(key, summary.accuracy)
            if summary.absolute_error is not None:
                error.add_metric(key, summary.absolute_error)
            count.add_metric(key, summary.n_accuracy + summary.n_absolute_error)
        return (accuracy, error, count)
