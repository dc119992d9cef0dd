"""The benchmark's own parts do what the figures take for granted."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Iterator
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from benchmarks.arrivals import Arrivals
from benchmarks.load_plan import LoadPlan, Stream
from benchmarks.open_loop import run_open_loop
from benchmarks.pace import Pace, read_batch_log
from benchmarks.replies import Outcome
from benchmarks.served_models import PacedModel
from benchmarks.serving_stack import BULKY_PATH, ServedApplication, start_stack

from harness.container_process import short_folder

PATIENT = ServedApplication("app", 30.0)


@pytest.fixture
def paced(tmp_path: Path) -> Iterator[Any]:
    PacedModel().install(tmp_path)
    spec = spec_from_file_location("paced_model", tmp_path / "model.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    model = module.Model(str(tmp_path))
    yield model
    model.log.close()


def test_the_paced_model_takes_at_least_its_time_and_writes_its_batches_down(paced: Any, tmp_path: Path) -> None:
    began_s = time.monotonic()
    assert paced.predict(np.ones((20, 3))).tolist() == [3.0] * 20
    assert time.monotonic() - began_s >= Pace().alpha_s + 20 * Pace().beta_s
    log = read_batch_log(tmp_path)
    assert log.n_rows.tolist() == [20.0]
    assert began_s <= log.started_s[0] <= time.monotonic()
    assert log.rows_per_bin(np.array([0.0, began_s, began_s + 60.0])).tolist() == [0.0, 20.0]


def test_a_new_pace_holds_from_the_next_batch_on(paced: Any, tmp_path: Path) -> None:
    paced.predict(np.ones((1, 3)))
    until_s = time.monotonic() + 0.2
    Pace(slowdown=3.0, stalled_until_s=until_s).write(tmp_path)
    paced.predict(np.ones((1, 3)))
    assert time.monotonic() >= until_s + 3.0 * (Pace().alpha_s + Pace().beta_s)


def test_no_two_queries_are_equal_and_each_has_its_sum() -> None:
    model = PacedModel()
    queries = [*model.queries(1200), *model.queries(1200)]
    assert len({body for body, _ in queries}) == 2400
    for body, output in itertools.islice(queries, 0, None, 100):
        assert sum(json.loads(body)["input"]) == pytest.approx(output)


def test_a_stack_serves_while_a_replica_dies_and_while_others_never_read(tmp_path: Path) -> None:
    model = PacedModel()
    queries = tmp_path / "queries.txt"
    queries.write_text("".join(f"{body}\t{output}\n" for body, output in model.queries(100)))
    stream = Stream("app", PATIENT.path, PATIENT.slo_s, Arrivals("constant", 100.0), str(queries))
    with short_folder() as folder, start_stack(folder, model, 2, [PATIENT]) as stack:
        stack.replicas[0].kill()
        plan = LoadPlan(stack.port, (stream,), 1.0, str(tmp_path / "raw.npz"), slow_readers=3, slow_path=BULKY_PATH)
        record = run_open_loop(plan)
        assert record.count(Outcome.PREDICTED) == record.n
        assert stack.metrics()["skysail_queries_total"] > 2 * record.n  # the slow readers ask, too
        stack.replicas[0].start()
        stack.replicas[0].suspend()
