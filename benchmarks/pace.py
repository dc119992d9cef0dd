"""How long the paced model takes, and what its replicas wrote down about their batches."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from benchmarks.arrivals import Times

__all__ = ["BatchLog", "Pace", "read_batch_log"]


@dataclass(frozen=True, slots=True)
class Pace:
    """A batch of b rows takes (alpha + beta * b) * slowdown seconds, from `stalled_until_s` on if it comes before."""

    alpha_s: float = 0.005
    beta_s: float = 0.0005
    slowdown: float = 1.0
    stalled_until_s: float = 0.0
    """Of `time.monotonic`."""

    def write(self, folder: Path) -> None:
        """Make it the pace of the replica whose model is in `folder`, from its next batch on."""
        draft = folder / "pace.json.new"
        draft.write_text(json.dumps(asdict(self)))
        draft.replace(folder / "pace.json")


@dataclass(frozen=True, slots=True, eq=False)
class BatchLog:
    """The batches of one replica: when each began (`time.monotonic`), and its rows."""

    started_s: Times
    n_rows: Times

    def rows_per_bin(self, edges_s: Times) -> Times:
        """Rows of the batches that began within each bin."""
        return np.histogram(self.started_s, edges_s, weights=self.n_rows)[0]


def read_batch_log(folder: Path) -> BatchLog:
    """What the paced model in `folder` has written so far; a line half written is left out."""
    data = (folder / "batches.bin").read_bytes()
    lines = np.frombuffer(data[: len(data) // 16 * 16], dtype="<f8").reshape(-1, 2)
    return BatchLog(lines[:, 0], lines[:, 1])
