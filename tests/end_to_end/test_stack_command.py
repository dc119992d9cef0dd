"""The command `skysail` as a newcomer meets it: real processes, real exit codes."""

import io
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import pytest

from harness.free_ports import free_ports
from harness.local_stack import data_folder, processes_of
from harness.redis_server import RedisServer
from harness.wait_until import wait_until
from skysail_admin.cli import main

PREDICT_SUM = "def predict(rows):\n    return [float(sum(row)) for row in rows]\n"


class Ran(NamedTuple):
    code: int
    stdout: str
    stderr: str


@dataclass(frozen=True)
class Shell:
    """Runs the command on a data dir and ports of its own."""

    data_dir: Path
    query_port: int
    management_port: int

    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "SKYSAIL_DATA_DIR": str(self.data_dir),
            "SKYSAIL_QUERY_PORT": str(self.query_port),
            "SKYSAIL_MANAGEMENT_PORT": str(self.management_port),
        }

    def command(self, words: Sequence[str]) -> list[str]:
        return [sys.executable, "-m", "skysail_admin", *words]

    def run(self, *words: str, code: int = 0) -> Ran:
        """In a process of its own for `up`; else in this one, which spares its start."""
        ran = self._start(words) if words[0] == "up" else self._call(words)
        assert ran.code == code, f"{words}: exit code {ran.code}\n{ran.stdout}\n{ran.stderr}"
        assert "Traceback" not in ran.stderr
        return ran

    def _start(self, words: Sequence[str]) -> Ran:
        ran = subprocess.run(
            self.command(words), env=self.environment(), capture_output=True, text=True, timeout=80, check=False
        )
        return Ran(ran.returncode, ran.stdout, ran.stderr)

    def _call(self, words: Sequence[str]) -> Ran:
        stdout, stderr = io.StringIO(), io.StringIO()
        with mock.patch.dict(os.environ, self.environment()), redirect_stdout(stdout), redirect_stderr(stderr):
            code = main(words)
        return Ran(code, stdout.getvalue(), stderr.getvalue())

    def document(self, *words: str, code: int = 0) -> Any:
        ran = self.run(*words, "--json", code=code)
        assert ran.stderr == ""
        return json.loads(ran.stdout)


@pytest.fixture
def shell() -> Iterator[Shell]:
    with data_folder() as folder:
        shell = Shell(folder, *free_ports(2))
        try:
            yield shell
        finally:
            shell.run("down")


@pytest.fixture
def model_folder(tmp_path: Path) -> Path:
    (tmp_path / "model.py").write_text(PREDICT_SUM)
    return tmp_path


def test_a_model_is_served_with_nothing_but_the_command(shell: Shell, model_folder: Path) -> None:
    up = shell.document("up", "--detach")
    assert up["status"] == "up"
    assert up["query_url"].endswith(str(shell.query_port))

    shell.run("app", "register", "sum", "--input-type", "doubles", "--default-output", "-1", "--slo-ms", "1000")
    deployed = shell.document("model", "deploy", "sum", "1", str(model_folder), "-t", "doubles")
    assert deployed["version"]["state"] == "ready"
    shell.run("link", "add", "sum", "sum")
    wait_until(lambda: not shell.document("predict", "sum", "[1, 2]")["default"], "it is live", interval_s=0.1)
    assert shell.run("predict", "sum", "[1, 2]").stdout == "3.0\n"
    answers = shell.document("predict", "sum", "[[1], [2, 3]]", "--batch")
    assert [answer["output"] for answer in answers] == [1.0, 5.0]
    shell.run("feedback", "sum", str(answers[0]["query_id"]), "1.5")

    assert "ready: model sum:1" in shell.run("logs", "sum:1").stdout
    assert "sum" in shell.run("app", "list").stdout
    assert "1/1" in shell.run("model", "list").stdout
    assert "primary" in shell.run("link", "list", "sum").stdout
    assert "query frontend" in shell.run("status").stdout
    assert "sum:1" in shell.run("metrics").stdout
    assert "# TYPE skysail_queries" in shell.run("metrics", "--raw").stdout

    assert shell.document("model", "scale", "sum", "2")["n_replicas"] == 2
    shell.run("model", "set-version", "sum", "7", code=4)
    assert shell.document("model", "delete", "sum", code=5)["error"]["code"] == "in_use"
    shell.run("app", "update", "sum", "--slo-ms", "20")
    assert shell.document("app", "get", "sum")["latency_slo_ms"] == 20.0
    shell.run("link", "remove", "sum", "sum")
    shell.run("app", "delete", "sum")
    shell.run("model", "delete", "sum")
    assert shell.document("model", "list") == []

    assert shell.document("down") == {"stopped": True}
    assert not processes_of(shell.data_dir)


