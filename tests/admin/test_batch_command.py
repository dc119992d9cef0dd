"""`skysail batch` and `skysail consistency` without Spark: what is fetched, started and told."""

import hashlib
import io
import json
import shlex
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.canned_management import version_object
from harness.canned_server import Answer, CannedServer, canned_server
from skysail_admin import InvalidRequestError, SkysailError
from skysail_admin.artifact_cache import cached_artifact
from skysail_admin.cli import main
from skysail_admin.connection import Connection
from skysail_admin.offline_job import option_words, run_offline
from skysail_admin.records import Version

SOURCE = "def predict(rows):\n    return [1.0 for row in rows]\n"


def archive() -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as opened:
        opened.writestr("model.py", SOURCE)
    return held.getvalue()


ARCHIVE = archive()
SHA256 = hashlib.sha256(ARCHIVE).hexdigest()


def stand_in(folder: Path, body: str) -> str:
    """A program that is called as a Python would be, and writes what the job would."""
    path = folder / "python"
    path.write_text(f"#!{sys.executable}\nimport json, sys\nwords = sys.argv[3:]\n"
                    f"report = words[words.index('--report') + 1]\n{body}")  # fmt: skip
    path.chmod(0o755)
    return str(path)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[CannedServer]:
    with canned_server() as canned:
        monkeypatch.setenv("SKYSAIL_URL", canned.url)
        monkeypatch.setenv("SKYSAIL_QUERY_URL", canned.url)
        monkeypatch.setenv("SKYSAIL_DATA_DIR", str(tmp_path / "data"))
        canned.answers["GET", "/api/v1/models/m/versions/1"] = Answer(200, version_object("m", "1", artifact=SHA256))
        canned.answers["GET", f"/api/v1/artifacts/{SHA256}"] = Answer(200, ARCHIVE.decode("latin-1"))
        yield canned


@pytest.fixture(autouse=True)
def _binary(monkeypatch: pytest.MonkeyPatch) -> None:
    """The canned server's texts are UTF-8; an archive is not."""
    plain = Answer.content

    def content(self: Answer) -> bytes:
        is_archive = isinstance(self.body, str) and self.body.startswith("PK")
        return str(self.body).encode("latin-1") if is_archive else plain(self)

    monkeypatch.setattr(Answer, "content", content)


