"""LitServe with its batching and its fast queue (ZeroMQ).

`batch_timeout=0` takes what is there, as Skysail does.
"""
# mypy: disable-error-code="import-not-found, misc"
# The framework is installed in the peer's own environment only.
# Annotations are not postponed: LitServe looks at them to learn what a request is.

from collections.abc import Sequence
from typing import Any

import litserve
from benchmarks.peers.assignment import port
from benchmarks.peers.model import load_model

__all__ = ["ModelApi"]


class ModelApi(litserve.LitAPI):
    """The model, as LitServe calls it."""

    def setup(self, device: str) -> None:
        self._predict = load_model()

    def decode_request(self, request: dict[str, Any]) -> Any:
        return request["input"]

    def batch(self, inputs: Sequence[Any]) -> Any:
        return inputs

    def predict(self, rows: Sequence[Any]) -> list[float]:
        return self._predict(rows)

    def unbatch(self, output: list[float]) -> list[float]:
        return output

    def encode_response(self, output: float) -> dict[str, object]:
        return {"query_id": -1, "output": output, "default": False}


if __name__ == "__main__":
    server = litserve.LitServer(ModelApi(max_batch_size=64, batch_timeout=0.0), accelerator="cpu", fast_queue=True)
    server.run(host="127.0.0.1", port=port(), num_api_servers=1, log_level="warning", generate_client_file=False)
