"""The model as TorchServe's worker calls it: a batch of requests, their bodies decoded already."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmarks.peers.model import Predict, load_model

__all__ = ["Handler"]


class Handler:
    """One per worker process."""

    def __init__(self) -> None:
        self._predict: Predict | None = None

    def initialize(self, _context: object) -> None:
        self._predict = load_model()

    def handle(self, requests: Sequence[dict[str, Any]], _context: object) -> list[dict[str, object]]:
        assert self._predict is not None
        outputs = self._predict([request["body"]["input"] for request in requests])
        return [{"query_id": -1, "output": output, "default": False} for output in outputs]
