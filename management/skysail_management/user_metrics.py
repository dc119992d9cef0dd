"""The metrics that models report of themselves: files that their containers write, read when management is scraped."""

import logging
import re
from collections.abc import Callable, Iterable
from pathlib import Path

from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from skysail_management.records import Replica

__all__ = ["UserMetrics", "metrics_path"]

logger = logging.getLogger(__name__)

_PREFIX = "skysail_user_"
"""Without it a metric is not shown: no model may speak in the name of another part."""

_MAX_FILE_BYTES = 1 << 20
_MAX_SAMPLES = 2_500
"""Of one container: 100 label combinations of histograms with 20 buckets."""


def metrics_path(directory: Path, address: str) -> Path:
    """Where the container at `address` writes its model's metrics."""
    name = Path(address.removeprefix("unix:")).stem if address.startswith("unix:") else re.sub(r"[^\w.]", "-", address)
    return directory / f"{name}.metrics"


class UserMetrics(Collector):
    """The families of all containers, each sample with its model, version and replica."""

    def __init__(self, directory: Path, replicas: Callable[[], Iterable[Replica]]) -> None:
        self._directory = directory
        self._replicas = replicas

    def describe(self) -> Iterable[Metric]:
        """Nothing is known beforehand."""
        return ()

    def collect(self) -> Iterable[Metric]:
        families: dict[str, Metric] = {}
        for replica in self._replicas():
            for family in _read(metrics_path(self._directory, replica.address)):
                known = families.setdefault(family.name, Metric(family.name, family.documentation, family.type))
                if known.type == family.type:  # of two models with one name for two kinds the first is shown
                    _add(known, family, replica)
        return [families[name] for name in sorted(families)]


def _add(family: Metric, more: Metric, replica: Replica) -> None:
    own = {"model": replica.model, "version": replica.version, "replica": str(replica.replica_id)}
    for sample in more.samples:
        family.add_sample(sample.name, {**sample.labels, **own}, sample.value)


def _read(path: Path) -> list[Metric]:
    """The families in a file that a foreign program may have written; none when it is not there or is no such file."""
    try:
        with path.open("rb") as file:
            text = file.read(_MAX_FILE_BYTES).decode()
        families = [family for family in text_string_to_metric_families(text) if family.name.startswith(_PREFIX)]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, KeyError, IndexError) as error:
        logger.warning("the metrics in %s are left out: %s", path, error)
        return []
    if sum(len(family.samples) for family in families) > _MAX_SAMPLES:
        logger.warning("the metrics in %s are left out: there are more than %d samples", path, _MAX_SAMPLES)
        return []
    return families
