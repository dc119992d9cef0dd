"""The benchmark of batching measures what it says; its figures are not judged here."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from benchmarks.batching import main


@pytest.mark.timeout(180)
def test_a_row_is_measured_and_written_down(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    few = ["--models", "sum", "--sizes", "32", "--rounds", "1", "--seconds", "0.3", "--load", "python"]
    assert main(["--rows", "fixed", *few, "--results", str(tmp_path)]) == 0
    (path,) = tmp_path.glob("batching-*.json")
    document = json.loads(path.read_text())
    seen = [(one["row"], one["model"], one["setting"], one["connections"]) for one in document["measured"]]
    assert seen == [
        ("fixed", "sum", "deadline", 64),
        ("fixed", "sum", "fixed 32", 64),
    ]
    assert all(one["seen"]["requests"] > 0 and not one["seen"]["errors"] for one in document["measured"])
    assert [verdict["demanded"] for verdict in document["verdicts"]] == [0.95]
    assert "answers/s against the best fixed size (fixed 32)" in capsys.readouterr().out
