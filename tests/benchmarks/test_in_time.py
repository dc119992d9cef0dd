"""Each row of the table runs from start to end on real processes, and leaves figures, raw results and plots."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from benchmarks.in_time import main
from benchmarks.load_record import LoadRecord

CHECKOUT = Path(__file__).resolve().parents[2]


def measure(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks.in_time", "--quick", "--results", str(folder), *arguments]
    return subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, timeout=85, check=False)


def results_of(folder: Path, *rows: str) -> tuple[Path, dict[str, Any]]:
    """The folder of the results and, by row and text, the findings."""
    done = measure(folder, "--rows", *rows)
    assert done.returncode == 0, done.stderr
    (results,) = folder.iterdir()
    table = json.loads((results / "table.json").read_text())
    assert table["machine"]["n_logical_cpus"] >= 1
    assert all(one["rows_per_s"] > 0 for one in table["sweep"])
    return results, {one["text"]: one["value"] for one in table["findings"]}


def test_load_beyond_capacity_and_mixed_objectives_are_measured(tmp_path: Path) -> None:
    results, findings = results_of(tmp_path, "overload", "mixed")
    assert findings["3x: every query exactly one answer"] is True
    assert findings["0.5x: goodput / capacity"] >= 0.0
    assert findings["1.2x: tight: share answered by SLO + 5 ms"] >= 0.0
    assert LoadRecord.load(results / "overload-3x.npz").n > LoadRecord.load(results / "overload-0.5x.npz").n > 0
    assert LoadRecord.load(results / "mixed-1.2x.npz").streams == ("tight", "loose")
    plots = {path.name for path in results.glob("*.png")}
    assert plots == {"goodput.png", "overload-latency.png", "overload-batch-size.png", "mixed-latency.png"}


def test_whatever_a_container_does_every_query_has_one_answer(tmp_path: Path) -> None:
    _, findings = results_of(tmp_path, "faults")
    one_answer = {text: value for text, value in findings.items() if text.endswith("every query exactly one answer")}
    assert one_answer == {
        "kill -9: every query exactly one answer": True,
        "garbage frames: every query exactly one answer": True,
    }


@pytest.mark.parametrize("row", ["stall", "killed", "ejection"])
def test_a_replica_in_trouble_is_followed_over_time(row: str, tmp_path: Path) -> None:
    results, findings = results_of(tmp_path, row)
    assert any(text.endswith("share answered by SLO + 5 ms") for text in findings)
    assert list(results.glob(f"{row}*.png"))
    assert list(results.glob(f"{row}*.npz"))


def test_a_crowd_with_leavers_and_slow_readers_is_answered(tmp_path: Path) -> None:
    results, findings = results_of(tmp_path, "crowd")
    assert findings["queries of the others without exactly one answer"] == 0
    assert findings["clients that left"] > 0
    assert len(set(LoadRecord.load(results / "crowd.npz").connection.tolist())) > 100


def test_rows_that_need_the_paced_model_are_refused_for_another(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--model", "forest", "--rows", "stall"])
    assert "cannot be measured with --model forest" in capsys.readouterr().err
