"""A model of known service time: the sum of each row, after alpha + beta * rows seconds of sleep.

`pace.json` in the model's folder says how long, and may be replaced at any time: that is how a benchmark makes a
replica slow, or stall. Each batch is written down in `batches.bin`: when it began (`time.monotonic`) and its rows.
"""

from __future__ import annotations

import json
import struct
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

__all__ = ["Model"]

LINE = struct.Struct("<dd")


class Model:
    """One replica's model; `folder` must be its own."""

    def __init__(self, folder: str) -> None:
        self._pace = Path(folder) / "pace.json"
        self._version_ns = -1
        self.log = (Path(folder) / "batches.bin").open("ab", buffering=0)

    def predict(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n, d) float64 -> (n,) float64."""
        started_s = time.monotonic()
        self._read_pace()
        busy_s = (self._alpha_s + self._beta_s * len(rows)) * self._slowdown
        until_s = max(started_s, self._stalled_until_s) + busy_s
        sums: NDArray[np.float64] = rows.sum(axis=1)
        self.log.write(LINE.pack(started_s, len(rows)))
        time.sleep(max(0.0, until_s - time.monotonic()))
        return sums

    def _read_pace(self) -> None:
        version_ns = self._pace.stat().st_mtime_ns
        if version_ns == self._version_ns:
            return
        self._version_ns = version_ns
        pace = json.loads(self._pace.read_text())
        self._alpha_s, self._beta_s = pace["alpha_s"], pace["beta_s"]
        self._slowdown, self._stalled_until_s = pace["slowdown"], pace["stalled_until_s"]