def test_a_second_up_says_who_runs(shell: Shell) -> None:
    shell.run("up", "--detach")
    pid = shell.document("status")["stack"]["pid"]
    for words in (("up", "--detach"), ("up",)):
        error = shell.document(*words, code=1)["error"]
        assert f"pid {pid}" in error["message"]
        assert "skysail down" in error["message"]
    assert shell.document("status")["stack"]["pid"] == pid


@pytest.mark.parametrize(("which", "flag"), [(0, "--query-port"), (1, "--management-port")])
@pytest.mark.parametrize("detach", [(), ("--detach",)])
def test_a_port_in_use_is_one_line_that_names_the_port_its_user_and_the_flag(
    shell: Shell, which: int, flag: str, detach: tuple[str, ...]
) -> None:
    port = (shell.query_port, shell.management_port)[which]
    with socket.create_server(("127.0.0.1", port)):
        ran = shell.run("up", *detach, code=3)
    lines = ran.stderr.strip().splitlines()
    assert len(lines) == 1
    assert f"port {port} is in use by" in lines[0]
    assert f"(pid {os.getpid()})" in lines[0]
    assert flag in lines[0]
    assert not processes_of(shell.data_dir)


def test_ctrl_c_stops_everything(shell: Shell) -> None:
    with subprocess.Popen(
        shell.command(("up",)), env=shell.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as foreground:
        assert foreground.stderr is not None
        said = ""
        while "Skysail is up" not in said:
            said += foreground.stderr.readline()
        foreground.send_signal(signal.SIGINT)
        _, rest = foreground.communicate(timeout=60)
    assert foreground.returncode == 0
    assert "everything has stopped" in rest
    assert not processes_of(shell.data_dir)


def test_a_data_dir_that_cannot_be_used_is_one_line(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    ran = shell.run("up", "--detach", "--data-dir", str(tmp_path / "file" / "data"), code=1)
    assert ran.stderr.strip().splitlines()[-1].endswith("choose another place with --data-dir")
    assert len(ran.stderr.strip().splitlines()) == 1


def test_a_part_that_cannot_start_is_named_with_its_last_words(shell: Shell) -> None:
    (shell.data_dir / "redis").mkdir()
    (shell.data_dir / "redis" / "appendonly.aof").write_text("this is no append-only file")
    error = shell.document("up", "--detach", code=1)["error"]
    assert "Redis ended while starting" in error["message"]
    assert "Bad file format" in error["logs"]
    assert not processes_of(shell.data_dir)


def test_an_external_redis_is_used(shell: Shell) -> None:
    with RedisServer() as redis:
        shell.run("up", "--detach", "--redis-url", redis.url)
        assert [part["name"] for part in shell.document("status")["stack"]["parts"]] == ["management", "frontend"]
        shell.run("app", "register", "a", "-t", "doubles", "-d", "0")
        with redis.client() as client:
            assert list(client.scan_iter("skysail:*"))
        shell.run("down")


def test_several_workers_answer_and_stop(shell: Shell) -> None:
    shell.run("up", "--detach", "--workers", "2")
    shell.run("app", "register", "a", "-t", "doubles", "-d", "0")
    wait_until(lambda: shell.document("predict", "a", "[1]")["default"], "it answers", interval_s=0.1)
