"""The benchmark of containers measures what it says; its figures are not judged here."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from benchmarks.containers import main


def test_overhead_and_loading_are_measured_and_written_down(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    few = ["--models", "sum", "--loaded", "python function", "--rounds", "1", "--batches", "50"]
    assert main([*few, "--results", str(tmp_path)]) == 0
    (path,) = tmp_path.glob("containers-*.json")
    document = json.loads(path.read_text())
    (overhead,) = document["overhead"].values()
    assert 0 < overhead["own_p50_us"] < overhead["round_trip_p50_us"]
    assert overhead["overhead_p50_us"] <= overhead["overhead_p99_us"]
    (load,) = document["load"].values()
    assert len(load["ready_s"]) == 1
    assert load["resident_mib"][0] > 1
    assert "python function" in capsys.readouterr().out
