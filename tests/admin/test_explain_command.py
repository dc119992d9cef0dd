"""`skysail explain`: what it cannot explain is one line and an exit code. Against a canned server."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.canned_server import Answer, CannedServer, canned_server
from skysail_admin.cli.program import main

APPLICATION: dict[str, Any] = {
    "name": "sums",
    "input_type": "doubles",
    "default_output": 0,
    "latency_slo_ms": 100.0,
    "links": [
        {"model": "other", "role": "shadow", "weight": 1.0},
        {"model": "adder", "role": "primary", "weight": 1.0},
    ],
}
MODEL: dict[str, Any] = {"name": "adder", "input_type": "doubles", "current_version": "1", "versions": ["1"]}
VERSION: dict[str, Any] = {
    "model": "adder",
    "version": "1",
    "input_type": "doubles",
    "state": "ready",
    "n_replicas": 1,
    "is_current": True,
}
METRICS = """\
# TYPE skysail_registry_revision gauge
skysail_registry_revision 7
a line of a newer format { that nobody knows
skysail_something_new{app="sums"} nothing
skysail_request_duration_seconds_bucket{app="sums",le="0.01"} 90
skysail_request_duration_seconds_bucket{app="sums",le="0.1"} 100
skysail_request_duration_seconds_bucket{app="sums",le="+Inf"} 100
skysail_request_duration_seconds_count{app="sums"} 100
skysail_request_duration_seconds_sum{app="sums"} 1.0
skysail_model_duration_seconds_bucket{model="adder",version="1",le="0.01"} 100
skysail_model_duration_seconds_bucket{model="adder",version="1",le="+Inf"} 100
skysail_model_duration_seconds_count{model="adder",version="1"} 100
skysail_model_duration_seconds_sum{model="adder",version="1"} 0.8
skysail_defaults_total{app="sums",reason="model_error"} 10
skysail_replicas{model="adder",version="1"} 1
skysail_replicas_in_rotation{model="adder",version="1"} 1
"""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[CannedServer]:
    with canned_server() as canned:
        canned.answers |= {
            ("GET", "/api/v1/applications"): Answer(200, {"items": [APPLICATION]}),
            ("GET", "/api/v1/applications/sums"): Answer(200, APPLICATION),
            ("GET", "/api/v1/models/adder"): Answer(200, MODEL),
            ("GET", "/api/v1/models/adder/versions/1"): Answer(200, VERSION),
            ("GET", "/healthz"): Answer(200, {"status": "ok"}),
            ("GET", "/metrics"): Answer(200, METRICS),
        }
        monkeypatch.setenv("SKYSAIL_URL", canned.url)
        monkeypatch.setenv("SKYSAIL_QUERY_URL", canned.url)
        monkeypatch.setenv("SKYSAIL_DATA_DIR", str(tmp_path))
        yield canned


def explain_json(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, Any]:
    code = main(["explain", *words, "--json"])
    captured = capsys.readouterr()
    assert captured.err == ""
    return code, json.loads(captured.out)


def test_all_since_the_start_is_explained_at_once(server: CannedServer, capsys: pytest.CaptureFixture[str]) -> None:
    code, found = explain_json(capsys, "sums", "--seconds", "0")
    assert code == 0
    assert (found["application"], found["model"], found["seconds"]) == ("sums", "adder:1", None)
    assert (found["queries"], found["defaults"], found["attained"]) == (100, 10, 0.9)
    assert sum(part["share"] for part in found["parts"]) == pytest.approx(1.0)
    assert {part["part"]: part["mean_ms"] for part in found["parts"]}["model"] == pytest.approx(8.0)
    assert "default_model_error" in {finding["rule"] for finding in found["findings"]}
    assert [request.target for request in server.requests].count("/metrics") == 1


def test_a_window_without_queries_is_told(server: CannedServer, capsys: pytest.CaptureFixture[str]) -> None:
    code, found = explain_json(capsys, "sums", "--seconds", "0.05")
    assert code == 0
    assert found["seconds"] >= 0.05
    assert (found["queries"], found["parts"]) == (0, [])
    assert found["verdict"].startswith("Nothing to explain: no query for sums came in")
    assert [request.target for request in server.requests].count("/metrics") == 2


def test_people_get_a_verdict_a_table_and_sentences(server: CannedServer, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "sums", "--seconds", "0"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("Most of the time (")
    for words in ("PART", "network and HTTP", "waiting", "RPC", "model", "interpolated", "skysail logs adder"):
        assert words in out


@pytest.mark.parametrize(
    ("path", "answer", "exit_code", "said"),
    [
        ("/api/v1/applications/sums", Answer(404, "no such application"), 4, "no such application"),
        (
            "/api/v1/applications/sums",
            Answer(200, {**APPLICATION, "links": []}),
            4,
            "asks no model; next: skysail link",
        ),
        ("/api/v1/models/adder", Answer(200, {**MODEL, "current_version": None}), 4, "has no current version"),
        ("/metrics", Answer(200, "<html>welcome</html>"), 1, "has no metrics of a query frontend"),
        ("/metrics", Answer(200, "skysail_registry_revision 7\n"), 4, "does not know application 'sums'"),
        ("/healthz", Answer(503, "stopping"), 6, "stopping"),
    ],
)
def test_what_cannot_be_explained_is_one_line_and_an_exit_code(
    server: CannedServer, capsys: pytest.CaptureFixture[str], path: str, answer: Answer, exit_code: int, said: str
) -> None:
    server.answers["GET", path] = answer
    code, document = explain_json(capsys, "sums", "--seconds", "0")
    assert code == exit_code
    assert said in document["error"]["message"]
    assert "\n" not in document["error"]["message"]


@pytest.mark.parametrize("seconds", ["-1", "nan", "inf", "soon"])
def test_seconds_that_are_none_are_wrong_usage(
    server: CannedServer, capsys: pytest.CaptureFixture[str], seconds: str
) -> None:
    assert explain_json(capsys, "sums", "--seconds", seconds)[0] == 2
