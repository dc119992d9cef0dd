"""Fallback, priority, caching and batching, set by client and command in a real management over a real Redis."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.management_server import ManagementServer
from harness.redis_server import RedisServer
from skysail_admin import Application, InUseError, InvalidRequestError, Model, NotFoundError, Skysail
from skysail_admin.cli.program import main

pytestmark = pytest.mark.xdist_group("amending")  # one worker runs them all, on one management


@pytest.fixture(scope="module")
def management() -> Iterator[ManagementServer]:
    with RedisServer() as redis, ManagementServer(redis.url, "--backend", "none") as server:
        yield server


@pytest.fixture
def client(management: ManagementServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Skysail]:
    """A client of a management that holds the models `m`, `small` and `text`, and the application `a` linked to `m`."""
    monkeypatch.setenv("SKYSAIL_URL", management.url)
    monkeypatch.setenv("SKYSAIL_DATA_DIR", str(tmp_path))
    with Skysail(management.url) as client:
        for name in ("m", "small"):
            client.register_model(name, 1, "doubles")
        client.register_model("text", 1, "strings")
        client.register_application("a", "doubles", -1)
        client.link_model_to_app("a", "m")
        yield client
        for application in client.applications():
            client.delete_application(application.name)
        client.delete_models([model.name for model in client.models()], force=True)


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    code = main(words)
    captured = capsys.readouterr()
    return code, captured.out + captured.err


def document(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> Any:
    found, out = run(capsys, *words, "--json")
    assert found == code, out
    return json.loads(out)


def choices(application: Application) -> tuple[str | None, str, bool]:
    return application.fallback_model, application.priority, application.cache


def batching(model: Model) -> tuple[str, int | None, int]:
    return model.batch_policy, model.max_batch_rows, model.batch_delay_micros


def test_an_application_has_what_it_was_registered_with(client: Skysail) -> None:
    assert choices(client.application("a")) == (None, "normal", True)
    made = client.register_application("b", "doubles", -1, fallback="small", priority="high", cache=False)
    assert choices(made) == choices(client.application("b")) == ("small", "high", False)
    info = client.get_app_info("b")
    assert info is not None
    assert (info["fallback_model"], info["priority"], info["cache"]) == ("small", "high", False)


def test_an_application_changes_by_what_is_given(client: Skysail) -> None:
    assert choices(client.update_application("a", fallback="small", cache=False)) == ("small", "normal", False)
    assert choices(client.update_application("a", priority="low")) == ("small", "low", False)
    assert choices(client.update_application("a", fallback=None, cache=True)) == (None, "low", True)
    assert choices(client.application("a")) == (None, "low", True)


@pytest.mark.parametrize(
    ("changes", "error", "field", "text"),
    [
        ({"fallback": "none"}, NotFoundError, "fallback_model", "No model with name 'none' exists."),
        ({"fallback": "text"}, InvalidRequestError, "fallback_model", "got 'text' with 'strings'"),
        ({"fallback": "m"}, InUseError, "fallback_model", "'m' cannot both be asked first by application 'a' and"),
        ({"priority": "urgent"}, InvalidRequestError, "priority", "expected 'high', 'normal' or 'low', got 'urgent'"),
        ({"cache": "no"}, InvalidRequestError, "cache", "a valid boolean, got 'no'"),
    ],
)
def test_what_an_application_cannot_have_is_named_by_its_field(
    client: Skysail, changes: dict[str, Any], error: type[Exception], field: str, text: str
) -> None:
    with pytest.raises(error) as caught:
        client.update_application("a", **changes)
    assert getattr(caught.value, "field", None) == field
    assert text in str(caught.value)
    assert choices(client.application("a")) == (None, "normal", True)
    if error is not InUseError:  # an application that is new asks no model yet
        with pytest.raises(error, match=text):
            client.register_application("b", "doubles", -1, **changes)


def test_a_fallback_is_neither_deleted_nor_linked_as_the_model_to_ask(client: Skysail) -> None:
    client.register_application("b", "doubles", -1, fallback="small")
    with pytest.raises(InUseError, match="Model 'small' is the fallback of 'b'"):
        client.delete_model("small")
    with pytest.raises(InUseError, match="'small' cannot both be asked first by application 'b' and be its fallback"):
        client.link_model_to_app("b", "small")
    client.delete_model("small", force=True)
    assert choices(client.application("b")) == (None, "normal", True)


def test_batching_is_what_was_said_last(client: Skysail) -> None:
    assert batching(client.model("m")) == ("deadline", None, 0)
    assert batching(client.set_batching("m", "fixed", 64, 500)) == batching(client.model("m")) == ("fixed", 64, 500)
    assert batching(client.set_batching("m", max_batch_rows=8)) == ("deadline", 8, 0)
    assert batching(client.set_batching("m")) == ("deadline", None, 0)


@pytest.mark.parametrize(
    ("policy", "max_rows", "delay_us", "field", "text"),
    [
        ("greedy", None, 0, "batch_policy", "expected 'deadline', 'aimd' or 'fixed', got 'greedy'"),
        ("fixed", None, 0, "max_batch_rows", "which batch_policy 'fixed' needs, got none"),
        ("aimd", 4_097, 0, "max_batch_rows", "expected 1 to 4096, got 4097"),
        ("aimd", 8, -1, "batch_delay_micros", "expected 0 to 1000000, got -1"),
        ("aimd", 8, 1_000_001, "batch_delay_micros", "expected 0 to 1000000, got 1000001"),
    ],
)
def test_batching_that_cannot_be_is_named_by_its_field(
    client: Skysail,
    capsys: pytest.CaptureFixture[str],
    policy: str,
    max_rows: int | None,
    delay_us: int,
    field: str,
    text: str,
) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        client.set_batching("m", policy, max_rows, delay_us)
    assert caught.value.field == field
    assert text in caught.value.message
    words = ["--policy", policy, "--delay-us", str(delay_us)]
    words += [] if max_rows is None else ["--max-rows", str(max_rows)]
    error = document(capsys, "model", "batching", "m", *words, code=2)["error"]
    assert (error["field"], error["message"]) == (field, caught.value.message)
    assert batching(client.model("m")) == ("deadline", None, 0)


def test_the_command_registers_and_updates_an_application(client: Skysail, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("app", "register", "b", "-t", "doubles", "-d", "-1", "--fallback", "small", "--priority", "high")
    assert document(capsys, *words, "--no-cache") == document(capsys, "app", "get", "b")
    assert choices(client.application("b")) == ("small", "high", False)
    found = document(capsys, "app", "update", "b", "--no-fallback", "--cache")
    assert (found["fallback_model"], found["priority"], found["cache"]) == (None, "high", True)
    document(capsys, "app", "update", "b", "--fallback", "m", "--priority", "low", "--no-cache")
    assert choices(client.application("b")) == ("m", "low", False)


def test_the_command_shows_what_an_application_has(client: Skysail, capsys: pytest.CaptureFixture[str]) -> None:
    client.update_application("a", fallback="small", priority="low", cache=False)
    _, shown = run(capsys, "app", "get", "a")
    for name, value in (("fallback", "small"), ("priority", "low"), ("cache", "no")):
        assert [name, value] in [line.split() for line in shown.splitlines()]
    _, table = run(capsys, "app", "list")
    header, row = (line.split() for line in table.splitlines() if line.split()[:1] in (["APPLICATION"], ["a"]))
    assert header[-4:] == ["PRIORITY", "CACHE", "MODELS", "FALLBACK"]
    assert row[-4:] == ["low", "no", "m", "small"]


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (("--fallback", "m"), 5, "cannot both be asked first"),
        (("--fallback", "none"), 4, "No model with name 'none' exists."),
        (("--fallback", "small", "--no-fallback"), 2, "say --fallback or --no-fallback, not both"),
        (("--priority", "urgent"), 2, "priority: expected 'high', 'normal' or 'low', got 'urgent'"),
        ((), 2, "say what to change"),
    ],
)
def test_the_command_refuses_what_an_application_cannot_have(
    client: Skysail, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], code: int, text: str
) -> None:
    assert text in document(capsys, "app", "update", "a", *words, code=code)["error"]["message"]
    assert choices(client.application("a")) == (None, "normal", True)


def test_the_command_changes_batching_by_what_is_said(client: Skysail, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "model", "batching", "m") == (0, "m batches: deadline\n")
    words = ("--policy", "fixed", "--max-rows", "64", "--delay-us", "500")
    assert run(capsys, "model", "batching", "m", *words) == (0, "m batches: fixed, 64 rows, 500 us delay\n")
    assert run(capsys, "model", "batching", "m", "--policy", "aimd")[1] == (
        "m batches: aimd, up to 64 rows, 500 us delay\n"
    )
    found = document(capsys, "model", "batching", "m", "--max-rows", "0")
    assert (found["batch_policy"], found["max_batch_rows"], found["batch_delay_micros"]) == ("aimd", None, 500)
    assert document(capsys, "model", "batching", "m") == found
    assert document(capsys, "model", "batching", "none", code=4)["error"]["message"].startswith("No model with name")


def test_the_command_shows_a_versions_batching(client: Skysail, capsys: pytest.CaptureFixture[str]) -> None:
    client.set_batching("m", "fixed", 64)
    assert "fixed, 64 rows" in run(capsys, "model", "get", "m")[1]
    assert "fixed, 64 rows" in run(capsys, "model", "list")[1]
    found = document(capsys, "model", "get", "m:1")
    assert (found["batch_policy"], found["max_batch_rows"], found["batch_delay_micros"]) == ("fixed", 64, 0)
    assert found in document(capsys, "model", "list")
