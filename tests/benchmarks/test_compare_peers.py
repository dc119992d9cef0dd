"""The comparison runs from start to end with the contestants that need no environment, and leaves no process."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from benchmarks.peers.compared_models import MODELS
from benchmarks.peers.environment import PeerEnvironment, PeerEnvironmentError
from benchmarks.peers.questions import Questions
from benchmarks.peers.server_tree import ServerTree
from benchmarks.replies import Form, Outcome, judge
from benchmarks.server_process import ServerError

from harness.wait_until import wait_until

CHECKOUT = Path(__file__).resolve().parents[2]
LEAVES_A_CHILD = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
print(child.pid, flush=True)
"""


def compare(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks.compare_peers", "--quick", "--results", str(folder), *arguments]
    return subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, timeout=85, check=False)


def results_in(folder: Path) -> Any:
    (path,) = folder.glob("peers-*/figures.json")
    return json.loads(path.read_text())


def test_a_quick_run_measures_each_contestant_and_compares_its_answers(tmp_path: Path) -> None:
    done = compare(tmp_path, "--peers", "skysail", "fastapi", "--models", "sum", "--load", "python")
    assert done.returncode == 0, done.stderr
    results = results_in(tmp_path)
    assert results["failures"] == []
    assert [one["contestant"] for one in results["measurements"]] == ["skysail", "fastapi"]
    for one in results["measurements"]:
        assert one["sample"].get("wrong", 0) == one["open"]["wrong"] == 0
        assert one["sample"]["predicted"] > 0
        assert one["closed"]["requests"] > 0
        assert one["open"]["n_requests"] > 0
        assert one["memory_bytes"] > 0
        assert one["cpu_s"] > 0
    assert [one["title"] for one in results["medians"]["sum"]] == ["Skysail", "FastAPI, inline"]
    assert results["contestants"]["fastapi"]["versions"]["pydantic"]
    assert {path.name for path in tmp_path.glob("peers-*/*.png")} == {"throughput.png", "p99.png"}
    assert "| FastAPI, inline |" in done.stdout


def test_a_contestant_that_cannot_be_started_is_told_and_left_out(tmp_path: Path) -> None:
    done = compare(tmp_path, "--peers", "skysail-accelerated", "--models", "sum", "--load", "python")
    assert done.returncode == 1
    assert "skysail-accelerated, sum: left out: there is nothing to convert" in done.stderr
    assert [one["contestant"] for one in results_in(tmp_path)["failures"]] == ["skysail-accelerated"]


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("form", ["predict", "rows", "v2"])
def test_no_two_queries_are_equal_and_each_has_the_models_own_output(tmp_path: Path, model: str, form: Form) -> None:
    served = MODELS[model](tmp_path)
    asked = Questions(served).ask(1500, form)
    assert len({body for body, _ in asked}) == 1500
    pool = Questions(served).write_pool(tmp_path / "pool.txt", form).read_text().splitlines()
    assert all(line.count("0" * 10) == 1 for line in pool)
    rows = np.array([_row(json.loads(body), form) for body, _ in asked])
    assert [output for _, output in asked] == pytest.approx(list(served.predict(rows)))
    assert len({output for _, output in asked}) > 1


@pytest.mark.parametrize(
    ("form", "right", "wrong"),
    [
        ("predict", {"query_id": 1, "output": 2.5, "default": False}, {"output": 2.5}),
        ("rows", [2.5], [2.5, 2.5]),
        ("v2", {"model_name": "sum", "outputs": [{"name": "output", "data": [2.5]}]}, {"outputs": []}),
    ],
)
def test_answers_are_read_in_the_protocol_of_each_peer(form: Form, right: Any, wrong: Any) -> None:
    body = json.dumps(right).encode()
    assert judge(200, body, 2.5, form)[0] is Outcome.PREDICTED
    assert judge(200, body, 2.6, form)[0] is Outcome.WRONG
    assert judge(200, json.dumps(wrong).encode(), 2.5, form)[0] is Outcome.WRONG
    assert judge(503, body, 2.5, form)[0] is Outcome.HTTP_ERROR


def test_what_a_server_leaves_behind_is_ended_with_it(tmp_path: Path) -> None:
    tree = ServerTree("leaves", [sys.executable, "-c", LEAVES_A_CHILD], tmp_path, {})
    log = tmp_path / "leaves.log"
    wait_until(lambda: log.read_text().strip().isdigit(), "the child has started")
    wait_until(lambda: not psutil.pid_exists(tree.pid) or psutil.Process(tree.pid).status() == "zombie", "it has ended")
    child = psutil.Process(int(log.read_text()))
    tree.stop()
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE


def test_a_server_that_ends_is_reported_with_its_last_lines(tmp_path: Path) -> None:
    tree = ServerTree("broken", [sys.executable, "-c", "raise SystemExit('no such model')"], tmp_path, {})
    with pytest.raises(ServerError, match="no such model"):
        tree.wait_until(lambda: False)
    tree.stop()


@pytest.mark.environments
def test_an_environment_is_ready_only_when_made_to_the_end_from_the_requirements_of_now(tmp_path: Path) -> None:
    (tmp_path / "tiny").mkdir()
    requirements = tmp_path / "tiny" / "requirements.txt"
    requirements.write_text("# nothing\n")
    environment = PeerEnvironment("tiny", peers=tmp_path)
    assert not environment.is_ready()
    environment.make()
    assert environment.is_ready()
    assert environment.versions("pip")["pip"]
    requirements.write_text("no-such-package-of-skysail @ file:///nowhere\n")
    assert not environment.is_ready()
    with pytest.raises(PeerEnvironmentError, match="nowhere"):
        environment.make()
    assert not environment.is_ready()


def _row(body: Any, form: Form) -> list[float]:
    found: list[float] = {
        "predict": lambda: body["input"],
        "rows": lambda: body["rows"][0],
        "v2": lambda: body["inputs"][0]["data"],
    }[form]()
    return found
