"""Asking the running application and measuring how it answers."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from benchmarks.closed_loop import Summary, run_closed_loop
from examples.demo.tumours import Trained, different_rows

from skysail_admin import Skysail, WaitTimeoutError

__all__ = ["Answers", "ask_as_a_batch", "ask_one_by_one", "ask_over_many_connections", "wait_until_live"]

CONNECTIONS = 64
LOAD_ROWS = 5_000
LIVE_WITHIN_S = 30.0
POLL_INTERVAL_S = 0.05


@dataclass(frozen=True)
class Answers:
    outputs: list[Any]
    n_defaults: int
    latencies_ms: list[float]
    """One per request."""

    def percentile_ms(self, percent: float) -> float:
        return float(np.percentile(self.latencies_ms, percent))


def wait_until_live(client: Skysail, app: str, row: list[float]) -> None:
    """Returns once the application answers with a real prediction.

    :raises WaitTimeoutError: it goes on giving default outputs.
    """
    deadline_s = time.monotonic() + LIVE_WITHIN_S
    answer = client.predict(app, row)
    while answer.default:
        if time.monotonic() > deadline_s:
            raise WaitTimeoutError(f"{app} still gives default outputs: {answer.default_explanation}")
        time.sleep(POLL_INTERVAL_S)
        answer = client.predict(app, row)


def ask_one_by_one(client: Skysail, app: str, trained: Trained) -> Answers:
    outputs, latencies_ms, n_defaults = [], [], 0
    for row in trained.held_out.tolist():
        started_s = time.perf_counter()
        answer = client.predict(app, row)
        latencies_ms.append((time.perf_counter() - started_s) * 1000)
        outputs.append(answer.output)
        n_defaults += answer.default
    return Answers(outputs, n_defaults, latencies_ms)


def ask_as_a_batch(client: Skysail, app: str, trained: Trained) -> Answers:
    started_s = time.perf_counter()
    answers = client.predict_batch(app, trained.held_out.tolist())
    took_ms = (time.perf_counter() - started_s) * 1000
    return Answers([answer.output for answer in answers], sum(answer.default for answer in answers), [took_ms])


def ask_over_many_connections(port: int, app: str, trained: Trained, seconds: float) -> Summary:
    """A closed loop: each of the connections sends its next query when the last one is answered."""
    rows = different_rows(trained, LOAD_ROWS).tolist()
    bodies = [json.dumps({"input": row}, separators=(",", ":")).encode() for row in rows]
    return run_closed_loop("127.0.0.1", port, f"/{app}/predict", bodies, CONNECTIONS, seconds)
