"""Which peers there are, how each is asked, and how it is set: at its best for one row per request on this machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
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
    variables: Mapping[str, str] = field(default_factory=dict)
    """Of its environment; `{folder}` is where it may write."""

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
        "adaptive batching: batchable, max_batch_size 64, max_latency_ms 1000; two workers",
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
        "@serve.batch: max_batch_size 64, batch_wait_timeout_s 0; throughput-optimized, HAProxy, one replica",
        variables={
            "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1",
            "RAY_SERVE_ENABLE_HA_PROXY": "1",
            "RAY_SERVE_HAPROXY_METRICS_ENABLED": "0",
            "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC": "{folder}/haproxy/haproxy.cfg",
            "RAY_SERVE_HAPROXY_SOCKET_PATH": "{folder}/haproxy/admin.sock",
            "RAY_SERVE_HAPROXY_SERVER_STATE_BASE": "{folder}/haproxy",
            "RAY_SERVE_HAPROXY_SERVER_STATE_FILE": "{folder}/haproxy/server-state",
            "RAY_AUTH_MODE": "disabled",  # with it, Ray would write a token to the user's home
            "RAY_USAGE_STATS_ENABLED": "0",
        },
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
