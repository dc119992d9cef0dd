"""`skysail explain` on a whole stack with queries coming in."""

import json
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from harness.local_stack import live_output, running_stack
from harness.wait_until import wait_until
from skysail_admin.cli.program import main
from skysail_admin.local.local_stack import LocalStack

pytestmark = pytest.mark.xdist_group("stack-explained")


def steady(rows: Sequence[Sequence[float]]) -> list[float]:
    time.sleep(0.02)  # what the model is busy with
    return [float(sum(row)) for row in rows]


@pytest.fixture(scope="module")
def stack() -> Iterator[LocalStack]:
    with running_stack() as (running, client):
        client.register_application("sums", "doubles", default_output=0, slo_ms=10_000, cache=False)
        client.deploy_model("adder", 1, "doubles", lambda rows: steady(rows))
        client.link_model_to_app("sums", "adder")
        live_output(client, "sums", [1.0])
        yield running


@contextmanager
def queries(stack: LocalStack, app: str) -> Iterator[None]:
    """One client that asks, gets its answer, and asks again; the first answer is there on entering."""
    has_begun, is_over = threading.Event(), threading.Event()

    def ask() -> None:
        with stack.client() as client:
            while not is_over.is_set():
                client.predict(app, [1.0, 2.0])
                has_begun.set()

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        assert has_begun.wait(30.0)
        yield
    finally:
        is_over.set()
        asking.join()


def explained(stack: LocalStack, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, Any]:
    settings = stack.settings
    addresses = ("--url", settings.management_url, "--query-url", settings.query_url)
    code = main(["explain", *words, *addresses, "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_the_time_of_a_model_that_takes_its_time_is_found_there(
    stack: LocalStack, capsys: pytest.CaptureFixture[str]
) -> None:
    with queries(stack, "sums"):
        code, found = explained(stack, capsys, "sums", "--seconds", "1.5")
    assert code == 0
    assert found["queries"] > 0
    assert found["defaults"] == 0
    assert found["attained"] == 1.0
    parts = {part["part"]: part for part in found["parts"]}
    assert set(parts) == {"network and HTTP", "waiting", "RPC", "model"}
    assert sum(part["share"] for part in parts.values()) == pytest.approx(1.0)
    assert parts["model"]["mean_ms"] >= 20.0
    assert parts["network and HTTP"]["mean_ms"] > 0.0
    assert {finding["rule"] for finding in found["findings"]} >= {"objective"}


def test_why_answers_are_defaults_is_told(stack: LocalStack, capsys: pytest.CaptureFixture[str]) -> None:
    with stack.client() as client:
        client.register_application("hasty", "doubles", default_output=0, slo_ms=2, cache=False)
        client.link_model_to_app("hasty", "adder")
        wait_until(lambda: 'app="hasty"' in client.metrics_text(), "the query frontend knows the application")
        wait_until(lambda: client.predict("hasty", [1.0]).default_reason != "no_link", "it knows the link")
        for _ in range(20):
            assert client.predict("hasty", [1.0]).default
    code, found = explained(stack, capsys, "hasty", "--seconds", "0")
    assert code == 0
    assert found["attained"] == 0.0
    assert found["verdict"].startswith("Most answers (100 %) are default outputs")
    assert any(finding["rule"].startswith("default_") and finding["next_step"] for finding in found["findings"])
