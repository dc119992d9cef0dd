"""The benchmark runs from start to end, leaves raw figures and no process."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[2]


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks.serving", "--quick", *arguments]
    return subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, timeout=80, check=False)


def results_in(folder: Path) -> Any:
    (path,) = folder.glob("serving-*.json")
    return json.loads(path.read_text())


def test_a_quick_run_of_the_baselines_writes_every_round_and_the_machine(tmp_path: Path) -> None:
    done = bench("--contestants", "echo", "fastapi", "--cases", "64x10", "--load", "python", "--results", str(tmp_path))
    assert done.returncode == 0, done.stderr
    results = results_in(tmp_path)
    assert {one["contestant"] for one in results["rounds"]} == {"echo", "fastapi"}
    assert all(one["seen"]["requests"] > 0 for one in results["rounds"])
    assert all(one["server_cpu_s"][one["contestant"]] > 0 for one in results["rounds"])
    assert results["machine"]["n_logical_cpus"] >= 1
    assert results["machine"]["libraries"]["uvicorn"]


def test_a_quick_run_with_skysail_judges_it_against_the_echo(tmp_path: Path) -> None:
    contestants = ["--contestants", "echo", "skysail"]
    done = bench(*contestants, "--cases", "1x10", "--load", "python", "--results", str(tmp_path))
    assert done.returncode == 0, done.stderr
    results = results_in(tmp_path)
    (skysail,) = [one for one in results["rounds"] if one["contestant"] == "skysail"]
    assert skysail["seen"]["requests"] > skysail["seen"]["errors"] == 0
    assert set(skysail["server_cpu_s"]) == {"frontend", "container", "redis"}
    assert [demand["case"] for demand in results["demands"]] == ["1x10"]
    assert ("met" in done.stdout) or ("missed" in done.stdout)


def test_an_unknown_case_is_refused_before_anything_starts(tmp_path: Path) -> None:
    done = bench("--cases", "65x10", "--results", str(tmp_path))
    assert done.returncode == 2
    assert "invalid choice" in done.stderr
