"""Which peers there are, how each is asked, and how it is set: at its best for one row per request on this machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.replies import Form

__all__ = ["PEERS", "Peer"]


@dataclass(frozen=True, slots=True)
class Peer:
    """A server in the folder `benchmarks/peers/<name>`, started by the `server.py` there."""

    name: str
    title: str
    distributions: tuple[str, ...]
    """Those whose versions are shown, the peer's own first."""
    settings: str
    """In words, for the reader of the figures."""
    form: Form = "predict"
    route: str = "/predict"
    """`{model}` is the model's name."""
    has_environment: bool = True
    """False: it runs in the environment of the project."""
    start_timeout_s: float = 120.0
    variables: Mapping[str, str] | None = None

    @property
    def server(self) -> Path:
        return Path(__file__).parent / self.name / "server.py"

    def path(self, model: str) -> str:
        """Where predictions are asked for."""
        return self.route.format(model=model)


PEERS = (
    Peer(
        "fastapi",
        "FastAPI, inline",
        ("fastapi", "pydantic", "uvicorn"),
        "hand-written async route, pydantic models, the model in the handler, one worker; no batches",
        has_environment=False,
    ),
    Peer(
        "litserve",
        "LitServe",
        ("litserve", "uvicorn", "pyzmq"),
        "max_batch_size 64, batch_timeout 0, fast queue, one API server, one worker",
    ),
    Peer(
        "bentoml",
        "BentoML",
        ("bentoml", "uvicorn"),
        "adaptive batching: batchable, max_batch_size 64, max_latency_ms 1000; one worker",
        form="rows",
        variables={"BENTOML_DO_NOT_TRACK": "True"},
    ),
    Peer(
        "mlserver",
        "MLServer",
        ("mlserver", "uvicorn", "uvloop"),
        "adaptive batching: max_batch_size 64, max_batch_time 2 ms; parallel_workers 0, no gzip, no metrics",
        form="v2",
        route="/v2/models/{model}/infer",
    ),
    Peer(
        "rayserve",
        "Ray Serve",
        ("ray",),
        "@serve.batch: max_batch_size 64, batch_wait_timeout_s 0; one proxy, one replica, no access log",
        variables={"RAY_USAGE_STATS_ENABLED": "0"},
    ),
    Peer(
        "torchserve",
        "TorchServe",
        ("torchserve", "torch"),
        "batchSize 64, maxBatchDelay 2 ms, one worker",
        route="/predictions/{model}",
    ),
)
"""From the plainest to the heaviest."""
