"""Ray Serve with `@serve.batch`: a proxy, one replica, a Ray of its own on this machine.

The answer is a `JSONResponse`, since Ray sends anything else in chunks.
"""
# mypy: disable-error-code="import-not-found, untyped-decorator, attr-defined"
# The framework is installed in the peer's own environment only.

from __future__ import annotations

import signal
from collections.abc import Sequence
from typing import Any

import ray
from benchmarks.peers.assignment import folder, port
from benchmarks.peers.model import load_model
from ray import serve
from starlette.requests import Request
from starlette.responses import JSONResponse

__all__ = ["Replica"]


@serve.deployment(num_replicas=1, max_ongoing_requests=1024, ray_actor_options={"num_cpus": 1})
class Replica:
    """The model, as Ray Serve calls it."""

    def __init__(self) -> None:
        self._predict = load_model()

    @serve.batch(max_batch_size=64, batch_wait_timeout_s=0.0, max_concurrent_batches=1)
    async def predict(self, rows: Sequence[Any]) -> list[float]:
        return self._predict(rows)

    async def __call__(self, request: Request) -> JSONResponse:
        output = await self.predict((await request.json())["input"])
        return JSONResponse({"query_id": -1, "output": output, "default": False})


if __name__ == "__main__":
    ray.init(num_cpus=2, include_dashboard=False, _temp_dir=str(folder() / "ray"), log_to_driver=False)
    serve.start(http_options={"host": "127.0.0.1", "port": port()}, logging_config={"enable_access_log": False})
    serve.run(Replica.bind(), route_prefix="/predict")
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    ray.shutdown()
