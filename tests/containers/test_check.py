"""`--check`: a real process that says whether its model may be served, and how long batches take."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from harness.container_process import source_folder


def checked(folder: Path, *flags: str) -> tuple[int, dict[str, Any], str]:
    """Exit code, report and log."""
    path = folder.parent / "report.json"
    ended = subprocess.run(
        [sys.executable, "-m", "skysail_container", f"--model={folder}", f"--check={path}", *flags],
        capture_output=True,
        text=True,
        timeout=80,
        check=False,
    )
    report: dict[str, Any] = json.loads(path.read_text())
    return ended.returncode, report, ended.stdout + ended.stderr


def test_a_good_model_is_timed_with_its_validation_rows(tmp_path: Path) -> None:
    folder = source_folder(tmp_path / "model", "def predict(rows): return rows.sum(axis=1)")
    (folder / "validation.jsonl").write_text('{"input": [1, 2], "output": 3}\n{"input": [1, 4]}\n')
    code, report, _ = checked(folder)
    assert (code, report["ok"], report["error"], report["input_type"]) == (0, True, None, "doubles")
    assert (report["validation_file"], report["n_validation_rows"], report["n_expected"]) == ("validation.jsonl", 2, 1)
    assert [batch["n_rows"] for batch in report["batches"]] == [1, 8, 64]
    assert all(0 < batch["p50_ms"] <= batch["p99_ms"] <= batch["max_ms"] for batch in report["batches"])


def test_without_rows_nothing_is_timed(tmp_path: Path) -> None:
    code, report, _ = checked(source_folder(tmp_path / "model", "def predict(rows): return rows"))
    assert (code, report["batches"]) == (0, [])


def test_warm_up_rows_are_timed_where_nothing_else_is_there(tmp_path: Path) -> None:
    folder = source_folder(
        tmp_path / "model", "def predict(rows): return rows", warm_up_rows=[["a"]], input_type="json"
    )
    assert len(checked(folder)[1]["batches"]) == 3


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("def predict(rows): return [0] * len(rows)", "1 difference in the 1 rows of validation.jsonl"),
        ("raise RuntimeError('no licence')", "RuntimeError: no licence"),
        ("x = 1", "defines neither"),
        ("import signal\nsignal.signal(signal.SIGUSR1, signal.SIG_IGN)  # raise", "only works in main thread"),
    ],
)
def test_a_bad_model_gives_code_4_and_says_why(tmp_path: Path, source: str, said: str) -> None:
    folder = source_folder(tmp_path / "model", source)
    (folder / "validation.jsonl").write_text('{"input": [1, 2], "output": 3}\n')
    code, report, log = checked(folder)
    assert (code, report["ok"]) == (4, False)
    assert said in report["error"]
    assert ("Traceback" in log) == ("raise" in source)


def test_differences_are_listed_one_by_one(tmp_path: Path) -> None:
    folder = source_folder(tmp_path / "model", "def predict(rows): return [0] * len(rows)")
    (folder / "validation.jsonl").write_text('{"input": [1], "output": 1}\n' * 30)
    _, report, _ = checked(folder)
    assert len(report["differences"]) == 10
    assert report["n_differences"] == 30
    assert report["differences"][0] == "row 1 (line 1), output: expected 1, got 0 (tolerance 1e-05)"
