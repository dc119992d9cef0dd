"""kill -9 of everything, one after the other: it is back by itself, and answering."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from harness.local_stack import data_folder, live_output, own_settings, processes_of, running_stack
from harness.wait_until import wait_until
from skysail_admin import Skysail, UnavailableError
from skysail_admin.local import background
from skysail_admin.local.local_stack import LocalStack
from skysail_admin.local.stack_state import PartRecord, read_running

STARTER = """
import sys, time
from pathlib import Path
from skysail_admin.local.local_stack import LocalStack
from skysail_admin.local.settings import StackSettings
with LocalStack(StackSettings(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))) as stack:
    print(stack.pid, flush=True)
    time.sleep(600)
"""

pytestmark = pytest.mark.xdist_group("stack-adversity")  # one worker runs them all, on one stack


def serve_sum(client: Skysail) -> None:
    client.register_application("sum", "doubles", default_output=None, slo_ms=1000)
    client.deploy_model("sum", 1, "doubles", lambda rows: [float(sum(row)) for row in rows])
    client.link_model_to_app("sum", "sum")
    assert live_output(client, "sum", [1.0, 2.0]) == 3.0


def answers(client: Skysail, row: list[float]) -> Any:
    """The output, real or default; None while nobody is there."""
    try:
        return client.predict("sum", row).output
    except UnavailableError:
        return None


@pytest.fixture(scope="module")
def serving() -> Iterator[tuple[LocalStack, Skysail]]:
    with running_stack() as (stack, client):
        serve_sum(client)
        yield stack, client


def part(stack: LocalStack, name: str) -> PartRecord:
    record = read_running(stack.settings.data_dir)
    assert record is not None
    return next(part for part in record.parts if part.name == name)


@pytest.mark.parametrize("name", ["redis", "management", "frontend"])
def test_a_part_that_is_killed_is_back_and_the_model_answers(serving: tuple[LocalStack, Skysail], name: str) -> None:
    stack, client = serving
    before = part(stack, name)
    assert before.pid is not None
    os.kill(before.pid, signal.SIGKILL)
    wait_until(lambda: (now := part(stack, name)).state == "ready" and now.pid != before.pid, f"{name} is back")
    wait_until(lambda: answers(client, [1.0, 2.0]) == 3.0, "the model answers")
    assert part(stack, name).restarts == before.restarts + 1
    client.set_num_replicas("sum", 1)  # management writes to Redis: both work
    assert [link.model for link in client.application("sum").links] == ["sum"]


def test_a_container_that_is_killed_is_back_and_answers(serving: tuple[LocalStack, Skysail]) -> None:
    _, client = serving
    killed = client.replicas("sum")[0].pid
    assert killed is not None
    os.kill(killed, signal.SIGKILL)
    wait_until(lambda: {r.pid for r in client.replicas("sum") if r.state == "ready"} - {killed}, "another container")
    assert live_output(client, "sum", [2.0, 3.0]) == 5.0


def test_while_redis_is_away_predictions_go_on_and_management_says_so(serving: tuple[LocalStack, Skysail]) -> None:
    stack, client = serving
    pid = part(stack, "redis").pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    try:
        assert client.predict("sum", [1.0, 2.0]).output == 3.0
        with Skysail(stack.settings.management_url, timeout_s=30) as patient, pytest.raises(UnavailableError):
            patient.register_application("late", "doubles", 0)
    finally:
        os.kill(pid, signal.SIGCONT)
    wait_until(lambda: client.status()["registry"]["reachable"], "management has its registry again")
    assert answers(client, [1.0, 2.0]) == 3.0


def test_a_killed_supervisor_takes_everything_with_it_and_the_next_one_brings_everything_back() -> None:
    with data_folder() as folder:
        settings = own_settings(folder)
        first = background.start(settings, lambda event: None)
        with Skysail(settings.management_url, settings.query_url) as client:
            serve_sum(client)
            n_processes = len(processes_of(folder))
            first.kill()
            first.wait()
            assert n_processes >= 4
            with LocalStack(settings):  # waits for what is still stopping, then finds all as it was
                assert live_output(client, "sum", [1.0, 2.0]) == 3.0


def test_nothing_is_left_when_the_process_that_holds_a_stack_is_killed() -> None:
    with data_folder() as folder:
        settings = own_settings(folder)
        command = [sys.executable, "-c", STARTER, str(folder), str(settings.query_port), str(settings.management_port)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
            assert holder.stdout is not None
            assert psutil.pid_exists(int(holder.stdout.readline()))
            holder.kill()
        wait_until(lambda: not processes_of(folder), "every process is gone", timeout_s=60)


def test_stopped_and_started_again_everything_is_back_and_answering() -> None:
    with data_folder() as folder:
        settings = own_settings(folder)
        with LocalStack(settings) as stack, stack.client() as client:
            serve_sum(client)
            client.set_num_replicas("sum", 2)
            client.wait_until_ready("sum", 1, num_replicas=2)
        assert not processes_of(folder)
        with LocalStack(settings) as stack, stack.client() as client:
            assert live_output(client, "sum", [1.0, 2.0]) == 3.0
            client.wait_until_ready("sum", 1, num_replicas=2)
            assert [app.name for app in client.applications()] == ["sum"]
            assert client.get_linked_models("sum") == ["sum"]


def test_a_data_dir_with_a_long_name_works() -> None:
    with data_folder() as folder:
        with LocalStack(own_settings(folder / ("long" * 30))) as stack, stack.client() as client:
            serve_sum(client)
            record = read_running(stack.settings.data_dir)
            assert record is not None
            run_dir = Path(record.run_dir)
        assert not run_dir.exists()
