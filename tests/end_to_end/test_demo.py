"""`make demo` as a newcomer runs it, on free ports, and the examples it points to."""

import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

from harness.free_ports import free_ports
from harness.local_stack import processes_of, running_stack
from harness.wait_until import wait_until

CHECKOUT = Path(__file__).resolve().parents[2]
FIGURE = re.compile(r"accuracy over REST, (?:row by row|as a batch) +(\d\.\d+)")
OWN = re.compile(r"the model's own: (\d\.\d+)")


def environment(temporary: Path) -> dict[str, str]:
    query_port, management_port = free_ports(2)
    return {
        **os.environ,
        "TMPDIR": str(temporary),
        "SKYSAIL_QUERY_PORT": str(query_port),
        "SKYSAIL_MANAGEMENT_PORT": str(management_port),
    }


def demo_command(*flags: str) -> list[str]:
    return [sys.executable, "-m", "examples.demo.demo", *flags]


def test_make_demo_serves_a_real_model_and_stops_everything(tmp_path: Path) -> None:
    stamp = f"{sys.prefix}/.ready"
    command = [
        "make",
        "-o",
        stamp,
        f"VENV={sys.prefix}",
        "demo",
        "DEMO_FLAGS=--seconds 1",
    ]  # -o: the environment is the tests' to make
    ran = subprocess.run(
        command, cwd=CHECKOUT, env=environment(tmp_path), capture_output=True, text=True, timeout=80, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    own = OWN.search(ran.stdout)
    assert own is not None
    assert FIGURE.findall(ran.stdout) == [own[1], own[1]]
    assert float(own[1]) > 0.9
    for shown in ("p50", "p99", "queries per second, 64 connections", "default outputs", "curl -s http://127.0.0.1:"):
        assert shown in ran.stdout
    assert not processes_of(tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_port_in_use_is_said_in_one_line_and_what_to_do_in_another(tmp_path: Path) -> None:
    surroundings = environment(tmp_path)
    port = int(surroundings["SKYSAIL_QUERY_PORT"])
    with socket.create_server(("127.0.0.1", port)):
        ran = subprocess.run(
            demo_command(), cwd=CHECKOUT, env=surroundings, capture_output=True, text=True, timeout=80, check=False
        )
    assert ran.returncode == 3
    assert f"port {port} is in use by" in ran.stdout
    assert "make demo SKYSAIL_QUERY_PORT=" in ran.stdout
    assert "Traceback" not in ran.stderr
    assert not processes_of(tmp_path)


def test_told_to_end_in_the_middle_it_stops_everything(tmp_path: Path) -> None:
    command = demo_command("--seconds", "60")
    with subprocess.Popen(command, cwd=CHECKOUT, env=environment(tmp_path), stdout=subprocess.PIPE, text=True) as demo:
        assert demo.stdout is not None
        said = ""
        while "as one batch" not in said:
            line = demo.stdout.readline()
            assert line, said
            said += line
        demo.send_signal(signal.SIGTERM)
        assert demo.wait(60) == 130
    wait_until(lambda: not processes_of(tmp_path), "everything has stopped")


def test_the_examples_run_against_a_stack_and_run_again() -> None:
    function = ("quickstart_function.py", "served: 0")
    with running_stack() as (stack, _):
        addresses = (stack.settings.management_url, stack.settings.query_url)
        for example, said in (("quickstart.py", "prediction 0, truth 0"), function, function):
            command = [sys.executable, str(CHECKOUT / "examples" / example), *addresses]
            ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
            assert ran.returncode == 0, ran.stderr
            assert said in ran.stdout