def run(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, Any]:
    code = main([*map(str, words), "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_an_artifact_is_fetched_once_and_unpacked(server: CannedServer, tmp_path: Path) -> None:
    version = Version.from_json(version_object("m", "1", artifact=SHA256))
    connection = Connection(server.url, "management")
    for _ in range(2):
        found = cached_artifact(connection, version, tmp_path / "cache")
        assert found.archive.read_bytes() == ARCHIVE
        assert (found.folder / "model.py").read_text() == SOURCE
    connection.close()
    assert [request.target for request in server.requests] == [f"/api/v1/artifacts/{SHA256}"]
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [SHA256]


def test_other_bytes_than_the_versions_are_refused_and_not_kept(server: CannedServer, tmp_path: Path) -> None:
    server.answers["GET", f"/api/v1/artifacts/{SHA256}"] = Answer(200, "something else")
    version = Version.from_json(version_object("m", "1", artifact=SHA256))
    connection = Connection(server.url, "management")
    with pytest.raises(SkysailError, match="something else than artifact"):
        cached_artifact(connection, version, tmp_path / "cache")
    with pytest.raises(InvalidRequestError, match="has no artifact"):
        cached_artifact(connection, Version.from_json(version_object("m", "1")), tmp_path / "cache")
    connection.close()
    assert list((tmp_path / "cache").iterdir()) == []


def test_options_become_words() -> None:
    options = {"input": ["a", "-b"], "overwrite": True, "limit": None, "quiet": False, "chunk_rows": 5}
    assert option_words(options) == ["--input", "a", "--input=-b", "--overwrite", "--chunk-rows", "5"]


def test_the_job_is_started_with_the_versions_folder(
    server: CannedServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = {"output": "file:///out", "n_rows": 5, "n_errors": 0, "n_chunks": 1, "n_chunks_done_before": 0,
             "seconds": 1.0}  # fmt: skip
    python = stand_in(tmp_path, f"json.dump({found!r} | {{'words': words}}, open(report, 'w'))")
    rows = tmp_path / "rows.csv"
    code, document = run(
        capsys, "batch", "m:1", "--input", rows, "--output", "out", "--columns", "a,b", "--python", python
    )
    assert (code, document["n_rows"]) == (0, 5)
    words = document["words"]
    assert words[words.index("--model") + 1] == str(tmp_path / "data" / "batch" / SHA256 / "model")
    assert words[words.index("--input-type") + 1] == "doubles"
    assert words[words.index("--input") + 1] == str(rows)
    assert words[words.index("--columns") + 1] == "a,b"
    assert main(["batch", "m:1", "--input", str(rows), "--output", "out", "--python", python]) == 0
    assert "m:1 scored 5 rows, 0 with errors, in 1.0 s" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("kind", "exit_code"), [("invalid", 2), ("exists", 5), ("environment", 1), ("model", 8), ("online", 6)]
)
def test_the_jobs_errors_have_their_exit_codes(
    kind: str, exit_code: int, server: CannedServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    error = {"error": {"kind": kind, "message": "its own words"}}
    python = stand_in(tmp_path, f"json.dump({error!r}, open(report, 'w'))\nsys.exit(3)")
    code, document = run(capsys, "batch", "m:1", "--input", "r.csv", "--output", "out", "--python", python)
    assert (code, document["error"]["message"]) == (exit_code, "its own words")


def test_a_job_that_dies_says_how_to_go_on(
    server: CannedServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    python = stand_in(tmp_path, "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)")
    code, document = run(capsys, "batch", "m:1", "--input", "r.csv", "--output", "out", "--python", python)
    assert code == 1
    assert document["error"]["message"] == "the job ended with signal 9; the same command goes on where it stopped"
    code, document = run(capsys, "batch", "m:1", "--input", "r.csv", "--output", "out", "--python", "/nowhere/python")
    assert (code, "say another --python" in document["error"]["message"]) == (2, True)


def test_progress_is_shown_line_by_line(tmp_path: Path) -> None:
    python = stand_in(tmp_path, "print('skysail: 5 rows done', file=sys.stderr)\nprint('noise', file=sys.stderr)\n"
                                "json.dump({}, open(report, 'w'))")  # fmt: skip
    shown: list[str] = []
    assert run_offline(python, {}, shown.append) == ({}, True)
    assert shown == ["5 rows done"]


def test_the_line_for_a_cluster(server: CannedServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, document = run(
        capsys, "batch", "m:1", "--sql", "SELECT * FROM t", "--output", "hdfs://x/out", "--master", "yarn",
        "--conf", "a=b", "--print-submit",
    )  # fmt: skip
    assert code == 0
    words = shlex.split(document["command"])
    cache = tmp_path / "data" / "batch" / SHA256
    assert words[:6] == ["spark-submit", "--master", "yarn", "--conf", "a=b", str(cache / "skysail_batch.py")]
    assert words[words.index("--model") + 1] == str(cache / "model.zip")
    assert words[words.index("--sql") + 1] == "SELECT * FROM t"
    assert "skysail_container.offline" in (cache / "skysail_batch.py").read_text()


def test_what_to_score_has_to_be_said(server: CannedServer, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "batch", "m:1", "--output", "out")[0] == 2
    assert run(capsys, "batch", "m:1", "--input", "a.csv", "--sql", "x", "--output", "out")[0] == 2
    assert run(capsys, "batch", "m:1", "--input", "a.csv")[0] == 2


def test_consistency_asks_the_application_that_is_linked(
    server: CannedServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = {"n_rows": 2, "n_different": 1, "n_failed_alike": 0, "n_unaskable": 1, "n_unanswered": 0, "reasons": {},
             "by_column": {"output": 1}, "differences": [{"row": "[1]", "difference": "output: 1 and 2"}],
             "seconds": 1.0}  # fmt: skip
    python = stand_in(tmp_path, f"json.dump({found!r} | {{'words': words}}, open(report, 'w'))\nsys.exit(1)")
    server.answers["GET", "/api/v1/applications"] = Answer(200, {"items": []})
    words = ("consistency", "m:1", "--input", "r.csv", "--python", python)
    code, document = run(capsys, *words)
    assert (code, "skysail link add APP m" in document["error"]["message"]) == (2, True)
    application = {"name": "app", "input_type": "doubles", "default_output": 0, "latency_slo_ms": 9.0,
                   "links": [{"model": "m", "role": "primary", "weight": 1.0}]}  # fmt: skip
    server.answers["GET", "/api/v1/applications"] = Answer(200, {"items": [application]})
    code, document = run(capsys, *words)
    assert (code, document["n_different"]) == (1, 1)
    given = document["words"]
    assert given[given.index("--url") + 1] == f"{server.url}/app"
    assert given[given.index("--version") + 1] == "1"
    assert main([str(word) for word in words]) == 1
    shown = capsys.readouterr().out
    assert "m:1 as app: 2 rows compared, 1 different" in shown
    assert "1 rows cannot be asked online" in shown
    assert "output: 1 and 2" in shown
