"""Each row of the table runs from start to end on real processes, and leaves figures, raw results and plots."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from benchmarks.in_time import main
from benchmarks.load_record import LoadRecord

CHECKOUT = Path(__file__).resolve().parents[2]


class Run(NamedTuple):
    """What one run has left."""

    folder: Path
    findings: dict[str, dict[str, Any]]
    """By row and text."""


def measured(folder: Path, *rows: str) -> Run:
    """A run of these rows: a process of its own, as its imports take longer than most rows."""
    command = [sys.executable, "-m", "benchmarks.in_time", "--quick", "--results", str(folder), "--rows", *rows]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, timeout=85, check=False)
    assert done.returncode == 0, done.stderr
    (results,) = folder.iterdir()
    table = json.loads((results / "table.json").read_text())
    assert table["machine"]["n_logical_cpus"] >= 1
    assert all(one["rows_per_s"] > 0 for one in table["sweep"])
    findings: dict[str, dict[str, Any]] = {}
    for one in table["findings"]:
        findings.setdefault(one["row"], {})[one["text"]] = one["value"]
    return Run(results, findings)


@pytest.fixture(scope="module")
def loads(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return measured(tmp_path_factory.mktemp("loads"), "overload", "mixed", "crowd")


@pytest.fixture(scope="module")
def faults(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return measured(tmp_path_factory.mktemp("faults"), "faults", "stall")


@pytest.fixture(scope="module")
def losses(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return measured(tmp_path_factory.mktemp("losses"), "killed", "ejection")


@pytest.mark.xdist_group("in-time-loads")
def test_load_beyond_capacity_and_mixed_objectives_are_measured(loads: Run) -> None:
    assert loads.findings["overload"]["3x: every query exactly one answer"] is True
    assert loads.findings["overload"]["0.5x: goodput / capacity"] >= 0.0
    assert loads.findings["mixed SLOs"]["1.2x: tight: share answered by SLO + 5 ms"] >= 0.0
    beyond, below = (LoadRecord.load(loads.folder / f"overload-{factor}x.npz").n for factor in ("3", "0.5"))
    assert beyond > below > 0
    assert LoadRecord.load(loads.folder / "mixed-1.2x.npz").streams == ("tight", "loose")
    plots = {path.name for path in loads.folder.glob("*.png")}
    assert plots >= {"goodput.png", "overload-latency.png", "overload-batch-size.png", "mixed-latency.png"}


@pytest.mark.xdist_group("in-time-loads")
def test_a_crowd_with_leavers_and_slow_readers_is_answered(loads: Run) -> None:
    (found,) = [found for row, found in loads.findings.items() if row.endswith(" connections")]
    assert found["queries of the others without exactly one answer"] == 0
    assert found["clients that left"] > 0
    assert len(set(LoadRecord.load(loads.folder / "crowd.npz").connection.tolist())) > 100


@pytest.mark.xdist_group("in-time-faults")
def test_whatever_a_container_does_every_query_has_one_answer(faults: Run) -> None:
    found = faults.findings["any fault of a container"]
    one_answer = {text: value for text, value in found.items() if text.endswith("every query exactly one answer")}
    assert one_answer == {
        "kill -9: every query exactly one answer": True,
        "garbage frames: every query exactly one answer": True,
    }


@pytest.mark.xdist_group("in-time-faults")
def test_a_replica_that_stalls_is_followed_over_time(faults: Run) -> None:
    assert_followed(faults, "stall of 500 ms", "stall")


@pytest.mark.xdist_group("in-time-losses")
@pytest.mark.parametrize(
    ("row", "name"), [("1 of 3 killed, 70 % load", "killed"), ("1 of 3 frozen or slow", "ejection")]
)
def test_a_replica_in_trouble_is_followed_over_time(losses: Run, row: str, name: str) -> None:
    assert_followed(losses, row, name)


def assert_followed(run: Run, row: str, name: str) -> None:
    assert any(text.endswith("share answered by SLO + 5 ms") for text in run.findings[row])
    assert list(run.folder.glob(f"{name}*.png"))
    assert list(run.folder.glob(f"{name}*.npz"))


def test_rows_that_need_the_paced_model_are_refused_for_another(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--model", "forest", "--rows", "stall"])
    assert "cannot be measured with --model forest" in capsys.readouterr().err
