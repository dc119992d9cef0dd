"""The command's frame: arguments in, documents and exit codes out. Against a canned server; the rest is end to end."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.canned_management import version_object
from harness.canned_server import Answer, CannedServer, canned_server
from harness.free_ports import free_port
from skysail_admin.cli.program import hoisted, main

APPLICATION = {
    "name": "tumours",
    "input_type": "doubles",
    "default_output": -1,
    "latency_slo_ms": 100.0,
    "links": [{"model": "m", "role": "primary", "weight": 1.0}],
    "fallback_model": "small",
    "priority": "high",
    "cache": False,
    "created_at": "2026-01-01T00:00:00Z",
}


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[CannedServer]:
    with canned_server() as canned:
        monkeypatch.setenv("SKYSAIL_URL", canned.url)
        monkeypatch.setenv("SKYSAIL_QUERY_URL", canned.url)
        monkeypatch.setenv("SKYSAIL_DATA_DIR", str(tmp_path))
        yield canned


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = main(words)
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def run_json(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, Any]:
    code, out, err = run(capsys, *words, "--json")
    assert err == ""
    return code, json.loads(out)


def test_a_table_for_people(server: CannedServer, capsys: pytest.CaptureFixture[str]) -> None:
    server.answers["GET", "/api/v1/applications"] = Answer(200, {"items": [APPLICATION]})
    code, out, _ = run(capsys, "app", "list")
    assert code == 0
    assert "APPLICATION" in out
    assert "tumours" in out


def test_a_document_for_programs(server: CannedServer, capsys: pytest.CaptureFixture[str]) -> None:
    server.answers["GET", "/api/v1/applications"] = Answer(200, {"items": [APPLICATION]})
    assert run_json(capsys, "app", "list") == (0, [APPLICATION])


@pytest.mark.parametrize(
    ("status", "code", "exit_code"),
    [
        (400, "invalid", 2),
        (404, "not_found", 4),
        (409, "already_exists", 5),
        (409, "in_use", 5),
        (401, "unauthorized", 9),
        (503, "registry_unavailable", 6),
        (500, "internal", 1),
    ],
)
def test_each_kind_of_error_has_its_exit_code_and_its_document(
    server: CannedServer, capsys: pytest.CaptureFixture[str], status: int, code: str, exit_code: int
) -> None:
    error = {"code": code, "message": "the server's words", "field": "name"}
    server.answers["GET", "/api/v1/applications/a"] = Answer(status, {"error": error})
    found_code, document = run_json(capsys, "app", "get", "a")
    assert found_code == exit_code
    assert document["error"]["code"] == code
    assert document["error"]["message"].startswith("the server's words")
    assert document["error"]["field"] == "name"


def test_an_error_for_people_is_one_line_on_stderr(server: CannedServer, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "app", "get", "gone")
    assert (code, out) == (4, "")
    assert err == "error: nothing here\n"


def test_nothing_running_is_exit_code_6_and_says_how_to_start(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SKYSAIL_DATA_DIR", str(tmp_path))
    code, document = run_json(capsys, "--url", f"http://127.0.0.1:{free_port()}", "app", "list")
    assert code == 6
    assert "start it with: skysail up" in document["error"]["message"]


@pytest.mark.parametrize(
    "words", [("app", "get"), ("nonsense",), ("app", "list", "--nonsense"), ("model", "scale", "m", "-1")]
)
def test_wrong_usage_is_exit_code_2(
    server: CannedServer, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    assert run(capsys, *words)[0] == 2
    code, document = run_json(capsys, *words)
    assert code == 2
    assert document["error"]["code"] == "usage"


def test_global_options_may_stand_anywhere_before_the_double_dash() -> None:
    words = ["app", "--json", "get", "--url", "http://x", "name", "--token=t", "--", "--json"]
    assert hoisted(words) == ["--json", "--url", "http://x", "--token=t", "app", "get", "name", "--", "--json"]


def test_a_prediction_is_printed_as_json_on_stdout(server: CannedServer, capsys: pytest.CaptureFixture[str]) -> None:
    server.answers["POST", "/a/predict"] = Answer(200, {"query_id": 7, "output": {"x": [1]}, "default": False})
    code, out, err = run(capsys, "predict", "a", "[1, 2]", "--version", "3")
    assert (code, out) == (0, '{"x": [1]}\n')
    assert "query 7" in err
    assert server.requests[0].json == {"input": [1, 2], "version": "3"}


def test_a_default_output_says_why(server: CannedServer, capsys: pytest.CaptureFixture[str]) -> None:
    answer = {
        "query_id": 7,
        "output": -1,
        "default": True,
        "default_explanation": "No connected models found for query",
    }
    server.answers["POST", "/a/predict"] = Answer(200, answer)
    assert "No connected models found" in run(capsys, "predict", "a", "[1]")[2]


def test_a_prediction_of_the_fallback_says_so(server: CannedServer, capsys: pytest.CaptureFixture[str]) -> None:
    answer = {"query_id": 7, "output": 1, "default": False, "fallback": True}
    server.answers["POST", "/a/predict"] = Answer(200, answer)
    assert "query 7: answered by the fallback model" in run(capsys, "predict", "a", "[1]")[2]
    assert run_json(capsys, "predict", "a", "[1]")[1]["fallback"] is True


def test_a_batch_of_one_is_a_batch(server: CannedServer, capsys: pytest.CaptureFixture[str]) -> None:
    server.answers["POST", "/a/predict"] = Answer(200, {"query_id": 7, "output": 1, "default": False})
    code, document = run_json(capsys, "predict", "a", "[[1.0]]", "--batch")
    assert code == 0
    assert [answer["output"] for answer in document] == [1]
    assert server.requests[0].json == {"input_batch": [[1.0]]}


def test_an_input_may_come_from_a_file_or_from_stdin(server: CannedServer, tmp_path: Path) -> None:
    server.answers["POST", "/a/predict"] = Answer(200, {"query_id": 7, "output": 1, "default": False})
    (tmp_path / "row.json").write_text("[1.5]")
    command = [sys.executable, "-m", "skysail_admin", "predict", "a"]
    subprocess.run([*command, f"@{tmp_path}/row.json"], check=True, capture_output=True)
    subprocess.run([*command, "-"], check=True, capture_output=True, input=b"[2.5]")
    assert [request.json["input"] for request in server.requests] == [[1.5], [2.5]]


@pytest.mark.parametrize(
    ("argument", "said"),
    [
        ("hello", "a string needs its quotes"),
        ("[1,", "not JSON"),
        ("[NaN]", "NaN is not JSON"),
        ("@/gone/file", "cannot be read"),
    ],
)
def test_an_input_that_is_not_json_is_named(
    server: CannedServer, capsys: pytest.CaptureFixture[str], argument: str, said: str
) -> None:
    code, document = run_json(capsys, "predict", "a", argument)
    assert code == 2
    assert said in document["error"]["message"]
    assert not server.requests


def test_a_default_output_may_be_json_or_plain_text(server: CannedServer, capsys: pytest.CaptureFixture[str]) -> None:
    server.answers["POST", "/api/v1/applications"] = Answer(201, APPLICATION)
    for text, value in (("-1", -1), ("none", "none"), ('{"a": 1}', {"a": 1})):
        assert run(capsys, "app", "register", "tumours", "-t", "doubles", "-d", text)[0] == 0
        assert server.requests[-1].json["default_output"] == value


@pytest.mark.parametrize("name", ["m:", ":1", "m:1:x", "m:1:2:3", ""])
def test_a_model_that_is_not_named_as_one_is_refused(
    server: CannedServer, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    code, document = run_json(capsys, "logs", name)
    assert code == 2
    assert "MODEL[:VERSION[:REPLICA]]" in document["error"]["message"]


FIELDS = [
    {"name": "age", "type": "integer", "shape": [], "optional": False},
    {"name": "the scan", "type": "number", "shape": [2, -1], "optional": True},
]
VERSION = version_object(
    *("m", "1"),
    input_schema={"fields": FIELDS},
    served_by="onnxruntime 1.31",
    notes=["labels equal on 256 rows", "loaded in 0.8 s"],
    memory_limit_mb=512,
)


def test_a_version_is_inspected_with_its_fields_and_what_serves_it(
    server: CannedServer, capsys: pytest.CaptureFixture[str]
) -> None:
    server.answers["GET", "/api/v1/models/m/versions/1"] = Answer(200, VERSION)
    code, out, _ = run(capsys, "model", "inspect", "m:1")
    assert code == 0
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert {"served by onnxruntime 1.31", "note labels equal on 256 rows", "note loaded in 0.8 s"} <= set(lines)
    assert {"memory limit 512 MiB a container", "FIELD TYPE SHAPE OPTIONAL"} <= set(lines)
    assert {"age integer one value no", "the scan number 2 x any yes"} <= set(lines)
    code, document = run_json(capsys, "model", "inspect", "m:1")
    assert (code, document["input_schema"]) == (0, {"fields": FIELDS})
    assert (document["served_by"], document["notes"]) == ("onnxruntime 1.31", VERSION["notes"])


@pytest.mark.parametrize(
    ("schema", "text"),
    [
        ({"type": "number", "shape": [30]}, "(the row) number 30 -"),
        ({"type": "string", "shape": []}, "(the row) string one value -"),
        (None, "input not checked: the model has no validation rows"),
    ],
)
def test_the_current_version_is_inspected_when_none_is_named(
    server: CannedServer, capsys: pytest.CaptureFixture[str], schema: Any, text: str
) -> None:
    model = {"name": "m", "input_type": "doubles", "current_version": "1"}
    server.answers["GET", "/api/v1/models/m"] = Answer(200, model)
    server.answers["GET", "/api/v1/models/m/versions/1"] = Answer(200, VERSION | {"input_schema": schema})
    code, out, _ = run(capsys, "model", "inspect", "m")
    assert code == 0
    assert text in [" ".join(line.split()) for line in out.splitlines()]


def test_a_version_of_an_older_server_is_inspected_too(
    server: CannedServer, capsys: pytest.CaptureFixture[str]
) -> None:
    server.answers["GET", "/api/v1/models/m/versions/1"] = Answer(200, version_object("m", "1"))
    code, document = run_json(capsys, "model", "inspect", "m:1")
    assert (code, document["input_schema"], document["served_by"], document["notes"]) == (0, None, "", [])


def test_colours_stay_away_when_asked(server: CannedServer) -> None:
    environment = {"NO_COLOR": "1", "FORCE_COLOR": "1", "SKYSAIL_URL": server.url}
    command = [sys.executable, "-m", "skysail_admin", "app", "get", "gone"]
    ran = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert "\x1b[31m" not in ran.stderr
    assert "nothing here" in ran.stderr


def test_the_version_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "--version")
    assert code == 0
    assert out.startswith("skysail 0.")


@pytest.mark.parametrize(
    "words", [(), ("app",), ("app", "update"), ("model", "deploy"), ("model", "batching"), ("up",), ("logs",)]
)
def test_every_command_has_help(capsys: pytest.CaptureFixture[str], words: tuple[str, ...]) -> None:
    code, out, _ = run(capsys, *words, "--help")
    assert code == 0
    assert "Usage: skysail" in out


def test_down_with_nothing_running_is_fine(server: CannedServer, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_json(capsys, "down") == (0, {"stopped": False})


def test_a_path_that_holds_no_model_is_refused(
    server: CannedServer, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "weights.bin").write_text("")
    (tmp_path / "broken.pkl").write_text("not a pickle")
    for name, said in (
        ("gone", "there is no"),
        ("weights.bin", "neither a folder"),
        ("broken.pkl", "cannot be loaded"),
    ):
        code, document = run_json(capsys, "model", "deploy", "m", "1", str(tmp_path / name), "-t", "doubles")
        assert code == 2
        assert said in document["error"]["message"]
