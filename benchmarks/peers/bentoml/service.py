"""BentoML with its adaptive batching. A batchable method takes a batch per request, here one of one row."""
# mypy: disable-error-code="import-not-found, untyped-decorator"
# The framework is installed in the peer's own environment only.

import bentoml
import numpy as np
from benchmarks.peers.model import load_model

__all__ = ["Service"]


@bentoml.service(workers=2, traffic={"timeout": 30, "max_concurrency": 1024}, metrics={"enabled": False})
class Service:
    """The model, as BentoML calls it."""

    def __init__(self) -> None:
        self._predict = load_model()

    @bentoml.api(batchable=True, max_batch_size=64, max_latency_ms=1000)
    def predict(self, rows: np.ndarray) -> list[float]:
        return self._predict(rows)
