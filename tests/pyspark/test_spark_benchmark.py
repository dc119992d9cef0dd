"""The benchmark of Spark pipelines measures what it says; its figures are not judged here."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LIMIT_S = 300.0

pytestmark = pytest.mark.timeout(400)


def test_spark_and_the_scorer_are_compared_and_written_down(tmp_path: Path) -> None:
    """In a process of its own, whose JVM ends before it serves."""
    command = [sys.executable, "-m", "benchmarks.spark", "--quick", "--results", str(tmp_path)]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=LIMIT_S)
    assert ran.returncode == 0, ran.stderr
    assert "demanded at least 30 x" in ran.stdout
    (path,) = tmp_path.glob("spark-*.json")
    document = json.loads(path.read_text())
    assert len(document["pipelines"]) == 2
    for found in document["pipelines"]:
        assert min(found["spark_row_ms"]) > 0
        assert min(found["row_us"]) > 0
        assert 10 < found["container_mb"] < 10_000
        assert len(found["rest_p50_ms"]) == len(found["echo_p50_ms"]) == 1
    assert {demand["unit"] for demand in document["demands"]} == {"x", "MB", "ms", "µs"}
